/**
 * The SQL function that stores records with what they reserve: uses of limits, and the use of an approval; and with the events
 * that they are, for policies that ask about the past. Each is stored with all of that or not at all, and in the order in which
 * they are given. It locks as limit-tables.ts says, then approvals, and then the names of events.
 */

import { insertValuesSql } from './record-values.js';
import { qualifyColumns, ROW_COLUMNS, ROW_TYPES } from './record-tables.js';

/** `p_released` are decisions that were not answered: what they have reserved is given back, unless a retry was allowed by it. */
export const RESERVING_FUNCTION = [
  `create or replace function store_reserving(p_requests jsonb, p_released uuid[])
     returns table (id uuid, accepted int[], state jsonb) language plpgsql as $$
   declare
     v_request jsonb; v_part jsonb; v_charge jsonb; v_row jsonb; v_found int; v_fits int; v_asked int; v_given int; v_at bigint; v_overtaken boolean;
     v_charges jsonb; v_retries jsonb; v_taken jsonb; v_retry jsonb; v_holder uuid; v_executed boolean; v_held numeric; v_quantity numeric;
   begin
     v_charges := (select coalesce(jsonb_agg(jsonb_build_object('key', c->'key', 'former', c->'former')), '[]')
       from jsonb_array_elements(p_requests) q, jsonb_array_elements(q->'parts') p, jsonb_array_elements(p->'charges') c);
     v_retries := (select coalesce(jsonb_agg(jsonb_build_object('key', k.key, 'former', k.former)), '[]')
       from jsonb_array_elements(p_requests) q, lateral (values
         (q->'retry'->>'key', q->'retry'->>'former'), (q->'repeat'->>'key', q->'repeat'->>'former'),
         (q->'repeat'->>'permitted', q->'repeat'->>'former_permitted')) k (key, former) where k.key is not null);
     perform lock_limits(
       array(select k->>'key' from jsonb_array_elements(v_retries) k union select former_retries(v_retries)
             union select k.key from idempotency_keys k where k.decision = any (p_released)),
       array(select c->>'key' from jsonb_array_elements(v_charges) c union select former_counters(v_charges)
             union select u.key from limit_uses u where u.decision = any (p_released)));
     perform adopt_retries(v_retries);
     perform adopt_counters(v_charges);
     perform lock_approvals(
       array(select (q->'approval'->>'id')::uuid from jsonb_array_elements(p_requests) q where q ? 'approval'
             union select t.id from approval_tasks t where t.used_by = any (p_released)));
     -- What a retry was allowed by stays: it may be at work.
     p_released := array(select d from unnest(p_released) d
       where not exists (select from idempotency_keys k where k.decision = d and k.retried));
     perform lock_history(
       array(select e->>'key' from jsonb_array_elements(p_requests) q, jsonb_array_elements(q->'history'->'events') e
             union select k.key from jsonb_array_elements(p_requests) q, jsonb_array_elements(q->'history'->'answered') a,
               unnest(array[a->>'key', a->>'cleared']) k (key)));
     delete from history_events h where h.decision = any (p_released);
     perform release_uses(p_released);
     perform release_approvals(p_released);
     for v_request in select * from jsonb_array_elements(p_requests) loop
       id := (v_request->>'id')::uuid;
       v_at := (v_request->>'at')::bigint;
       accepted := '{}';
       state := null;
       v_asked := 0;
       v_given := 0;
       -- What the parts so far take of each counter: parts of a list may have counters in common.
       v_taken := '{}';
       v_retry := null;
       if v_request ? 'retry' then
         v_retry := retry_state(v_request->'retry'->>'key', (v_request->'retry'->>'since')::bigint);
       end if;
       v_executed := false;
       if v_request ? 'repeat' then
         v_retry := retry_state(v_request->'repeat'->>'permitted', (v_request->'repeat'->>'since')::bigint);
         v_executed := retry_state(v_request->'repeat'->>'key', (v_request->'repeat'->>'since')::bigint)->>'kind' = 'executed';
       end if;
       -- What the question with this key holds already is held in the name of the first, and so is what it still needs.
       v_holder := coalesce((v_retry->>'decision')::uuid, id);
       for v_part in select * from jsonb_array_elements(v_request->'parts') loop
         select least((v_part->>'count')::int,
             min(case when (c->>'quantity')::numeric = 0 then (v_part->>'count')::int
               else greatest(0, least(2147483647, floor((greatest(0, (c->>'bound')::numeric - r.used)
                 + case when v_holder = id then 0 else held_use(v_holder, c->>'key', (c->>'since')::bigint) end
                 - coalesce((v_taken->>(c->>'key'))::numeric, 0)) / (c->>'quantity')::numeric))) end))
           into v_fits
           from jsonb_array_elements(v_part->'charges') c
           cross join lateral limit_reading(c->>'key', (c->>'since')::bigint) r;
         if v_executed then v_fits := 0; end if;
         accepted := accepted || coalesce(v_fits, 0);
         v_asked := v_asked + (v_part->>'count')::int;
         v_given := v_given + coalesce(v_fits, 0);
         if jsonb_array_length(v_request->'parts') > 1 then
           v_taken := v_taken || (select coalesce(jsonb_object_agg(c->>'key', coalesce((v_taken->>(c->>'key'))::numeric, 0)
               + (c->>'quantity')::numeric * coalesce(v_fits, 0)), '{}'::jsonb)
             from jsonb_array_elements(v_part->'charges') c);
         end if;
       end loop;
       v_overtaken := (v_request ? 'retry' and v_request->'retry'->'expected' is distinct from v_retry)
         or (v_given < v_asked and not (v_request->>'partial')::boolean);
       -- Most records rest on nothing before them, and calling a function takes longer than looking.
       if v_request ? 'history' then v_overtaken := v_overtaken or not holds_history(v_request->'history'); end if;
       -- The earlier question that this one retries may have used another approval: then this one uses none.
       if not v_overtaken and v_request ? 'approval' and not exists (
         select from approval_tasks t where t.used_by = (v_request->'approval'->>'decision')::uuid
           and t.id <> (v_request->'approval'->>'id')::uuid) then
         v_overtaken := use_approval((v_request->'approval'->>'id')::uuid, (v_request->'approval'->>'decision')::uuid,
           to_timestamp(v_at / 1000.0), (v_retry->>'released')::uuid) is not null;
       end if;
       if v_overtaken then
         accepted := null;
         state := limit_state(
           (select coalesce(jsonb_agg(c), '[]'::jsonb) from jsonb_array_elements(v_request->'parts') p,
              jsonb_array_elements(p->'charges') c) || coalesce(v_request->'others', '[]'::jsonb), v_request->'retry')
           || jsonb_build_object('history', history_answers(coalesce(v_request->'history'->'answered', '[]'::jsonb)));
         return next;
         continue;
       end if;
       v_row := v_request->'row';
       if v_given < v_asked then
         v_found := (v_row->'record'->>'found')::int - v_asked + v_given;
         v_row := v_row || jsonb_build_object('decision', v_found > 0, 'record', v_row->'record' || jsonb_build_object(
           'found', v_found, 'decision', v_found > 0,
           'left_out', coalesce(v_row->'record'->'left_out', '{}') || jsonb_build_object('limit_exceeded',
             coalesce((v_row->'record'->'left_out'->>'limit_exceeded')::int, 0) + v_asked - v_given),
           'items', (select coalesce(jsonb_agg(i.item order by i.place), '[]')
             from jsonb_array_elements(v_row->'record'->'items') with ordinality as i (item, place)
             where i.place - 1 not in (
               select u.place::bigint from jsonb_array_elements(v_request->'parts') with ordinality as s (p, n),
                 jsonb_array_elements_text(s.p->'items') with ordinality as u (place, nth) where u.nth > accepted[s.n]))));
       end if;
       if v_request ? 'repeat' and v_holder <> id then
         v_row := jsonb_set(v_row, '{record,reservation}',
           (select d.record->'reservation' from records d where d.id = v_holder));
       end if;
       insert into records (${ROW_COLUMNS}) select ${qualifyColumns('n', ROW_COLUMNS)}
         from jsonb_populate_record(null::records, v_row) n
         on conflict do nothing;
       -- One that is there was given up by its decision: it denies, and must not reserve.
       if found then
         ${insertValuesSql(`jsonb_to_record(v_row) as`, ` (${ROW_TYPES})`)};
         for v_charge, v_quantity in
           select (array_agg(c))[1], sum((c->>'quantity')::numeric * accepted[n])
             from jsonb_array_elements(v_request->'parts') with ordinality as s (p, n), jsonb_array_elements(p->'charges') c
             where accepted[n] > 0 group by c->>'key' loop
           v_held := case when v_holder = id then 0 else held_use(v_holder, v_charge->>'key', (v_charge->>'since')::bigint) end;
           continue when v_held > 0 and v_held >= v_quantity;
           update limit_counters c set
             used = r.used + v_quantity - v_held,
             since = coalesce((v_charge->>'since')::bigint, 0),
             expires_at = greatest(c.expires_at, (v_charge->>'expires_at')::bigint)
             from limit_reading(v_charge->>'key', (v_charge->>'since')::bigint) r where c.key = v_charge->>'key';
           -- A use that has left the window, or was less, is counted as of now.
           insert into limit_uses (decision, key, at, quantity, unit) values (
             v_holder, v_charge->>'key', v_at, v_quantity, v_charge->>'unit')
             on conflict (decision, key) do update set quantity = excluded.quantity, at = greatest(limit_uses.at, excluded.at);
           delete from limit_uses u where u.key = v_charge->>'key' and u.at < (v_charge->>'forgotten')::bigint;
         end loop;
         if v_request ? 'history' then perform add_history(v_request->'history', v_holder, v_at, accepted); end if;
         if v_request->'retry'->'expected'->>'kind' = 'new' then
           update idempotency_keys k set at = v_at, decision = store_reserving.id, executed = false, retried = false
             where k.key = v_request->'retry'->>'key';
         end if;
         if v_holder <> id then
           update idempotency_keys k set retried = true where k.decision = v_holder and not k.retried;
         end if;
         if v_request ? 'repeat' and v_holder = id and (v_row->>'decision')::boolean then
           update idempotency_keys k set at = v_at, decision = v_holder, executed = false, retried = false
             where k.key in (v_request->'repeat'->>'key', v_request->'repeat'->>'permitted');
         end if;
       elsif v_request ? 'approval' then
         perform release_approvals(array[store_reserving.id]);
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
] as const;
