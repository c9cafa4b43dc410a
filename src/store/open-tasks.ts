/**
 * Opens the tasks of an access request, all of them or none. Equal open questions are one task, and an agent can't flood a
 * user's approvers with them.
 */
import { v4 as uuid } from 'uuid';
import { ASKED, ASKED_TASKS, formatAsked, HAS_OPEN_TASK, WAS_DENIED } from './asked-questions.js';
import { HAS_UNKNOWN_CLASS } from './class-tasks.js';
import { ADVISORY_LOCKS, LOCK_NAMESPACE } from './database/locks.js';
import type { Database, DatabaseRow, SqlStatement } from './database/port.js';
import { expireTasksStatement, pruneTasksStatement } from './expire-tasks.js';
import { findKeptUntil, insertTasksStatement, type OpeningBounds, type RequestOpening } from './insert-tasks.js';
import {
  findBundleStatement,
  findKeyStatement,
  insertBundleStatements,
  pruneBundlesStatement,
  toBundle,
  type RequestRepeat,
  type StoredBundle,
} from './request-bundles.js';
import { toStoredTask, type StoredTask } from './stored-task.js';

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

/** The keys that the requests for one task may have. */
export const MAX_KEYS_OF_TASK = 50;

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
  const { requester, openings, repeat, bundle } = request;
  const asked = formatAsked(openings, requester, bundle?.items);
  const deniedSince = new Date(now.getTime() - cooldownMs);
  const bundleId = uuid();
  const before = [
    // Those who open wait for each other, so what is counted here is so until the end.
    { sql: 'select pg_advisory_xact_lock($1, $2)', params: [LOCK_NAMESPACE, ADVISORY_LOCKS.approval] },
    expireTasksStatement(now),
    pruneTasksStatement(now),
    pruneBundlesStatement(now),
    // Classes are opened and denied under the lock, so there is no other until the end.
    findQuestionStatement(asked, HAS_UNKNOWN_CLASS, deniedSince),
  ];
  const results = await database.run([
    ...before,
    insertTasksStatement(asked, request, { open, deniedSince }, now),
    ...(bundle === undefined
      ? [addTaskKeyStatement(asked, requester, repeat)]
      : insertBundleStatements(asked, { id: bundleId, requester, user: bundle.user }, repeat, findKeptUntil(request))),
    findKeyStatement(requester, repeat?.key),
    { sql: `select t.*, a.n from ${ASKED_TASKS} order by a.n`, params: [asked] },
    findQuestionStatement(asked, `not ${HAS_OPEN_TASK} and ${WAS_DENIED}`, deniedSince),
    findBundleStatement(bundleId),
  ]);
  const [keys, tasks = [], refusals, bundles] = results.slice(-4);
  const unknown = results[before.length - 1];
  const rows = { key: keys?.[0], tasks, denied: refusals?.[0], bundle: bundles?.[0], unknown: unknown?.[0] };
  return judgeOpening(request, bundleId, rows);
}

/** The rows that tell what has become of a request, in its own transaction. */
interface OpeningRows {
  readonly key: DatabaseRow | undefined;
  readonly tasks: readonly DatabaseRow[];
  /** The first question to which a person has said no. */
  readonly denied: DatabaseRow | undefined;
  readonly bundle: DatabaseRow | undefined;
  /** The first question to which a class is unknown. */
  readonly unknown: DatabaseRow | undefined;
}

/** @param bundleId the bundle's, where this request has made it */
function judgeOpening(
  { openings, repeat, bundle: asBundle }: RequestOpening,
  bundleId: string,
  { key, tasks, denied, bundle, unknown }: OpeningRows,
): OpenedTasks {
  const isOwnKey =
    key === undefined || (asBundle === undefined ? key['task'] === tasks[0]?.['id'] : key['bundle'] === bundleId);
  if (key !== undefined && key['body_sha256'] !== repeat?.bodySha256) return { kind: 'other_body' };
  if (!isOwnKey) return { kind: 'repeated' };
  if (unknown !== undefined) return { kind: 'outdated' };
  if (denied !== undefined) return { kind: 'cooling_down', index: Number(denied['n']) };
  const isWhole = tasks.length === openings.length && (repeat === undefined) === (key === undefined);
  if (!isWhole || (asBundle !== undefined && bundle === undefined)) return { kind: 'too_many' };
  return {
    kind: 'opened',
    tasks: tasks.map(toStoredTask),
    ...(bundle === undefined ? {} : { bundle: toBundle(bundle) }),
  };
}

/** Finds the first question that is so. @param condition SQL on its row `a` */
function findQuestionStatement(asked: string, condition: string, deniedSince: Date): SqlStatement {
  return {
    sql: `select a.n from ${ASKED} where ${condition} order by a.n limit 1`,
    params: [asked, deniedSince.toISOString()],
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
