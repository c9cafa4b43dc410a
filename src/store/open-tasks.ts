/**
 * Opens the tasks of an access request, all of them or none. Equal open questions are one task, and an agent can't flood a
 * user's approvers with them.
 */
import { v4 as uuid } from 'uuid';
import { KEPT_AFTER_END_MS, toStoredTask, type StoredTask } from './stored-task.js';
import {
  ASKED,
  ASKED_TASKS,
  formatAsked,
  HAS_OPEN_TASK,
  OF_SAME_PAIR,
  WAS_DENIED,
  type TaskOpening,
} from './asked-questions.js';
import { HAS_UNKNOWN_CLASS } from './class-tasks.js';
import { ADVISORY_LOCKS, LOCK_NAMESPACE } from './database/locks.js';
import type { Database, DatabaseRow, SqlStatement } from './database/port.js';
import {
  findBundleStatement,
  findKeyStatement,
  insertBundleStatements,
  MAX_KEPT_BUNDLES,
  pruneBundlesStatement,
  toBundle,
  type BundleItem,
  type RequestRepeat,
  type StoredBundle,
} from './request-bundles.js';
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

export type OpenedTasks =
  | { readonly kind: 'opened'; readonly tasks: readonly StoredTask[]; readonly bundle?: StoredBundle | undefined }
  /** The key was used for an equal request before. */
  | { readonly kind: 'repeated' }
  /** The key was used for another request. */
  | { readonly kind: 'other_body' }
  | { readonly kind: 'too_many' }
  /** A class of questions was asked for or denied that one of these does not know: it may be the same. */
  | { readonly kind: 'outdated' }
  /** The same was denied lately as what is asked at this index. */
  | { readonly kind: 'cooling_down'; readonly index: number };

/** All tasks of a pair that are kept, ended ones as well: opening and cancelling in turn must not fill the store. */
export const MAX_KEPT_TASKS_OF_PAIR = 1000;
/** The keys that the requests for one task may have. */
export const MAX_KEYS_OF_TASK = 50;
/** An approval that is given after the end which was asked for would be good for nothing: the task waits no longer. */
const ENDS_AS_REQUESTED = `least($5::timestamptz, (a.task->>'requested_until')::timestamptz)`;
/** The index of the statement whose rows are the questions that a class isn't known to. */
const OUTDATED_INDEX = 4;
/** Tasks that are past their time and go with each request. */
const PRUNED_AT_ONCE = 100;

/**
 * Opens the tasks, or finds those that are open for the same: where one of them can't be opened none is.
 * @throws Fault
 */
export async function openTasks(
  database: Database,
  request: RequestOpening,
  { open, cooldownMs }: OpeningBounds,
  now: Date,
): Promise<OpenedTasks> {
  const { requester, openings, expires, repeat, bundle } = request;
  const asked = formatAsked(openings, requester, bundle?.items);
  const deniedSince = new Date(now.getTime() - cooldownMs).toISOString();
  const kept = new Date(expires.getTime() + KEPT_AFTER_END_MS);
  const bundleId = uuid();
  const results = await database.run([
    // Those who open wait for each other, so what is counted here is so until the end.
    { sql: 'select pg_advisory_xact_lock($1, $2)', params: [LOCK_NAMESPACE, ADVISORY_LOCKS.approval] },
    expireStatement(now),
    pruneTasksStatement(now),
    pruneBundlesStatement(now),
    // Classes are opened and denied under the lock, so there is no other until the end.
    { sql: `select a.n from ${ASKED} where ${HAS_UNKNOWN_CLASS} limit 1`, params: [asked, deniedSince] },
    tellOfTasks(
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
          deniedSince,
          requester,
          now.toISOString(),
          expires.toISOString(),
          kept.toISOString(),
          repeat?.key ?? null,
          open,
          bundle?.user ?? null,
        ],
      },
      'approval.requested',
      now,
    ),
    ...(bundle === undefined
      ? [addTaskKeyStatement(asked, requester, repeat)]
      : insertBundleStatements(asked, { id: bundleId, requester, user: bundle.user }, repeat, kept)),
    findKeyStatement(requester, repeat?.key),
    { sql: `select t.*, a.n from ${ASKED_TASKS} order by a.n`, params: [asked] },
    {
      sql: `select a.n from ${ASKED} where not ${HAS_OPEN_TASK} and ${WAS_DENIED} order by a.n limit 1`,
      params: [asked, deniedSince],
    },
    findBundleStatement(bundleId),
  ]);
  const [keys, rows = [], refusals, bundles] = results.slice(-4);
  const isOutdated = (results[OUTDATED_INDEX]?.length ?? 0) > 0;
  const [key, denied, made]: readonly (DatabaseRow | undefined)[] = [keys?.[0], refusals?.[0], bundles?.[0]];
  const isOwnKey =
    key === undefined || (bundle === undefined ? key['task'] === rows[0]?.['id'] : key['bundle'] === bundleId);
  if (key !== undefined && key['body_sha256'] !== repeat?.bodySha256) return { kind: 'other_body' };
  if (!isOwnKey) return { kind: 'repeated' };
  if (isOutdated) return { kind: 'outdated' };
  if (denied !== undefined) return { kind: 'cooling_down', index: Number(denied['n']) };
  const isWhole = rows.length === openings.length && (repeat === undefined) === (key === undefined);
  if (!isWhole || (bundle !== undefined && made === undefined)) return { kind: 'too_many' };
  return {
    kind: 'opened',
    tasks: rows.map(toStoredTask),
    ...(made === undefined ? {} : { bundle: toBundle(made) }),
  };
}

/** Keeps the key with the task, unless the task has too many. */
function addTaskKeyStatement(asked: string, requester: string, repeat: RequestRepeat | undefined): SqlStatement {
  return {
    sql: `insert into access_request_keys (requester, key, body_sha256, task)
          select $2::text, $3::text, $4::text, t.id
          from ${ASKED_TASKS}
          where $3::text is not null
            and (select count(*) from access_request_keys k where k.task = t.id) < ${MAX_KEYS_OF_TASK}
          on conflict do nothing`,
    params: [asked, requester, repeat?.key ?? null, repeat?.bodySha256 ?? null],
  };
}

function pruneTasksStatement(now: Date): SqlStatement {
  return {
    sql: `delete from approval_tasks where id in (select id from approval_tasks where kept_until <= $1::timestamptz
            and state <> 'pending' and grant_state in ('none', 'deleted') order by kept_until limit ${PRUNED_AT_ONCE}
            for update skip locked)`,
    params: [now.toISOString()],
  };
}

/** Tasks that expire at once. */
const EXPIRED_AT_ONCE = 100;

/** Ends tasks that were not answered in time. @returns whether there may be more @throws Fault */
export async function expireTasks(database: Database, now: Date): Promise<boolean> {
  const [rows = []] = await database.run([expireStatement(now)]);
  return rows.length === EXPIRED_AT_ONCE;
}

function expireStatement(now: Date): SqlStatement {
  return tellOfTasks(
    {
      sql: `update approval_tasks t set state = 'expired', decided = expires where id in (select id from approval_tasks
              where state = 'pending' and expires <= $1::timestamptz order by id limit ${EXPIRED_AT_ONCE}
              for update skip locked) returning t.*`,
      params: [now.toISOString()],
    },
    'approval.expired',
    now,
  );
}
