/**
 * The table of records. A decision and a list are records, and so is what comes after them: nothing that is written is written
 * again, so what was reported, corrected or found of a decision is a record of its own, which names it.
 */
import { REPORTING_FUNCTION } from './limit-tables.js';

/** The columns that decisions and lists are found by, and the record itself, with their types. */
const FOUND_TYPES = {
  at: 'timestamptz',
  client: 'text',
  decision: 'boolean',
  user_key: 'text',
  agent_key: 'text',
  resource_key: 'text',
  action: 'text',
  reason: 'text',
  task: 'text',
  session: 'text',
  protected: 'boolean',
  record: 'jsonb',
} as const;
/** The members of a row's JSON that go to the table of values. */
const VALUE_TYPES = { sealed: 'text', persons: 'jsonb', kept_until: 'timestamptz' } as const;

const listColumns = (types: object): string => Object.keys(types).join(', ');

export const FOUND_COLUMNS = listColumns(FOUND_TYPES);
export const VALUE_COLUMNS = listColumns(VALUE_TYPES);
/** The columns of a decision or a list as it is first stored. */
export const ROW_COLUMNS = `id, kind, ${FOUND_COLUMNS}`;
/** The members of a row's JSON, with their types. */
export const ROW_TYPES = Object.entries({ id: 'uuid', kind: 'text', ...FOUND_TYPES, ...VALUE_TYPES })
  .map(([name, type]) => `${name} ${type}`)
  .join(', ');

/** The columns as those of the table or the function that the alias names. */
export function qualifyColumns(alias: string, columns: string): string {
  return columns.replace(/\w+/g, `${alias}.$&`);
}

/**
 * `about` is the decision that a later record is about. Decisions, lists and corrections alone have a `decision`, and what they are
 * found by. `protected` says that the record has no values in clear, which those of versions before have.
 */
export const RECORD_TABLES = [
  `alter table decisions rename to records`,
  `alter table records
     add column kind text not null default 'decision', add column about uuid,
     add column user_key text, add column agent_key text, add column resource_key text,
     add column action text, add column reason text, add column task text, add column session text,
     add column protected boolean,
     alter column decision drop not null`,
  `update records r set
     kind = case when r.record ? 'search' then 'list' else 'decision' end,
     user_key = coalesce(r.record->'rationale'->'acting', r.record->'acting')->>'user',
     agent_key = coalesce(r.record->'rationale'->'acting', r.record->'acting')->>'agent',
     resource_key = (r.record->'request'->'resource'->>'type') || ':' || (r.record->'request'->'resource'->>'id'),
     action = case jsonb_typeof(r.record->'request'->'action')
       when 'string' then r.record->'request'->>'action' else r.record->'request'->'action'->>'name' end,
     reason = r.record->'reasons'->0->>'code',
     session = r.record->'token'->>'session'`,
  `alter table records alter column kind drop default`,
  `create function keep_record() returns trigger language plpgsql as $$
   begin
     raise exception 'a record stays as it was written';
   end $$`,
  `create trigger records_stay before update on records for each statement execute function keep_record()`,
  `create index records_about on records (about, at, id) where about is not null`,
  // A decision is answered once, so it is corrected once. Corrections are few: what looks for them must not read all outcomes.
  `create unique index records_correction on records (about) where kind = 'correction'`,
  `create index records_page on records (at, id) include (decision) where decision is not null`,
  `create index records_page_by_client on records (client, at, id) include (decision) where decision is not null`,
  `create index records_by_user on records (user_key, at, id) include (decision) where user_key is not null`,
  `create index records_by_agent on records (agent_key, at, id) include (decision) where agent_key is not null`,
  `create index records_by_resource on records (resource_key, at, id) include (decision) where resource_key is not null`,
  `create index records_by_action on records (action, at, id) include (decision) where action is not null`,
  `create index records_by_reason on records (reason, at, id) where reason is not null`,
  `create index records_by_task on records (task, at, id) include (decision) where task is not null`,
  `create index records_by_session on records (session, at, id) include (decision) where session is not null`,
  `drop index decisions_page`,
  `drop index decisions_page_by_client`,
  `insert into records (id, kind, about, at, client, record)
     select gen_random_uuid(), 'outcome', decision, at, client, outcome from outcomes`,
  `create unique index records_outcome on records (about) where kind = 'outcome'`,
  `drop table outcomes`,
  REPORTING_FUNCTION,
] as const;
