/** The migrations of the database's tables: numbered steps, of which each is applied once. */
import { ADVISORY_LOCKS, LOCK_NAMESPACE } from './database/locks.js';
import type { Database } from './database/port.js';
import { APPROVAL_TABLES, RETRIED_APPROVALS, SPARED_COLUMN, SPARING_FUNCTIONS } from './approval-tables.js';
import { DELIVERY_TABLES } from './deliveries.js';
import { ERASURE_FUNCTIONS } from './erasure-tables.js';
import { HISTORY_ANSWER, HISTORY_TABLES } from './history-tables.js';
import {
  FORMER_REPORTING_FUNCTION, HOLDING_FUNCTIONS, LIMIT_TABLES, REPORTING_FUNCTION, RETRYING_FUNCTIONS,
} from './limit-tables.js'; // prettier-ignore
import { FORGETTING_FUNCTIONS, OUTBOX_TABLES, WITHDRAWING_FUNCTIONS } from './outbox.js';
import { NAMING_FUNCTIONS } from './limit-naming-functions.js';
import { LOG_TABLES } from './log-tables.js';
import { PERSON_KEY_TABLES } from './person-keys.js';
import { RECORD_ITEM_TABLES } from './record-item-tables.js';
import { RECORD_VALUE_TABLES, WHOLE_VALUES } from './record-values.js';
import { RETENTION_INDEXES } from './retention-store.js';
import { RECORD_TABLES } from './record-tables.js';
import { RESERVING_FUNCTION } from './reserving-function.js';
import { REVIEW_TABLES } from './reviews.js';
import { ConfigError, Fault } from '../model/faults.js';

/** The events that policies ask about, and the function that stores them with records. */
const HISTORY_STEP = [...HISTORY_TABLES, ...RESERVING_FUNCTION];

