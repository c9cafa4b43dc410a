/**
 * The tables of what has been used of limits, and the functions that reserve it. They are SQL functions since a record and
 * what it reserves are one transaction, in which each step rests on the one before: a list of statements can't do that.
 *
 * Every function locks in one order: first keys of idempotency, then counters, each by their names in "C" order, then
 * outcomes. So transactions of several replicas wait for each other, and never in a circle.
 */
import { insertValuesSql } from './record-values.js';

/**
 * Reports an outcome, once: the first counts. p_kept has the number that was used of each unit ("" for uses); what isn't named is used
 * as it was reserved. Null releases all. p_values has the values that the outcome hides, sealed; it may be empty.
 */
export const REPORTING_FUNCTION = `create or replace function report_outcome(
     p_decision uuid, p_client text, p_outcome jsonb, p_kept jsonb, p_executed boolean, p_values jsonb)
     returns text language plpgsql as $$
   declare v_former record; v_exceeds boolean; v_use record; v_id uuid := gen_random_uuid();
   begin
     if exists (select from limit_uses u where u.decision = p_decision and u.unit is not null)
       and exists (select from jsonb_object_keys(p_kept) k where k <> '' and not exists (
         select from limit_uses u where u.decision = p_decision and u.unit = k)) then
       return 'other_unit';
     end if;
     perform 1 from idempotency_keys k where k.decision = p_decision order by k.key for update;
     perform 1 from limit_counters c where c.key in (select u.key from limit_uses u where u.decision = p_decision)
       order by c.key for update;
     v_exceeds := exists (select from limit_uses u
       where u.decision = p_decision and (p_kept->>coalesce(u.unit, ''))::numeric > u.quantity);
     insert into records (id, kind, about, at, client, protected, record) values (v_id, 'outcome', p_decision, now(), p_client,
       nullif(p_values is not null, false), p_outcome || case when v_exceeds then '{"exceeds_reservation": true}'::jsonb else '{}' end)
       on conflict do nothing;
     if not found then
       select * into v_former from records o where o.about = p_decision and o.kind = 'outcome';
       if v_former.client <> p_client or v_former.record - 'exceeds_reservation' <> p_outcome then return 'other'; end if;
       return case when v_former.record ? 'exceeds_reservation' then 'exceeds' else 'reported' end;
     end if;
     ${insertValuesSql(`(select v_id as id, p_values->>'sealed' as sealed, p_values->'persons' as persons,
       (p_values->>'kept_until')::timestamptz as kept_until)`)};
     if p_kept is null then
       perform release_uses(array[p_decision]);
       return 'reported';
     end if;
     if not v_exceeds then
       for v_use in select u.key, u.quantity - (p_kept->>coalesce(u.unit, ''))::numeric as unused
           from limit_uses u where u.decision = p_decision loop
         if v_use.unused > 0 then perform reduce_use(p_decision, v_use.key, v_use.unused); end if;
       end loop;
     end if;
     if p_executed then
       update idempotency_keys k set executed = true where k.decision = p_decision;
     end if;
     return case when v_exceeds then 'exceeds' else 'reported' end;
   end $$`;

/** Replicas of before report by this one, and hide nothing. */
export const FORMER_REPORTING_FUNCTION = `create or replace function report_outcome(
     p_decision uuid, p_client text, p_outcome jsonb, p_kept jsonb, p_executed boolean)
     returns text language plpgsql as $$
   begin
     return report_outcome(p_decision, p_client, p_outcome, p_kept, p_executed, null);
   end $$`;

