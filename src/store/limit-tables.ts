/**
 * The tables of what has been used of limits, and the functions that reserve it. They are SQL functions since a record and
 * what it reserves are one transaction, in which each step rests on the one before: a list of statements can't do that.
 *
 * Every function locks in one order: first keys of idempotency, then outcomes, then counters, each by their names in "C"
 * order. So transactions of several replicas wait for each other, and never in a circle.
 */

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

  // Stores each record with what it reserves, or neither, in their order. p_released are decisions that were not answered.
  `create function store_reserving(p_requests jsonb, p_released uuid[])
     returns table (id uuid, accepted int[], state jsonb) language plpgsql as $$
   declare
     v_request jsonb; v_part jsonb; v_charge jsonb; v_record jsonb; v_fits int; v_asked int; v_given int; v_at bigint;
   begin
     perform lock_limits(
       array(select q->'retry'->>'key' from jsonb_array_elements(p_requests) q where q ? 'retry'
             union select k.key from idempotency_keys k where k.decision = any (p_released)),
       array(select c->>'key' from jsonb_array_elements(p_requests) q, jsonb_array_elements(q->'parts') p,
               jsonb_array_elements(p->'charges') c
             union select u.key from limit_uses u where u.decision = any (p_released)));
     perform release_uses(p_released);
     for v_request in select * from jsonb_array_elements(p_requests) loop
       id := (v_request->>'id')::uuid;
       v_at := (v_request->>'at')::bigint;
       accepted := '{}';
       state := null;
       v_asked := 0;
       v_given := 0;
       for v_part in select * from jsonb_array_elements(v_request->'parts') loop
         select least((v_part->>'count')::int,
             min(case when (c->>'quantity')::numeric = 0 then (v_part->>'count')::int
               else greatest(0, least(2147483647, floor(((c->>'bound')::numeric - r.used) / (c->>'quantity')::numeric))) end))
           into v_fits
           from jsonb_array_elements(v_part->'charges') c
           cross join lateral limit_reading(c->>'key', (c->>'since')::bigint) r;
         accepted := accepted || coalesce(v_fits, 0);
         v_asked := v_asked + (v_part->>'count')::int;
         v_given := v_given + coalesce(v_fits, 0);
       end loop;
       if (v_request ? 'retry' and v_request->'retry'->'expected' is distinct from
             retry_state(v_request->'retry'->>'key', (v_request->'retry'->>'since')::bigint))
         or (v_given < v_asked and not (v_request->>'partial')::boolean) then
         accepted := null;
         state := limit_state(
           (select coalesce(jsonb_agg(c), '[]'::jsonb) from jsonb_array_elements(v_request->'parts') p,
              jsonb_array_elements(p->'charges') c), v_request->'retry');
         return next;
         continue;
       end if;
       v_record := v_request->'record';
       if v_given < v_asked then
         v_record := v_record || jsonb_build_object(
           'found', (v_record->>'found')::int - v_asked + v_given, 'limit_exceeded', v_asked - v_given,
           'decision', (v_record->>'found')::int - v_asked + v_given > 0);
       end if;
       insert into decisions (id, at, client, decision, record) values (
         store_reserving.id, (v_record->>'evaluated_at')::timestamptz, v_record->>'client',
         (v_record->>'decision')::boolean, v_record)
         on conflict do nothing;
       -- One that is there was given up by its decision: it denies, and must not reserve.
       if found then
         for v_part, v_fits in
           select p, accepted[n] from jsonb_array_elements(v_request->'parts') with ordinality as s (p, n) loop
           continue when v_fits = 0;
           for v_charge in select * from jsonb_array_elements(v_part->'charges') loop
             update limit_counters c set
               used = r.used + (v_charge->>'quantity')::numeric * v_fits,
               since = coalesce((v_charge->>'since')::bigint, 0),
               expires_at = greatest(c.expires_at, (v_charge->>'expires_at')::bigint)
               from limit_reading(v_charge->>'key', (v_charge->>'since')::bigint) r where c.key = v_charge->>'key';
             insert into limit_uses (decision, key, at, quantity, unit) values (
               store_reserving.id, v_charge->>'key', v_at, (v_charge->>'quantity')::numeric * v_fits, v_charge->>'unit')
               on conflict (decision, key) do update set quantity = limit_uses.quantity + excluded.quantity;
             delete from limit_uses u where u.key = v_charge->>'key' and u.at < (v_charge->>'forgotten')::bigint;
           end loop;
         end loop;
         if v_request->'retry'->'expected'->>'kind' = 'new' then
           update idempotency_keys k set at = v_at, decision = store_reserving.id, executed = false
             where k.key = v_request->'retry'->>'key';
         end if;
       end if;
       return next;
     end loop;
     -- What can't count any more goes bit by bit.
     with expired as (
       select c.key from limit_counters c where c.expires_at < v_at - 86400000 order by c.expires_at limit 10
         for update skip locked),
       gone as (delete from limit_counters c using expired e where c.key = e.key returning c.key)
       delete from limit_uses u using gone g where u.key = g.key;
     delete from idempotency_keys k where k.key in (
       select i.key from idempotency_keys i where i.at < v_at - 2 * 86400000 order by i.at limit 10 for update skip locked);
   end $$`,

  /*
   * Reports an outcome, once. p_kept has the number that was used of each unit ("" for uses); what isn't named is used as
   * it was reserved. Null releases all.
   */
  `create function report_outcome(p_decision uuid, p_client text, p_outcome jsonb, p_kept jsonb, p_executed boolean)
     returns text language plpgsql as $$
   declare v_use record; v_former outcomes%rowtype; v_exceeds boolean := false;
   begin
     if exists (select from limit_uses u where u.decision = p_decision and u.unit is not null)
       and exists (select from jsonb_object_keys(p_kept) k where k <> '' and not exists (
         select from limit_uses u where u.decision = p_decision and u.unit = k)) then
       return 'other_unit';
     end if;
     perform 1 from idempotency_keys k where k.decision = p_decision order by k.key for update;
     insert into outcomes (decision, client, outcome) values (p_decision, p_client, p_outcome) on conflict do nothing;
     if not found then
       select * into v_former from outcomes o where o.decision = p_decision;
       if v_former.client <> p_client or v_former.outcome - 'exceeds_reservation' <> p_outcome then return 'other'; end if;
       return case when v_former.outcome ? 'exceeds_reservation' then 'exceeds' else 'reported' end;
     end if;
     perform 1 from limit_counters c where c.key in (select u.key from limit_uses u where u.decision = p_decision)
       order by c.key for update;
     if p_kept is null then
       perform release_uses(array[p_decision]);
       return 'reported';
     end if;
     for v_use in select u.key, u.quantity, (p_kept->>coalesce(u.unit, ''))::numeric as kept
         from limit_uses u where u.decision = p_decision loop
       if v_use.kept > v_use.quantity then v_exceeds := true; end if;
     end loop;
     if v_exceeds then
       update outcomes o set outcome = o.outcome || jsonb_build_object('exceeds_reservation', true) where o.decision = p_decision;
     else
       for v_use in select u.key, u.quantity - (p_kept->>coalesce(u.unit, ''))::numeric as unused
           from limit_uses u where u.decision = p_decision loop
         if v_use.unused > 0 then perform reduce_use(p_decision, v_use.key, v_use.unused); end if;
       end loop;
     end if;
     if p_executed then
       update idempotency_keys k set executed = true where k.decision = p_decision;
     end if;
     return case when v_exceeds then 'exceeds' else 'reported' end;
   end $$`,
] as const;
