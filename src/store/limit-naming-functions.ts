/**
 * The functions that read by a stored name and by the one that versions before stored (`former`, by which readings are told), and that
 * take over what is stored by the former one. A counter is taken over with its uses, which both may have while replicas of two versions
 * run: it adds up. What comes before is locked by both names.
 */
export const NAMING_FUNCTIONS = [
  // The name that a retry is stored by: a row that only locks its name says nothing yet.
  `create function stored_retry(p_key text, p_former text) returns text language sql stable as $$
     select case when exists (select from idempotency_keys k where k.key = p_former)
       and not exists (select from idempotency_keys k where k.key = p_key and k.at > 0) then p_former else p_key end
   $$`,

  `create or replace function limit_state(p_charges jsonb, p_retry jsonb) returns jsonb language sql stable as $$
     select jsonb_build_object('readings', coalesce(
         (select jsonb_object_agg(coalesce(c->>'former', c->>'key'), jsonb_strip_nulls(jsonb_build_object(
             'used', (r.used + coalesce(f.used, 0))::text, 'oldest', least(r.oldest, f.oldest),
             'held', case when s.retry->>'kind' = 'held'
               then (held_use((s.retry->>'decision')::uuid, c->>'key', (c->>'since')::bigint)
                 + held_use((s.retry->>'decision')::uuid, c->>'former', (c->>'since')::bigint))::text end)))
            from jsonb_array_elements(p_charges) c
            cross join lateral limit_reading(c->>'key', (c->>'since')::bigint) r
            left join lateral (select l.* from limit_reading(c->>'former', (c->>'since')::bigint) l
              where exists (select from limit_counters k where k.key = c->>'former')) f on true), '{}'::jsonb))
       || case when s.retry is null then '{}'::jsonb else jsonb_build_object('retry', s.retry) end
     from (select case when p_retry is not null
       then retry_state(stored_retry(p_retry->>'key', p_retry->>'former'), (p_retry->>'since')::bigint) end as retry) s
   $$`,

  // The former names among these pairs that something is stored by.
  `create function former_counters(p_charges jsonb) returns setof text language sql stable as $$
     select k.key from jsonb_array_elements(p_charges) c join limit_counters k on k.key = c->>'former'
   $$`,
  `create function former_retries(p_retries jsonb) returns setof text language sql stable as $$
     select k.key from jsonb_array_elements(p_retries) c join idempotency_keys k on k.key = c->>'former'
   $$`,

  `create function adopt_counters(p_charges jsonb) returns void language plpgsql as $$
   declare v_former record; v_since bigint;
   begin
     for v_former in
       select distinct c->>'key' as name, k.* from jsonb_array_elements(p_charges) c join limit_counters k on k.key = c->>'former' loop
       select greatest(c.since, v_former.since) into v_since from limit_counters c where c.key = v_former.name;
       update limit_counters c set
         used = c.used + v_former.used - (
           select coalesce(sum(u.quantity), 0) from limit_uses u where u.at < v_since
             and ((u.key = v_former.name and u.at >= c.since) or (u.key = v_former.key and u.at >= v_former.since))),
         since = v_since, expires_at = greatest(c.expires_at, v_former.expires_at)
         where c.key = v_former.name;
       insert into limit_uses (decision, key, at, quantity, unit)
         select u.decision, v_former.name, u.at, u.quantity, u.unit from limit_uses u where u.key = v_former.key
         on conflict (decision, key) do update set quantity = limit_uses.quantity + excluded.quantity;
       delete from limit_uses u where u.key = v_former.key;
       delete from limit_counters c where c.key = v_former.key;
     end loop;
   end $$`,

  `create function adopt_retries(p_retries jsonb) returns void language plpgsql as $$
   declare v_former record;
   begin
     for v_former in
       select distinct c->>'key' as name, k.* from jsonb_array_elements(p_retries) c join idempotency_keys k on k.key = c->>'former' loop
       update idempotency_keys k set at = v_former.at, decision = v_former.decision, executed = v_former.executed,
           released = v_former.released, retried = v_former.retried
         where k.key = v_former.name and k.at = 0;
       delete from idempotency_keys k where k.key = v_former.key;
     end loop;
   end $$`,
] as const;
