/**
 * The table of what lists returned, by which a list is found by each of its resources. A trigger fills it from the record that
 * is stored, so what a limit took out of the list isn't there either. An index over a column of many values would be shorter,
 * but has no order: the newest lists of a resource that a million lists returned would be sought among all of them.
 *
 * The rows are written in the list's own transaction. Written after it they would need a queue that outlives a crash, since a list whose
 * rows are lost is never found by what it returned; that queue is a row in the same transaction, and what is written later is written twice.
 */
export const RECORD_ITEM_TABLES = [
  `create table record_items (item text collate "C" not null, at timestamptz not null, id uuid not null, primary key (item, at, id))`,
  // As record-row.ts makes keys.
  `create function search_key(p_text text) returns text language sql immutable as $$
     select case when octet_length(p_text) <= 256 then p_text else '#' || encode(sha256(convert_to(p_text, 'UTF8')), 'hex') end
   $$`,
  `create function note_record_items() returns trigger language plpgsql as $$
   begin
     insert into record_items (item, at, id)
       select distinct search_key((i->>'type') || ':' || (i->>'id')) collate "C" as item, new.at, new.id
         from jsonb_array_elements(new.record->'items') i order by item;
     return null;
   end $$`,
  // A search for subjects returns no resources, and its record has the one that it is about.
  `create trigger records_items after insert on records for each row
     when (new.kind = 'list' and new.record->>'search' in ('resource', 'filter')) execute function note_record_items()`,
] as const;
