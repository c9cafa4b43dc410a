/**
 * The store of approvals: tasks, from the access request that opens one to its end. Nothing of it is cached: a decision's
 * own record changes it.
 */
import type {
  Approval,
  ApprovalAnswer,
  ApprovalRequester,
  Approvals,
  ApprovalUse,
  PresentedApproval,
  TaskState,
} from '../model/approvals.js';
import { isUuid, type EntityRef } from '../model/ids.js';
import type { Database, DatabaseRow, SqlStatement } from './database/port.js';
import type { ReadBatch } from './read-batch.js';
import { openEmergencyReviewStatement } from './reviews.js';
import { tellOfTasks } from './task-events.js';

/** The question that is approved, as approvers are shown it: what decides nothing isn't part of it. */
export interface ApprovedQuestion {
  readonly subject: EntityRef;
  readonly action: { readonly name: string; readonly properties: Readonly<Record<string, unknown>> };
  readonly resource: EntityRef & { readonly properties: Readonly<Record<string, unknown>> };
  readonly context: Readonly<Record<string, unknown>>;
}

/** The part of a task that was asked and never changes. JSON. */
export interface AskedTask extends Pick<Approval, 'binding' | 'steps' | 'emergency'> {
  readonly question: ApprovedQuestion;
  readonly chain: readonly EntityRef[];
  /** The decision that was denied. */
  readonly denial: string;
  /** Tells the question from others, whichever client asks it; undefined where the denial doesn't say what of it decides. */
  readonly question_sha256?: string | undefined;
  /** The end of the approval that was asked for, RFC 3339. */
  readonly requested_until?: string | undefined;
}

export interface StoredTask extends AskedTask, Omit<Approval, keyof AskedTask>, ApprovalRequester {
  readonly answers: readonly StoredAnswer[];
  /** The no, where it was denied. */
  readonly denied?: Refusal | undefined;
  /** The caller that asked, as it is recorded: the id of a client, or `agent:…`. */
  readonly requester: string;
  /** RFC 3339. */
  readonly asked: string;
  /** The instant until which it can be answered. */
  readonly expires: string;
  /** When it was answered, or ended. */
  readonly decided?: string | undefined;
}

/** The end of a task that waits, or of an approval. */
export type TaskEnd = 'cancelled' | 'revoked';

/** An answer, with the terms under which it was given. */
export interface StoredAnswer extends ApprovalAnswer {
  readonly scope: Approval['scope'];
  /** RFC 3339. */
  readonly until: string;
  readonly note?: string | undefined;
}

/** A no, which is to the whole. */
export type Refusal = Pick<StoredAnswer, 'by' | 'at' | 'note'>;

export interface TaskAnswer {
  readonly denied?: Refusal | undefined;
  readonly answers: readonly StoredAnswer[];
  /** `pending` where other steps still lack their yes. */
  readonly state: 'pending' | 'approved' | 'denied';
  readonly scope: Approval['scope'];
  readonly approved_until?: string | undefined;
}

/** The key that a page of tasks continues at. */
export type TaskKey = Pick<StoredTask, 'asked' | 'id'>;

/** Ended tasks are kept for a week: the same request again is then the same task. */
export const KEPT_AFTER_END_MS = 7 * 86_400_000;

/** More are not counted, so that a count takes no long time. */
const MAX_COUNTED_TASKS = 100_000;

const SELECT_TASKS = 'select t.* from approval_tasks t';