export const LIMIT_TABLES = [
  // `used` is the sum of the uses at or after `since`, so that a question doesn't add up all of a window.
  `create table limit_counters (
     key text collate "C" primary key, used numeric not null, since bigint not null, expires_at bigint)`,
  `create index limit_counters_expire on limit_counters (expires_at)`,
  `create table limit_uses (
     decision uuid not null, key text collate "C" not null, at bigint not null, quantity numeric not null, unit text,
     primary key (decision, key))`,
  `create index limit_uses_at on limit_uses (key, at)`,
  `create table idempotency_keys (
     key text collate "C" primary key, at bigint not null, decision uuid, executed boolean not null default false)`,
  `create index idempotency_keys_at on idempotency_keys (at)`,
  `create index idempotency_keys_decision on idempotency_keys (decision)`,

  // The uses under a key: all of them where p_since is null. A clock that is late looks further back than the counter.
  `create function limit_reading(p_key text, p_since bigint, out used numeric, out oldest bigint) language sql stable as $$
     select coalesce(c.used, 0)
         - coalesce((select sum(u.quantity) from limit_uses u
             where u.key = p_key and u.at >= c.since and u.at < p_since), 0)
         + coalesce((select sum(u.quantity) from limit_uses u
             where u.key = p_key and u.at >= p_since and u.at < c.since), 0),
       (select min(u.at) from limit_uses u where u.key = p_key and u.at >= p_since and u.quantity > 0)
     from (select 1) one left join limit_counters c on c.key = p_key
   $$`,

  `create function retry_state(p_key text, p_since bigint) returns jsonb language sql stable as $$
     select coalesce(
       (select case
            when k.executed then jsonb_build_object('kind', 'executed')
            when k.decision is not null then jsonb_build_object('kind', 'held', 'decision', k.decision, 'at', k.at)
          end from idempotency_keys k where k.key = p_key and k.at >= p_since),
       jsonb_build_object('kind', 'new'))
   $$`,

  // p_charges has the members key and since. Uses of one moment: it is one statement.
  `create function limit_state(p_charges jsonb, p_retry jsonb) returns jsonb language sql stable as $$
     select jsonb_build_object('readings', coalesce(
         (select jsonb_object_agg(c->>'key', jsonb_strip_nulls(jsonb_build_object('used', r.used::text, 'oldest', r.oldest)))
            from jsonb_array_elements(p_charges) c
            cross join lateral limit_reading(c->>'key', (c->>'since')::bigint) r), '{}'::jsonb))
       || case when p_retry is null then '{}'::jsonb
            else jsonb_build_object('retry', retry_state(p_retry->>'key', (p_retry->>'since')::bigint)) end
   $$`,

  // Takes a quantity from the uses of a decision. The counter must be locked.
  `create function reduce_use(p_decision uuid, p_key text, p_by numeric) returns void language plpgsql as $$
   begin
     update limit_counters c set used = c.used - p_by from limit_uses u
       where u.decision = p_decision and u.key = p_key and c.key = p_key and u.at >= c.since;
     update limit_uses set quantity = quantity - p_by where decision = p_decision and key = p_key;
   end $$`,

  // Gives back all that the decisions have reserved. Keys and counters must be locked.
  `create function release_uses(p_decisions uuid[]) returns void language plpgsql as $$
   declare v_use record;
   begin
     for v_use in select decision, key, quantity from limit_uses where decision = any (p_decisions) loop
       perform reduce_use(v_use.decision, v_use.key, v_use.quantity);
     end loop;
     update idempotency_keys set decision = null where decision = any (p_decisions);
   end $$`,

  `create function lock_limits(p_retries text[], p_counters text[]) returns void language plpgsql as $$
   begin
     insert into idempotency_keys (key, at)
       select k, 0 from (select distinct k collate "C" as k from unnest(p_retries) k order by 1) s
       on conflict (key) do update set at = idempotency_keys.at;
     insert into limit_counters (key, used, since)
       select k, 0, 0 from (select distinct k collate "C" as k from unnest(p_counters) k order by 1) s
       on conflict (key) do update set used = limit_counters.used;
   end $$`,

  REPORTING_FUNCTION,
] as const;

/** The functions that say what a retry finds held of what the first question with its key has reserved. */
export const HOLDING_FUNCTIONS = [
  // As a table it becomes part of the statement that asks for many: a call for each key would take ten times as long.
  `drop function limit_reading(text, bigint)`,
  `create function limit_reading(p_key text, p_since bigint) returns table (used numeric, oldest bigint) language sql stable as $$
     select coalesce(c.used, 0)
         - coalesce((select sum(u.quantity) from limit_uses u
             where u.key = p_key and u.at >= c.since and u.at < p_since), 0)
         + coalesce((select sum(u.quantity) from limit_uses u
             where u.key = p_key and u.at >= p_since and u.at < c.since), 0),
       (select min(u.at) from limit_uses u where u.key = p_key and u.at >= p_since and u.quantity > 0)
     from (select 1) one left join limit_counters c on c.key = p_key
   $$`,

  // A use that has left the window holds nothing of it any more.
  `create function held_use(p_decision uuid, p_key text, p_since bigint) returns numeric language sql stable as $$
     select coalesce((select u.quantity from limit_uses u
       where u.decision = p_decision and u.key = p_key and (p_since is null or u.at >= p_since)), 0)
   $$`,

  `create or replace function limit_state(p_charges jsonb, p_retry jsonb) returns jsonb language sql stable as $$
     select jsonb_build_object('readings', coalesce(
         (select jsonb_object_agg(c->>'key', jsonb_strip_nulls(jsonb_build_object('used', r.used::text, 'oldest', r.oldest,
             'held', case when s.retry->>'kind' = 'held'
               then held_use((s.retry->>'decision')::uuid, c->>'key', (c->>'since')::bigint)::text end)))
            from jsonb_array_elements(p_charges) c
            cross join lateral limit_reading(c->>'key', (c->>'since')::bigint) r), '{}'::jsonb))
       || case when s.retry is null then '{}'::jsonb else jsonb_build_object('retry', s.retry) end
     from (select case when p_retry is not null
       then retry_state(p_retry->>'key', (p_retry->>'since')::bigint) end as retry) s
   $$`,
] as const;

/**
 * The functions that keep with a key the decision which failed: what it used beside limits is the key's own still. `retried`: a retry
 * was allowed by what the decision holds, so that isn't given back where the decision itself could not be answered.
 */
export const RETRYING_FUNCTIONS = [
  `alter table idempotency_keys add column released uuid, add column retried boolean not null default false`,

  `create or replace function retry_state(p_key text, p_since bigint) returns jsonb language sql stable as $$
     select coalesce(
       (select case
            when k.executed then jsonb_build_object('kind', 'executed')
            when k.decision is not null then jsonb_build_object('kind', 'held', 'decision', k.decision, 'at', k.at)
            when k.released is not null then jsonb_build_object('kind', 'new', 'released', k.released)
          end from idempotency_keys k where k.key = p_key and k.at >= p_since),
       jsonb_build_object('kind', 'new'))
   $$`,

  `create or replace function release_uses(p_decisions uuid[]) returns void language plpgsql as $$
   declare v_use record;
   begin
     for v_use in select decision, key, quantity from limit_uses where decision = any (p_decisions) loop
       perform reduce_use(v_use.decision, v_use.key, v_use.quantity);
     end loop;
     update idempotency_keys set released = decision, decision = null where decision = any (p_decisions);
   end $$`,
] as const;
