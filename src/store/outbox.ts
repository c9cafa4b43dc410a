/**
 * Stores events in the transaction of what they tell of, so that neither is there without the other. What becomes of them
 * is for others: webhooks are sent (store/deliveries.ts), and people read a stream (store/event-log.ts).
 */
import type { EventName, OutboxEvent } from '../model/events.js';
import { ADVISORY_LOCKS, LOCK_NAMESPACE } from './database/locks.js';
import { recordOfRows, type RowRecord } from './change-records.js';
import type { SqlStatement } from './database/port.js';
import { followRows, type RowFollower } from './row-followers.js';

/**
 * The table. An event gets its position as its transaction commits, one transaction after the other: a reader that has read up
 * to a position misses nothing that comes with a lower one. The lock comes after all others that a transaction takes.
 */
export const OUTBOX_TABLES = [
  `create table events (
     id uuid primary key default gen_random_uuid(), position bigint unique, at timestamptz not null,
     event text not null, ids jsonb not null,
     user_type text, user_id text, permission text, resource_type text, resource_id text,
     distributed boolean not null default false)`,
  `create index events_undistributed on events (position) where not distributed`,
  `create function number_event() returns trigger language plpgsql as $$
   begin
     perform pg_advisory_xact_lock(${LOCK_NAMESPACE}, ${ADVISORY_LOCKS.event});
     update events set position = coalesce((select max(position) from events), 0) + 1 where id = new.id;
     return null;
   end $$`,
  `create constraint trigger events_numbered after insert on events
     deferrable initially deferred for each row execute function number_event()`,
] as const;

/** Takes back what was told of decisions: approvers see it as well as their user, so what is left names nothing, and is shown to none. */
const WITHDRAW_EVENTS = `create or replace function withdraw_events(p_decisions uuid[]) returns void language sql as $$
     with withdrawn as (
       update events e set distributed = true, ids = '{}', user_type = null, user_id = null, permission = null,
         resource_type = null, resource_id = null
       where e.event in ('approval.used', 'review.opened') and e.ids->>'decision' = any (p_decisions::text[])
       returning e.id)
     delete from deliveries d using withdrawn w where d.event = w.id
   $$`;

/**
 * Takes back what was told of decisions that were not answered: the stream shows it no more, and what waits isn't sent. The rows
 * stay, since the next position follows from the last.
 */
export const WITHDRAWING_FUNCTIONS = [
  `create index events_of_decisions on events ((ids->>'decision')) where event in ('approval.used', 'review.opened')`,
  WITHDRAW_EVENTS,
  `create or replace function release_approvals(p_decisions uuid[]) returns void language plpgsql as $$
   begin
     perform 1 from approval_tasks t where t.used_by = any (p_decisions) order by t.id for update;
     update approval_tasks set used_by = null, used_at = null where used_by = any (p_decisions);
     perform withdraw_events(p_decisions);
   end $$`,
] as const;

/** Tables of before have an older function, which left what events name. */
export const FORGETTING_FUNCTIONS = [
  WITHDRAW_EVENTS,
  // Those that were taken back before: they were shown to their user alone, who is no longer named.
  `update events e set ids = '{}' where e.event = 'approval.used' and e.user_id is null and exists (
     select from approval_tasks t where t.id = (e.ids->>'approval')::uuid and t.user_id <> '')`,
] as const;

/** The statement that stores an event, for a list with the statements of what it tells of. */
export function eventStatement({ event, at, ids, user, holders }: OutboxEvent): SqlStatement {
  return {
    sql: `insert into events (event, at, ids, user_type, user_id, permission, resource_type, resource_id)
          values ($1, $2::timestamptz, $3::jsonb, $4, $5, $6, $7, $8)`,
    params: [
      event,
      at.toISOString(),
      JSON.stringify(ids),
      user?.type ?? null,
      user?.id ?? null,
      holders?.permission ?? null,
      holders?.resource.type ?? null,
      holders?.resource.id ?? null,
    ],
  };
}

/** An event that is told of each row which a statement returns. All but `event` and `at` are SQL over that row, `r`. */
export interface RowEvent {
  readonly event: EventName;
  /** The time, or SQL of it. */
  readonly at: Date | string;
  /** Those that are null are left out. */
  readonly ids: Readonly<Record<string, string>>;
  /** The user who may see it. */
  readonly user?: { readonly type: string; readonly id: string };
  /** Those who hold the permission on the resource may see it. */
  readonly holders?: { readonly permission: string; readonly type: string; readonly id: string };
  /** The rows that are told of. A select in it sees tables as they were before the statement. */
  readonly when?: string;
}

/**
 * Has a statement that changes rows store an event of each, and of none where it changes none.
 * @param statement begins with no `with`, and returns what the event is made of
 * @param recorded the record that each row leaves, where it changes what is in force
 */
export function tellOf(statement: SqlStatement, told: RowEvent, recorded?: RowRecord): SqlStatement {
  return followRows(statement, [eventOfRows(told), ...(recorded === undefined ? [] : [recordOfRows(recorded)])]);
}

function eventOfRows({ event, at, ids, user, holders, when = 'true' }: RowEvent): RowFollower {
  const members = Object.entries(ids).map(([name, expression]) => `'${name}', ${expression}`);
  return (param) => `told as (
            insert into events (event, at, ids, user_type, user_id, permission, resource_type, resource_id)
            select ${param(event)}::text, ${typeof at === 'string' ? at : `${param(at.toISOString())}::timestamptz`},
              jsonb_strip_nulls(jsonb_build_object(${members.join(', ')})),
              ${user?.type ?? 'null'}, ${user?.id ?? 'null'},
              ${holders?.permission ?? 'null'}, ${holders?.type ?? 'null'}, ${holders?.id ?? 'null'}
            from r where ${when})`;
}

/** SQL of a party as events name it: `user:alice`. */
export function partySql(type: string, id: string): string {
  return `${type} || ':' || ${id}`;
}
