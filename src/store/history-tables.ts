/**
 * The table of events that policies ask about, and the functions that answer them. Each allow leaves a row under each name
 * that a question may count it by: the name is of what is counted and of its parties, so one index finds all of a window.
 * They are SQL functions since reserving-function.ts asks again in the transaction that rests on the answer.
 */
import { HISTORY_LOCK_NAMESPACE } from './database/locks.js';

/** The most that the clocks of replicas may differ for an event to be there as long as a window reads it. */
const HISTORY_SLACK_MS = 3_600_000;
/** The locks that the names of events share: a transaction may take all of them. */
const LOCK_COUNT = 1024;

/**
 * p_query has the members kind, key, cleared, since, unit and decimals; former_key and former_cleared are the names under which events
 * of versions before are stored.
 */
export const HISTORY_ANSWER = `create or replace function history_answer(p_query jsonb) returns jsonb language sql stable as $$
     select case p_query->>'kind'
       when 'count' then (select to_jsonb(least(count(*), 9007199254740991)) from counted_events e
         where e.key in (p_query->>'key', p_query->>'former_key') and e.at >= (p_query->>'since')::bigint)
       when 'sum' then (
         select to_jsonb(least(ceil(coalesce(sum(e.amount), 0) * power(10::numeric, (p_query->>'decimals')::int)),
             9007199254740991)::bigint)
           from counted_events e
           where e.key in (p_query->>'key', p_query->>'former_key') and e.at >= (p_query->>'since')::bigint and e.unit = p_query->>'unit')
       when 'happened' then to_jsonb(exists (select from counted_events e
         where e.key in (p_query->>'key', p_query->>'former_key') and e.at >= (p_query->>'since')::bigint))
       else to_jsonb(coalesce(
         (select max(e.at) from counted_events e
            where e.key in (p_query->>'key', p_query->>'former_key') and e.at >= (p_query->>'since')::bigint)
         >= (select coalesce(max(e.at), 0) from counted_events e where e.key in (p_query->>'cleared', p_query->>'former_cleared')), false))
     end
   $$`;

export const HISTORY_TABLES = [
  // `place` tells the records of one list apart.
  `create table history_events (
     key text collate "C" not null, at bigint not null, decision uuid not null, place int not null,
     amount numeric, unit text, expires_at bigint not null, primary key (decision, place, key))`,
  `create index history_events_key on history_events (key, at)`,
  `create index history_events_expire on history_events (expires_at)`,

  // What failed, or was given up, didn't happen. An agent's own word for that takes nothing out.
  `create view counted_events as
     select e.* from history_events e where not exists (
       select from records o where o.about = e.decision and o.kind = 'outcome' and o.client not like 'agent:%'
         and o.record->>'outcome' in ('failed', 'abandoned'))`,

  HISTORY_ANSWER,

  `create function history_answers(p_queries jsonb) returns jsonb language sql stable as $$
     select coalesce(jsonb_object_agg(q->>'id', history_answer(q)), '{}'::jsonb) from jsonb_array_elements(p_queries) q
   $$`,

  // What reads a name and what adds to it wait for each other, in one order.
  `create function lock_history(p_keys text[]) returns void language plpgsql as $$
   declare v_lock int;
   begin
     for v_lock in select distinct hashtext(k) & ${LOCK_COUNT - 1} from unnest(p_keys) k where k is not null order by 1 loop
       perform pg_advisory_xact_lock(${HISTORY_LOCK_NAMESPACE}, v_lock);
     end loop;
   end $$`,

  // p_history has the members answered, of queries with their values, and events. A list's records are events in so far as they were accepted.
  `create function holds_history(p_history jsonb) returns boolean language sql stable as $$
     select not exists (select from jsonb_array_elements(p_history->'answered') a
       where history_answer(a) is distinct from a->'value')
   $$`,
  `create function add_history(p_history jsonb, p_decision uuid, p_at bigint, p_accepted int[]) returns void language sql as $$
     insert into history_events (key, at, decision, place, amount, unit, expires_at)
       select e->>'key', p_at, p_decision, (e->>'place')::int, (e->>'amount')::numeric, e->>'unit',
         p_at + (e->>'lasts')::bigint + ${HISTORY_SLACK_MS}
       from jsonb_array_elements(p_history->'events') e
       where not e ? 'part' or (e->>'nth')::int <= p_accepted[(e->>'part')::int]
       on conflict do nothing
   $$`,
] as const;

/**
 * Inserts the events of records that rest on nothing before them and reserve nothing else. They need no lock: who reads a name
 * has judged before them, or finds them.
 * @param source rows with the `id` and the `events` of records that were stored
 */
export function insertEventsSql(source: string): string {
  return `insert into history_events (key, at, decision, place, amount, unit, expires_at)
            select e->>'key', (e->>'at')::bigint, r.id, (e->>'place')::int, (e->>'amount')::numeric, e->>'unit',
              (e->>'at')::bigint + (e->>'lasts')::bigint + ${HISTORY_SLACK_MS}
            from ${source} r cross join lateral jsonb_array_elements(r.events) e
            on conflict do nothing`;
}