const MIGRATIONS: readonly (readonly string[])[] = [
  [
    `create table meta (key text primary key, value text not null)`,
    `insert into meta values ('store_id', gen_random_uuid()::text)`,
    // Attributes and parents of users, agents and resources.
    `create table entities (
       type text not null, id text not null,
       attributes jsonb not null, parents jsonb not null,
       updated_at timestamptz not null default now(),
       primary key (type, id))`,
    // The writes to an embedded SpiceDB, whose own store is in memory.
    `create table relationship_journal (
       sequence bigint generated always as identity primary key,
       at timestamptz not null default now(), written_by text not null,
       updates jsonb not null, settled boolean not null default false)`,
    `create table decisions (
       id uuid primary key, at timestamptz not null, client text not null,
       decision boolean not null, record jsonb not null)`,
    `create index decisions_at on decisions (at)`,
    `create table outcomes (
       decision uuid primary key references decisions (id), at timestamptz not null default now(),
       client text not null, outcome jsonb not null)`,
  ],
  [
    // Revoked tokens and sessions, and used DPoP proofs.
    `create table revocations (
       sequence bigint generated always as identity primary key,
       id uuid not null unique, at timestamptz not null, revocation jsonb not null)`,
    `create table spent_proofs (id text primary key, expires_at bigint not null)`,
    `create index revocations_by on revocations ((revocation->>'revokedBy'))`,
    `create index spent_proofs_expire on spent_proofs (expires_at)`,
  ],
  [
    // The deployment's secret, the same for every replica: signs page tokens, hashes masked values.
    `insert into meta values ('secret', replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''))
       on conflict do nothing`,
  ],
  [
    // Records are a few kilobytes long. Compressing one by PostgreSQL's own method takes as long as all the rest of the
    // write. LZ4 takes next to nothing; a database that is built without it stores records uncompressed.
    `do $$ begin
       execute 'alter table decisions alter record set compression lz4';
     exception when feature_not_supported or syntax_error then
       alter table decisions set (toast_tuple_target = 8160);
     end $$`,
  ],
  [
    // Pages of records, of all clients and of one, by the key that pages continue at. What a page selects by is in the index.
    `create index decisions_page on decisions (at, id) include (decision)`,
    `create index decisions_page_by_client on decisions (client, at, id) include (decision)`,
    `drop index decisions_at`,
  ],
  LIMIT_TABLES,
  [
    // What narrows delegations. `settled`: the graph has what the row says. The two instants say until when a writer of the
    // graph may be at work: of this row as it is, and of what it was before.
    `create table delegations (
       giver_type text not null, giver_id text not null, agent_type text not null, agent_id text not null,
       state text not null, bounds jsonb not null, ends timestamptz, made_by text not null, made_at timestamptz not null,
       version uuid not null, settled boolean not null, bars boolean not null default false,
       writer_until timestamptz, others_until timestamptz,
       primary key (giver_type, giver_id, agent_type, agent_id))`,
    `create index delegations_unsettled on delegations (giver_id) where not settled`,
    `create index delegations_end on delegations (ends) where ends is not null`,
  ],
  [
    // What users have consented to. `ended` is when it ended or will: where it was withdrawn, or where it expires.
    `create table consents (
       id uuid primary key, user_type text not null, user_id text not null, agent_type text not null, agent_id text not null,
       actions jsonb not null, consent jsonb not null, bytes integer not null, version uuid not null, ended timestamptz)`,
    `create index consents_of_user on consents (user_type, user_id, agent_type, agent_id)`,
  ],
  [
    // What agents ask their users to consent to. Of equal needs one request waits at a time.
    `create table consent_requests (
       id uuid primary key, user_type text not null, user_id text not null, agent_type text not null, agent_id text not null,
       asked_by text not null, needs_sha256 text not null, request jsonb not null, state text not null,
       asked timestamptz not null, expires timestamptz not null, consent uuid)`,
    `create index consent_requests_of_user on consent_requests (user_type, user_id, agent_type, agent_id)`,
    `create unique index consent_requests_pending on consent_requests
       (user_type, user_id, agent_type, agent_id, needs_sha256) where state = 'pending'`,
  ],
  [
    // Whether a mark stays of a delegation that ended: no client gives again what another party has ended.
    `alter table delegations add column marks boolean not null default false`,
    `update delegations set marks = true where state <> 'given'`,
    // All callers that asked for the same, beside the first.
    `alter table consent_requests add column also_asked_by jsonb not null default '[]'`,
    `create index delegations_closed on delegations (giver_type, giver_id, made_at) where state = 'closed'`,
  ],
  APPROVAL_TABLES,
  RESERVING_FUNCTION,
  [
    ...OUTBOX_TABLES,
    ...DELIVERY_TABLES,
    ...REVIEW_TABLES,
    // Whether it was told that a consent has ended or is suspended. Both come without a write.
    `alter table consents add column told text`,
    `update consents set told = 'ended' where ended <= now()`,
    `create index consents_untold on consents (ended) where told is distinct from 'ended'`,
    // Until when it was told that a limit is reached, in milliseconds since 1970.
    `create table limit_notices (key text collate "C" primary key, until bigint not null)`,
    `create index limit_notices_until on limit_notices (until)`,
  ],
  [
    // Tells the question of a task from others, whichever client asked it: what was denied isn't asked again for a while.
    `alter table approval_tasks add column question_sha256 text not null default ''`,
    `create index approval_tasks_no on approval_tasks (question_sha256, decided) where state = 'denied'`,
    `drop index approval_tasks_denied`,
    `drop index approval_tasks_grants`,
    `create index approval_tasks_unsettled on approval_tasks (id) where grant_state in ('wanted', 'written', 'deleting')`,
  ],
  [
    // Parts of a list may have counters in common.
    ...RESERVING_FUNCTION,
    `create index limit_uses_recent on limit_uses (at)`,
    ...WITHDRAWING_FUNCTIONS,
  ],
  // A retry reserves what its first question doesn't hold.
  [...HOLDING_FUNCTIONS, ...RESERVING_FUNCTION],
  FORGETTING_FUNCTIONS,
  SPARING_FUNCTIONS,
  // The function stores rows of the table under its new name.
  [...RECORD_TABLES, ...PERSON_KEY_TABLES, ...RECORD_VALUE_TABLES, ...RESERVING_FUNCTION],
  RECORD_ITEM_TABLES,
  LOG_TABLES,
  // After an attempt that failed the next one with its key has the approval which that one used.
  [...RETRYING_FUNCTIONS, ...RETRIED_APPROVALS, ...RESERVING_FUNCTION, ...SPARED_COLUMN],
  HISTORY_STEP,
  // The reserving function stores no values that can't be opened any more.
  [...ERASURE_FUNCTIONS, ...RESERVING_FUNCTION],
  RETENTION_INDEXES,
  // Events have names that only the deployment's key makes, and are found by those of before as well.
  [HISTORY_ANSWER],
  // What clients write of an outcome is hidden.
  [REPORTING_FUNCTION, FORMER_REPORTING_FUNCTION],
  // The functions that store values look keys up one by one.
  [WHOLE_VALUES, ...RESERVING_FUNCTION, REPORTING_FUNCTION, FORMER_REPORTING_FUNCTION],
  // Limits and retries have names that only the deployment's key makes, and take over what is stored by those of before.
  [...NAMING_FUNCTIONS, ...RESERVING_FUNCTION],
];

