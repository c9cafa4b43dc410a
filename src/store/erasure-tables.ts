/**
 * The function that takes a person's name out of what is stored as JSON: wherever the person is named as a thing (`{type, id}`,
 * `{type, ids}`) or as `user:ann`, their name in the log stands instead. So what belongs to others stays whole, and names no one.
 */
export const ERASURE_FUNCTIONS = [
  // p_caller is the person as the caller of a request, where they are a user. Ids are as they were given, never encoded.
  `create function rename_person(p_value jsonb, p_type text, p_id text, p_name text, p_caller text)
     returns jsonb language plpgsql immutable as $$
   begin
     if p_value is null or strpos(p_value::text, trim('"' from to_jsonb(p_id)::text)) = 0 then return p_value; end if;
     if jsonb_typeof(p_value) = 'string' then
       return case p_value #>> '{}'
         when p_type || ':' || p_id then to_jsonb(p_type || ':' || p_name)
         when p_caller then to_jsonb('user:' || p_name) else p_value end;
     elsif jsonb_typeof(p_value) = 'array' then
       return (select coalesce(jsonb_agg(rename_person(a.value, p_type, p_id, p_name, p_caller) order by a.place), '[]')
         from jsonb_array_elements(p_value) with ordinality a (value, place));
     elsif jsonb_typeof(p_value) = 'object' then
       return (select coalesce(jsonb_object_agg(
           case when o.key in (p_type || ':' || p_id, p_caller) then p_type || ':' || p_name else o.key end,
           case
             when p_value->>'type' = p_type and o.key = 'id' and o.value = to_jsonb(p_id) then to_jsonb(p_name)
             when p_value->>'type' = p_type and o.key = 'ids' and jsonb_typeof(o.value) = 'array' then
               (select coalesce(jsonb_agg(case when i.value = to_jsonb(p_id) then to_jsonb(p_name) else i.value end order by i.place), '[]')
                from jsonb_array_elements(o.value) with ordinality i (value, place))
             else rename_person(o.value, p_type, p_id, p_name, p_caller) end), '{}')
         from jsonb_each(p_value) o);
     end if;
     return p_value;
   end $$`,
] as const;
