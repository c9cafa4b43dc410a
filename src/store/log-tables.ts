/**
 * The tables of the log: which records are still to be sequenced, the leaves in their order, the hashes of the tree over
 * them, and how far it goes. What reads and writes them is in log-store.ts.
 */

/**
 * A record gets its seed, of 244 random bits, as it is stored, and waits for its place in the log from the same moment on:
 * whatever stores a record, and however, the trigger sees it. What is there already is sequenced like all others.
 */
export const LOG_TABLES = [
  `alter table records add column seed bytea not null
     default uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())`,
  `create table log_pending (id uuid primary key)`,
  `create table log_leaves (
     index bigint primary key, id uuid not null unique, leaf text not null)`,
  // Hashes have nothing to compress.
  `create table log_tiles (
     level smallint not null, tile bigint not null, hashes bytea not null, primary key (level, tile))`,
  `alter table log_tiles alter column hashes set storage external`,
  // One row, which every batch changes: two that begin at the same size can't both end.
  `create table log_state (
     only_row boolean primary key default true check (only_row), size bigint not null, root bytea not null, checkpoint text)`,
  `insert into log_state (size, root) values (0, sha256(''))`,
  `create function await_sequencing() returns trigger language plpgsql as $$
   begin
     insert into log_pending select id from added;
     return null;
   end $$`,
  `create trigger records_await_sequencing after insert on records
     referencing new table as added for each statement execute function await_sequencing()`,
  `insert into log_pending select id from records`,
] as const;
