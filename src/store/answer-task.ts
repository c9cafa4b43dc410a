/**
 * The statements by which a task is answered, in one transaction. A yes is to the one task; a no is to the question, so it is the no
 * to every equal one that waits, whichever client asks it and whichever people could have answered.
 */
import { ADVISORY_LOCKS, LOCK_NAMESPACE } from './database/locks.js';
import type { PreparedChange } from './change-records.js';
import type { SqlStatement } from './database/port.js';
import { openEmergencyReviewStatement } from './reviews.js';
import { KEPT_AFTER_END_MS, type StoredTask, type TaskAnswer } from './stored-task.js';
import { DENIED_DECISION, RECORDED_TASK_STATES, type RecordedTask } from './task-changes.js';
import { tellOfTasks } from './task-events.js';

/** The part of a task that an answer to it depends on. */
export type AnsweredTask = RecordedTask & Pick<StoredTask, 'emergency'>;

/** The records of an answer: of the task, of those that are denied with it, and of the review of an approval in an emergency. */
export interface AnswerRecords {
  readonly answer: PreparedChange;
  readonly equal: PreparedChange;
  readonly review: PreparedChange;
}

/** The equal tasks that wait. Those of before questions were told from others are equal to none. */
const EQUAL_TASKS = `o.state = 'pending' and o.question_sha256 <> ''
  and o.question_sha256 = (select m.question_sha256 from approval_tasks m where m.id = $1::uuid)`;

/**
 * @param task as it was when the answer was made: another's answer meanwhile counts first
 * @returns the statements, and the index of the one whose row is the task as it is then: there is none where it waits no more
 */
export function listAnswerStatements(
  task: AnsweredTask,
  answer: TaskAnswer,
  records: AnswerRecords,
  now: Date,
  reviewDueMs: number,
): { readonly statements: readonly SqlStatement[]; readonly index: number } {
  const before = answer.state === 'denied' ? listLockStatements(task) : [];
  const statements = [
    ...before,
    answerStatement(task, answer, records.answer, now),
    ...(answer.state === 'denied' ? [denyEqualStatement(task, answer, records.equal, now)] : []),
    ...(answer.state !== 'approved' || task.emergency === undefined
      ? []
      : [
          openEmergencyReviewStatement(
            { task: task.id, at: now, approvers: answer.answers.map(({ by }) => by) },
            reviewDueMs,
            records.review,
          ),
        ]),
  ];
  return { statements, index: before.length };
}

/** Those who open tasks wait, so that none is opened beside the no. The tasks are locked in their order, as everywhere. */
function listLockStatements({ id }: Pick<AnsweredTask, 'id'>): SqlStatement[] {
  return [
    { sql: 'select pg_advisory_xact_lock($1, $2)', params: [LOCK_NAMESPACE, ADVISORY_LOCKS.approval] },
    {
      sql: `select from approval_tasks o where o.id = $1::uuid or (${EQUAL_TASKS}) order by o.id for update`,
      params: [id],
    },
  ];
}

function answerStatement(
  { id, answers: seen, steps }: AnsweredTask,
  { answers, state, scope, approved_until: until, denied }: TaskAnswer,
  change: PreparedChange,
  now: Date,
): SqlStatement {
  const isGrant = state === 'approved' && steps.some(({ kind }) => kind === 'elevation');
  return tellOfTasks(
    {
      sql: `update approval_tasks t set answers = $3::jsonb, state = $4, scope = $5, approved_until = $6::timestamptz,
              denied = $10::jsonb, decided = case when $4 <> 'pending' then $7::timestamptz end, grant_state = $8,
              kept_until = greatest(kept_until, $9::timestamptz, $6::timestamptz + interval '30 days')
            where id = $1::uuid and state = 'pending' and expires > $7::timestamptz and answers = $2::jsonb returning t.*`,
      params: [
        id,
        JSON.stringify(seen),
        JSON.stringify(answers),
        state,
        scope,
        until ?? null,
        now.toISOString(),
        isGrant ? 'wanted' : 'none',
        new Date(now.getTime() + KEPT_AFTER_END_MS).toISOString(),
        denied === undefined ? null : JSON.stringify(denied),
      ],
    },
    'approval.decided',
    now,
    { change, before: `'{"state":"pending"}'::jsonb`, after: RECORDED_TASK_STATES.after },
  );
}

/** Says the same no to the equal tasks, where the task has got it: they end as it does, and are told of one by one. */
function denyEqualStatement(
  { id }: Pick<AnsweredTask, 'id'>,
  { denied }: TaskAnswer,
  change: PreparedChange,
  now: Date,
): SqlStatement {
  return tellOfTasks(
    {
      sql: `update approval_tasks o set state = 'denied', denied = $3::jsonb, decided = $2::timestamptz,
              kept_until = greatest(o.kept_until, $4::timestamptz)
            where ${EQUAL_TASKS} and o.expires > $2::timestamptz and exists (select from approval_tasks m
              where m.id = $1::uuid and m.state = 'denied' and m.decided = $2::timestamptz and m.denied is not distinct from $3::jsonb)
            returning o.*`,
      params: [
        id,
        now.toISOString(),
        denied === undefined ? null : JSON.stringify(denied),
        new Date(now.getTime() + KEPT_AFTER_END_MS).toISOString(),
      ],
    },
    'approval.decided',
    now,
    {
      change,
      object: 'r.id',
      about: DENIED_DECISION,
      before: `'{"state":"pending"}'::jsonb`,
      after: RECORDED_TASK_STATES.after,
    },
  );
}
