/** The statement that opens the tasks of an access request, all that there are not yet, or none where one of them can't be. */
import { ASKED, HAS_OPEN_TASK, OF_SAME_PAIR, WAS_DENIED, type TaskOpening } from './asked-questions.js';
import { HAS_UNKNOWN_CLASS } from './class-tasks.js';
import type { SqlStatement } from './database/port.js';
import { MAX_KEPT_BUNDLES, type BundleItem, type RequestRepeat } from './request-bundles.js';
import { KEPT_AFTER_END_MS } from './stored-task.js';
import { tellOfTasks } from './task-events.js';

/** An access request, as it opens tasks. */
export interface RequestOpening {
  readonly requester: string;
  /** One at least. */
  readonly openings: readonly TaskOpening[];
  readonly expires: Date;
  /** undefined where the request has no key. */
  readonly repeat?: RequestRepeat | undefined;
  /** The user of a request for several questions at once, and each question as it was submitted. */
  readonly bundle?: { readonly user: string; readonly items: readonly Omit<BundleItem, 'task'>[] } | undefined;
}

export interface OpeningBounds {
  /** The open tasks of a user by an agent. */
  readonly open: number;
  /** The time after a no in which the same isn't asked again, in milliseconds. */
  readonly cooldownMs: number;
}

/** All tasks of a pair that are kept, ended ones as well: opening and cancelling in turn must not fill the store. */
export const MAX_KEPT_TASKS_OF_PAIR = 1000;
/** An approval that is given after the end which was asked for would be good for nothing: the task waits no longer. */
const ENDS_AS_REQUESTED = `least($5::timestamptz, (a.task->>'requested_until')::timestamptz)`;
/** The instant until which the tasks of the request are kept. */
export function findKeptUntil({ expires }: Pick<RequestOpening, 'expires'>): Date {
  return new Date(expires.getTime() + KEPT_AFTER_END_MS);
}

/** @param asked the questions, as rows (asked-questions.ts) */
export function insertTasksStatement(
  asked: string,
  { requester, expires, repeat, bundle }: Omit<RequestOpening, 'openings'>,
  { open, deniedSince }: { readonly open: number; readonly deniedSince: Date },
  now: Date,
): SqlStatement {
  return tellOfTasks(
    {
      sql: `insert into approval_tasks (id, requester, user_type, user_id, agent_type, agent_id,
                question_sha256, asked_sha256, task, state, asked, expires, kept_until)
              select distinct on (a.asked) a.id, $3::text, a.user_type, a.user_id, a.agent_type, a.agent_id,
                a.question, a.asked, a.task, 'pending', $4::timestamptz, ${ENDS_AS_REQUESTED}, $6::timestamptz
              from ${ASKED}
              where not exists (select from access_request_keys where requester = $3 and key = $7)
                and not exists (select from ${ASKED} where not ${HAS_OPEN_TASK} and ${WAS_DENIED})
                and not exists (select from ${ASKED} where ${HAS_UNKNOWN_CLASS})
                and not exists (select from (
                    select user_type, user_id, agent_type, agent_id, count(distinct asked) as fresh
                    from ${ASKED} where not ${HAS_OPEN_TASK} group by 1, 2, 3, 4) f
                  where f.fresh + (select count(*) from approval_tasks o where ${OF_SAME_PAIR} and o.state = 'pending') > $8::int
                    or f.fresh + (select count(*) from approval_tasks o where ${OF_SAME_PAIR}) > ${MAX_KEPT_TASKS_OF_PAIR})
                and ($9::text is null or (select count(*) from access_request_bundles
                  where requester = $3 and user_id = $9) < ${MAX_KEPT_BUNDLES})
              order by a.asked, a.n
              on conflict do nothing returning *`,
      params: [
        asked,
        deniedSince.toISOString(),
        requester,
        now.toISOString(),
        expires.toISOString(),
        findKeptUntil({ expires }).toISOString(),
        repeat?.key ?? null,
        open,
        bundle?.user ?? null,
      ],
    },
    'approval.requested',
    now,
  );
}
