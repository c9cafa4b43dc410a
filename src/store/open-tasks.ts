/** Opens tasks: equal open questions are one, and an agent can't flood a user's approvers with them. */
import { v4 as uuid } from 'uuid';
import type { EntityRef } from '../model/ids.js';
import { sha256 } from '../runtime/sha256.js';
import { KEPT_AFTER_END_MS, toStoredTask, type AskedTask, type StoredTask } from './approvals.js';
import { ADVISORY_LOCKS, LOCK_NAMESPACE } from './database/locks.js';
import type { Database, SqlStatement } from './database/port.js';
import { tellOfTasks } from './task-events.js';

/** An access request, as it opens a task. */
export interface TaskOpening {
  readonly requester: string;
  readonly user?: EntityRef | undefined;
  readonly agent?: EntityRef | undefined;
  readonly task: AskedTask;
  readonly expires: Date;
  /** The request's `Idempotency-Key`, with the hash of its body; undefined where it has none. */
  readonly repeat?: { readonly key: string; readonly bodySha256: string } | undefined;
}

export interface OpeningBounds {
  /** The open tasks of a user by an agent. */
  readonly open: number;
  /** The time after a no in which the same isn't asked again, in milliseconds. */
  readonly cooldownMs: number;
}

export type OpenedTask =
  | { readonly kind: 'task'; readonly task: StoredTask }
  /** The key was used for another request. */
  | { readonly kind: 'other_body' }
  | { readonly kind: 'too_many' }
  /** The same was denied lately. */
  | { readonly kind: 'cooling_down' };

/** All tasks of a pair that are kept, ended ones as well: opening and cancelling in turn must not fill the store. */
export const MAX_KEPT_TASKS_OF_PAIR = 1000;
/** The keys that the requests for one task may have. */
export const MAX_KEYS_OF_TASK = 50;
/** Tasks that are past their time and go with each that is opened. */
const PRUNED_AT_ONCE = 100;

/**
 * Opens a task, or finds the open one for the same.
 * @throws Fault
 */
export async function openTask(
  database: Database,
  { requester, user, agent, task, expires, repeat }: TaskOpening,
  { open, cooldownMs }: OpeningBounds,
  now: Date,
): Promise<OpenedTask> {
  const pair = [user?.type ?? '', user?.id ?? '', agent?.type ?? '', agent?.id ?? ''];
  const binding = sha256(JSON.stringify(Object.entries(task.binding).sort()));
  const asked = sha256(JSON.stringify([requester, binding, task.steps, task.emergency ?? null]));
  const results = await database.run([
    { sql: 'select pg_advisory_xact_lock($1, $2)', params: [LOCK_NAMESPACE, ADVISORY_LOCKS.approval] },
    expireStatement(now),
    {
      sql: `delete from approval_tasks where id in (select id from approval_tasks where kept_until <= $1::timestamptz
              and state <> 'pending' and grant_state in ('none', 'deleted') order by kept_until limit ${PRUNED_AT_ONCE}
              for update skip locked)`,
      params: [now.toISOString()],
    },
    tellOfTasks(
      {
        sql: `insert into approval_tasks (id, requester, user_type, user_id, agent_type, agent_id, binding_sha256, asked_sha256,
              task, state, asked, expires, kept_until)
            select $5::uuid, $6::text, $1::text, $2::text, $3::text, $4::text, $7::text, $8::text, $9::jsonb, 'pending',
              $10::timestamptz, $11::timestamptz, $12::timestamptz
            where not exists (select 1 from access_request_keys where requester = $6 and key = $13)
              and not exists (select 1 from approval_tasks
                where state = 'denied' and binding_sha256 = $7 and decided > $14::timestamptz)
              and (select count(*) from approval_tasks where user_type = $1 and user_id = $2 and agent_type = $3
                and agent_id = $4 and state = 'pending') < $15::int
              and (select count(*) from approval_tasks where user_type = $1 and user_id = $2 and agent_type = $3
                and agent_id = $4) < ${MAX_KEPT_TASKS_OF_PAIR}
            on conflict do nothing returning *`,
        params: [
          ...pair,
          uuid(),
          requester,
          binding,
          asked,
          JSON.stringify(task),
          now.toISOString(),
          expires.toISOString(),
          new Date(expires.getTime() + KEPT_AFTER_END_MS).toISOString(),
          repeat?.key ?? null,
          new Date(now.getTime() - cooldownMs).toISOString(),
          open,
        ],
      },
      'approval.requested',
      now,
    ),
    {
      sql: `insert into access_request_keys (requester, key, body_sha256, task)
            select $1, $2, $3, id from approval_tasks t where $2::text is not null and state = 'pending' and asked_sha256 = $4
              and (select count(*) from access_request_keys k where k.task = t.id) < ${MAX_KEYS_OF_TASK}
            on conflict do nothing`,
      params: [requester, repeat?.key ?? null, repeat?.bodySha256 ?? null, asked],
    },
    {
      sql: `select t.*, k.body_sha256 as key_body from access_request_keys k join approval_tasks t on t.id = k.task
            where k.requester = $1 and k.key = $2`,
      params: [requester, repeat?.key ?? null],
    },
    { sql: `select * from approval_tasks where state = 'pending' and asked_sha256 = $1`, params: [asked] },
    {
      sql: `select 1 from approval_tasks where state = 'denied' and binding_sha256 = $1 and decided > $2::timestamptz limit 1`,
      params: [binding, new Date(now.getTime() - cooldownMs).toISOString()],
    },
  ]);
  const [earlier] = results[5] ?? [];
  if (earlier !== undefined && earlier['key_body'] !== repeat?.bodySha256) return { kind: 'other_body' };
  if (repeat !== undefined && earlier === undefined && results[6]?.[0] !== undefined) return { kind: 'too_many' };
  const row = earlier ?? results[6]?.[0];
  if (row !== undefined) return { kind: 'task', task: toStoredTask(row) };
  return results[7]?.[0] === undefined ? { kind: 'too_many' } : { kind: 'cooling_down' };
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
