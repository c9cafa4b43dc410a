/**
 * The store of approvals: tasks, from the access request that opens one to its end. Nothing of it is cached: a decision's
 * own record changes it.
 */
import type { Approval, Approvals, ApprovalUse, PresentedApproval, TaskState } from '../model/approvals.js';
import { isUuid, type EntityRef } from '../model/ids.js';
import { listAnswerStatements, type AnsweredTask } from './answer-task.js';
import type { ChangeRecords, PreparedChange } from './change-records.js';
import type { Database, SqlStatement } from './database/port.js';
import type { ReadBatch } from './read-batch.js';
import {
  KEPT_AFTER_END_MS,
  toApproval,
  toInstant,
  toStoredTask,
  type StoredTask,
  type TaskAnswer,
} from './stored-task.js';
import {
  DENIED_DECISION,
  RECORDED_TASK_STATES,
  stateAllTasksEnd,
  stateAnswer,
  stateEmergencyReview,
  stateEqualDenial,
  stateTaskEnd,
} from './task-changes.js';
import { tellOfTasks } from './task-events.js';

/** The end of a task that waits, or of an approval. */
export type TaskEnd = 'cancelled' | 'revoked';

/** A user and an agent whose tasks end together. */
interface TaskPair {
  readonly user: EntityRef;
  readonly agent: EntityRef;
}

/** The key that a page of tasks continues at. */
export type TaskKey = Pick<StoredTask, 'asked' | 'id'>;

/** More are not counted, so that a count takes no long time. */
const MAX_COUNTED_TASKS = 100_000;

const SELECT_TASKS = 'select t.* from approval_tasks t';

export class ApprovalStore implements Approvals {
  /**
   * @param changes records answers and ends
   * @param reads sends what a turn reads
   * @param isGenuine whether the signed state is Remit's own, of this approval
   * @param reviewDueMs the time within which an approval in an emergency is to be reviewed
   * @param cooldownMs the time after a no in which the same isn't asked again
   */
  constructor(
    private readonly database: Database,
    private readonly changes: ChangeRecords,
    private readonly reads: Pick<ReadBatch, 'read'>,
    private readonly isGenuine: (presented: PresentedApproval & { readonly state: string }) => Promise<boolean>,
    private readonly reviewDueMs: number,
    private readonly cooldownMs: number,
  ) {}

  async fetch(presented: readonly PresentedApproval[]): Promise<ReadonlyMap<string, Approval>> {
    const genuine = await Promise.all(
      presented.map(async ({ id, state }) =>
        isUuid(id) && (state === undefined || (await this.isGenuine({ id, state }))) ? [id] : [],
      ),
    );
    const ids = [...new Set(genuine.flat())];
    if (ids.length === 0) return new Map();
    const rows = await this.reads.read(() => ({
      sql: `${SELECT_TASKS} where t.id = any ($1::uuid[])`,
      params: [`{${ids.join(',')}}`],
    }));
    return new Map(rows.map((row) => toApproval(row)).map((approval) => [approval.id, approval]));
  }

  async findRefusals(questions: readonly string[], now: Date): Promise<ReadonlyMap<string, string>> {
    if (questions.length === 0 || this.cooldownMs === 0) return new Map();
    const rows = await this.reads.read(() => ({
      sql: `select t.question_sha256, max(t.decided) as decided from approval_tasks t
            where t.state = 'denied' and t.question_sha256 = any ($1::text[]) and t.decided > $2::timestamptz group by 1`,
      params: [`{${questions.join(',')}}`, new Date(now.getTime() - this.cooldownMs).toISOString()],
    }));
    return new Map(rows.map((row) => [String(row['question_sha256']), toInstant(row['decided']) ?? '']));
  }

  /** Counts the tasks that wait for people, {@link MAX_COUNTED_TASKS} at most. @throws Fault */
  async countWaiting(now: Date): Promise<number> {
    const [rows] = await this.database.run([
      {
        sql: `select count(*)::int as waiting from (select from approval_tasks t
                where t.state = 'pending' and t.expires > $1::timestamptz limit ${MAX_COUNTED_TASKS}) s`,
        params: [now.toISOString()],
      },
    ]);
    return Number(rows?.[0]?.['waiting']);
  }

  /** Finds a task. @throws Fault */
  async find(id: string): Promise<StoredTask | undefined> {
    return (await this.findAll([id]))[0];
  }

  /** Finds tasks, those that there are. @throws Fault */
  async findAll(ids: readonly string[]): Promise<readonly StoredTask[]> {
    const known = ids.filter(isUuid);
    if (known.length === 0) return [];
    const params = [`{${known.join(',')}}`];
    const [rows = []] = await this.database.run([{ sql: `${SELECT_TASKS} where t.id = any ($1::uuid[])`, params }]);
    return rows.map(toStoredTask);
  }