export class ApprovalStore implements Approvals {
  /**
   * @param reads sends what a turn reads
   * @param isGenuine whether the signed state is Remit's own, of this approval
   * @param reviewDueMs the time within which an approval in an emergency is to be reviewed
   * @param cooldownMs the time after a no in which the same isn't asked again
   */
  constructor(
    private readonly database: Database,
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
   * Answers a task that waits.
   * @param seen the answers that it had when this one was made: another's answer meanwhile counts first
   * @returns the task as it is now; undefined where it waits no more, or has other answers
   * @throws Fault
   */
  async answer(
    { id, answers: seen, steps, emergency }: Pick<StoredTask, 'id' | 'answers' | 'steps' | 'emergency'>,
    answer: TaskAnswer,
    now: Date,
  ): Promise<StoredTask | undefined> {
    const isGrant = answer.state === 'approved' && steps.some(({ kind }) => kind === 'elevation');
    const [rows] = await this.database.run([
      tellOfTasks(
        {
          sql: `update approval_tasks t set answers = $3::jsonb, state = $4, scope = $5, approved_until = $6::timestamptz,
                denied = $10::jsonb, decided = case when $4 <> 'pending' then $7::timestamptz end, grant_state = $8,
                kept_until = greatest(kept_until, $9::timestamptz, $6::timestamptz + interval '30 days')
              where id = $1::uuid and state = 'pending' and expires > $7::timestamptz and answers = $2::jsonb returning t.*`,
          params: [
            id,
            JSON.stringify(seen),
            JSON.stringify(answer.answers),
            answer.state,
            answer.scope,
            answer.approved_until ?? null,
            now.toISOString(),
            isGrant ? 'wanted' : 'none',
            new Date(now.getTime() + KEPT_AFTER_END_MS).toISOString(),
            answer.denied === undefined ? null : JSON.stringify(answer.denied),
          ],
        },
        'approval.decided',
        now,
      ),
      ...(emergency === undefined || answer.state !== 'approved'
        ? []
        : [
            openEmergencyReviewStatement(
              { task: id, at: now, approvers: answer.answers.map(({ by }) => by) },
              this.reviewDueMs,
            ),
          ]),
    ]);
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

  /** Cancels a task that waits, or revokes an approval. @returns it as it is now; undefined where it is in no such state @throws Fault */
  async end(id: string, end: TaskEnd, now: Date): Promise<StoredTask | undefined> {
    const [rows] = await this.database.run([
      tellOfTasks(
        {
          sql: `update approval_tasks t set state = $2, decided = $3::timestamptz, kept_until = greatest(kept_until, $5::timestamptz)
              where id = $1::uuid and state = $4
                and ((case when $4 = 'pending' then expires else approved_until end) > $3::timestamptz
                  or grant_state in ('wanted', 'written')) returning t.*`,
          params: [
            id,
            end,
            now.toISOString(),
            end === 'cancelled' ? 'pending' : 'approved',
            new Date(now.getTime() + KEPT_AFTER_END_MS).toISOString(),
          ],
        },
        'approval.decided',
        now,
      ),
    ]);
    return rows?.[0] === undefined ? undefined : toStoredTask(rows[0]);
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

/** Ends all tasks of a pair and all its approvals, and those of others that the agent passed on, in a transaction with others. */
export function endAllStatement(
  { user, agent }: { readonly user: EntityRef; readonly agent: EntityRef },
  now: Date,
): SqlStatement {
  return tellOfTasks(
    {
      sql: `update approval_tasks t set decided = $5::timestamptz, kept_until = greatest(kept_until, $6::timestamptz),
              state = case when t.state = 'pending' then 'cancelled' else 'revoked' end
            where t.id in (select id from approval_tasks
              where user_type = $1 and user_id = $2
                and ((agent_type = $3 and agent_id = $4) or task->'chain' @> $7::jsonb)
                and state in ('pending', 'approved') order by id for update)
            returning t.*`,
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
  );
}

export function toStoredTask(row: DatabaseRow): StoredTask {
  const { chain, question, denial, requested_until } = row['task'] as AskedTask;
  return {
    ...toApproval(row),
    answers: row['answers'] as readonly StoredAnswer[],
    ...(row['denied'] === null ? {} : { denied: row['denied'] as Refusal }),
    chain,
    question,
    denial,
    ...(requested_until === undefined ? {} : { requested_until }),
    user: toParty(row['user_type'], row['user_id']),
    agent: toParty(row['agent_type'], row['agent_id']),
    requester: String(row['requester']),
    asked: toInstant(row['asked']) ?? '',
    expires: toInstant(row['expires']) ?? '',
    decided: toInstant(row['decided']),
  };
}

function toApproval(row: DatabaseRow): Approval {
  const { binding, steps, emergency } = row['task'] as AskedTask;
  const approvedUntil = toInstant(row['approved_until']);
  return {
    id: String(row['id']),
    state: row['state'] as TaskState,
    binding,
    steps,
    answers: (row['answers'] as readonly StoredAnswer[]).map(({ step, by, at }) => ({ step, by, at })),
    ...(emergency === undefined ? {} : { emergency }),
    scope: row['scope'] as Approval['scope'],
    ...(approvedUntil === undefined ? {} : { approved_until: approvedUntil }),
    ...(typeof row['used_by'] === 'string' ? { used_by: row['used_by'] } : {}),
    granted: row['grant_state'] === 'none' || row['grant_state'] === 'written',
  };
}

function toParty(type: unknown, id: unknown): EntityRef | undefined {
  return type === '' ? undefined : { type: String(type), id: String(id) };
}

/** @param value a timestamp, or its text where it was read as JSON */
function toInstant(value: unknown): string | undefined {
  return value instanceof Date || typeof value === 'string' ? new Date(value).toISOString() : undefined;
}