/** The version of the tables that this Remit works with. */
export const SCHEMA_VERSION = MIGRATIONS.length;

const VERSION_TABLE = 'remit_version';

/** Reads the version of the database's tables; 0 where there are none. @throws Fault, also where it is newer than ours */
export async function readSchemaVersion(database: Database): Promise<number> {
  const [tableRows] = await database.run([{ sql: `select to_regclass('${VERSION_TABLE}') is not null as there` }]);
  if (tableRows?.[0]?.['there'] !== true) return 0;
  const [rows] = await database.run([{ sql: `select coalesce(max(version), 0) as version from ${VERSION_TABLE}` }]);
  const version = Number(rows?.[0]?.['version']);
  if (version > SCHEMA_VERSION)
    throw new Fault(
      'database_unavailable',
      `the tables of the database are of version ${version}, and this Remit works with ${SCHEMA_VERSION}: a newer Remit made them`,
    );
  return version;
}

/** Checks the version of a database that Remit must not change at start. @throws ConfigError where it has to be migrated, Fault */
export async function requireSchemaVersion(database: Database, place: string): Promise<void> {
  const version = await readSchemaVersion(database);
  if (version < SCHEMA_VERSION)
    throw new ConfigError(
      version === 0
        ? 'the database has no tables of Remit: "remit migrate" makes them'
        : `the database is of version ${version}, and this Remit needs ${SCHEMA_VERSION}: "remit migrate" brings it there`,
      place,
    );
}

/**
 * Brings the tables to the present version, each step in a transaction of its own. Another process that does the same
 * waits, and then finds the step applied.
 * @param target the version to bring them to: tests begin at an older one
 * @returns the version before
 * @throws Fault, also where the version is newer than ours
 */
export async function migrateSchema(database: Database, target = SCHEMA_VERSION): Promise<number> {
  const lockStatement = {
    sql: 'select pg_advisory_xact_lock($1, $2)',
    params: [LOCK_NAMESPACE, ADVISORY_LOCKS.migration],
  };
  await database.run([
    lockStatement,
    { sql: `create table if not exists ${VERSION_TABLE} (version integer not null)` },
  ]);
  const initialVersion = await readSchemaVersion(database);
  for (let version = initialVersion; version < target;) {
    try {
      await database.run([
        lockStatement,
        // Divides by zero, which ends the transaction, where another process has applied this step.
        {
          sql: `select 1 / (case when coalesce(max(version), 0) = $1::int then 1 else 0 end) from ${VERSION_TABLE}`,
          params: [version],
        },
        ...(MIGRATIONS[version] ?? []).map((sql) => ({ sql })),
        { sql: `insert into ${VERSION_TABLE} values ($1::int)`, params: [version + 1] },
      ]);
      version += 1;
    } catch (error) {
      const currentVersion = await readSchemaVersion(database);
      if (currentVersion === version) throw error;
      version = currentVersion;
    }
  }
  return initialVersion;
}