  /**
   * Answers a task that waits. A no ends the equal ones that wait as well.
   * @param task as it was when this answer was made: another's answer meanwhile counts first
   * @returns the task as it is now; undefined where it waits no more, or has other answers
   * @throws Fault
   */
  async answer(task: AnsweredTask, answer: TaskAnswer, now: Date): Promise<StoredTask | undefined> {
    const [stated, equal, review] = await this.changes.prepareAll([
      stateAnswer(task, answer, now),
      stateEqualDenial(task, answer, now),
      stateEmergencyReview(task, now, new Date(now.getTime() + this.reviewDueMs)),
    ]);
    const records = { answer: stated ?? '', equal: equal ?? '', review: review ?? '' };
    const { statements, index } = listAnswerStatements(task, answer, records, now, this.reviewDueMs);
    const rows = (await this.database.run(statements))[index];
    return rows?.[0] === undefined ? undefined : toStoredTask(rows[0]);
  }

  /**
   * Lists tasks, the oldest first: all that wait, or of those that ended the person's own and those that they answered.
   * @param after the key of the page before; undefined for the first page
   * @throws Fault
   */
  async list(
    person: EntityRef,
    states: readonly TaskState[],
    { after, limit, now }: { readonly after: TaskKey | undefined; readonly limit: number; readonly now: Date },
  ): Promise<readonly StoredTask[]> {
    const [rows = []] = await this.database.run([
      {
        sql: `${SELECT_TASKS} where t.state = any ($1::text[]) and (t.state <> 'pending' or t.expires > $2::timestamptz)
                and (t.state = 'pending' or (t.user_type = $3 and t.user_id = $4) or t.answers @> $5::jsonb or t.denied @> $9::jsonb)
                and ($6::timestamptz is null or (t.asked, t.id) > ($6::timestamptz, $7::uuid))
              order by t.asked, t.id limit $8::int`,
        params: [
          `{${states.join(',')}}`,
          now.toISOString(),
          person.type,
          person.id,
          JSON.stringify([{ by: person }]),
          after?.asked ?? null,
          after?.id ?? null,
          limit,
          JSON.stringify({ by: person }),
        ],
      },
    ]);
    return rows.map(toStoredTask);
  }

  /**
   * Cancels a task that waits, or revokes an approval.
   * @param by the caller, as it is recorded
   * @returns it as it is now; undefined where it is in no such state
   * @throws Fault
   */
  async end(id: string, end: TaskEnd, by: string, now: Date): Promise<StoredTask | undefined> {
    const task = await this.find(id);
    if (task === undefined) return undefined;
    const change = await this.changes.prepare(stateTaskEnd(task, end, by, now));
    const before = end === 'cancelled' ? 'pending' : 'approved';
    const [rows] = await this.database.run([
      tellOfTasks(
        {
          sql: `update approval_tasks t set state = $2, decided = $3::timestamptz, kept_until = greatest(kept_until, $5::timestamptz)
              where id = $1::uuid and state = $4
                and ((case when $4 = 'pending' then expires else approved_until end) > $3::timestamptz
                  or grant_state in ('wanted', 'written')) returning t.*`,
          params: [id, end, now.toISOString(), before, new Date(now.getTime() + KEPT_AFTER_END_MS).toISOString()],
        },
        'approval.decided',
        now,
        { change, before: `'{"state":"${before}"}'::jsonb`, after: RECORDED_TASK_STATES.after },
      ),
    ]);
    return rows?.[0] === undefined ? undefined : toStoredTask(rows[0]);
  }

  /**
   * Makes the statement that ends all tasks of a pair and all its approvals, and those of others that the agent passed on, for a
   * transaction with others.
   * @param by the caller, as it is recorded
   * @throws Fault
   */
  async prepareEndAll(pair: TaskPair, by: string, now: Date): Promise<SqlStatement> {
    return endAllStatement(pair, await this.changes.prepare(stateAllTasksEnd(pair, by, now)), now);
  }
}

/**
 * Uses an approval up in the transaction of the decision's record. Its row has the `problem`: null where the approval is used
 * now; otherwise why it can't be, and then the decision must not be recorded as an allow. `select … where
 * use_approval(…) is null` is the same within another statement, for each row of it.
 */
export function useStatement({ id, decision }: ApprovalUse, now: Date): SqlStatement {
  return {
    sql: 'select use_approval($1::uuid, $2::uuid, $3::timestamptz) as problem',
    params: [id, decision, now.toISOString()],
  };
}

function endAllStatement({ user, agent }: TaskPair, change: PreparedChange, now: Date): SqlStatement {
  return tellOfTasks(
    {
      sql: `update approval_tasks t set decided = $5::timestamptz, kept_until = greatest(kept_until, $6::timestamptz),
              state = case when t.state = 'pending' then 'cancelled' else 'revoked' end
            from (select id, state as state_before from approval_tasks
              where user_type = $1 and user_id = $2
                and ((agent_type = $3 and agent_id = $4) or task->'chain' @> $7::jsonb)
                and state in ('pending', 'approved') order by id for update) b
            where t.id = b.id returning t.*, b.state_before`,
      params: [
        user.type,
        user.id,
        agent.type,
        agent.id,
        now.toISOString(),
        new Date(now.getTime() + KEPT_AFTER_END_MS).toISOString(),
        JSON.stringify([agent]),
      ],
    },
    'approval.decided',
    now,
    { change, object: 'r.id', about: DENIED_DECISION, ...RECORDED_TASK_STATES },
  );
}
