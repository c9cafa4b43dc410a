/** The database's tables, as numbered steps that are applied once each. */
import { ADVISORY_LOCKS, LOCK_NAMESPACE } from './database/locks.js';
import type { Database } from './database/port.js';
import { ConfigError, Fault } from '../model/faults.js';

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
    // What was written to an embedded SpiceDB, whose own store is memory.
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
    // Tokens and sessions that have been taken back, and DPoP proofs that have been used.
    `create table revocations (
       sequence bigint generated always as identity primary key,
       id uuid not null unique, at timestamptz not null, revocation jsonb not null)`,
    `create table spent_proofs (id text primary key, expires_at bigint not null)`,
    `create index revocations_by on revocations ((revocation->>'revokedBy'))`,
    `create index spent_proofs_expire on spent_proofs (expires_at)`,
  ],
  [
    // Of the deployment, the same for every replica: signs page tokens, hashes masked values.
    `insert into meta values ('secret', replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''))
       on conflict do nothing`,
  ],
  [
    // Records are a few kilobytes long: to compress one by PostgreSQL's own method takes about as long as all else about
    // writing it. LZ4 takes next to nothing; where the database is built without it, they stay as they are.
    `do $$ begin
       execute 'alter table decisions alter record set compression lz4';
     exception when feature_not_supported or syntax_error then
       alter table decisions set (toast_tuple_target = 8160);
     end $$`,
  ],
];

/** Of the tables, as this Remit has them. */
export const SCHEMA_VERSION = MIGRATIONS.length;

const VERSION_TABLE = 'remit_version';

/** What the database's tables are of; 0 where there are none. @throws Fault; also where they are of a newer Remit */
export async function readSchemaVersion(database: Database): Promise<number> {
  const [tableRows] = await database.run([{ sql: `select to_regclass('${VERSION_TABLE}') is not null as there` }]);
  if (tableRows?.[0]?.['there'] !== true) return 0;
  const [rows] = await database.run([{ sql: `select coalesce(max(version), 0) as version from ${VERSION_TABLE}` }]);
  const version = Number(rows?.[0]?.['version']);
  if (version > SCHEMA_VERSION)
    throw new Fault(
      'database_unavailable',
      `the database is of version ${version}, newer than this Remit (${SCHEMA_VERSION})`,
    );
  return version;
}

/** For a database that is not ours to change at start. @throws Fault; ConfigError where it has to be migrated first */
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
 * Brings the tables to the present version, each step in a transaction of its own; whoever does the same meanwhile waits,
 * and finds it done. @returns the version it was. @throws Fault; also where the database is of a newer Remit
 */
export async function migrateSchema(database: Database): Promise<number> {
  const lockStatement = {
    sql: 'select pg_advisory_xact_lock($1, $2)',
    params: [LOCK_NAMESPACE, ADVISORY_LOCKS.migration],
  };
  await database.run([
    lockStatement,
    { sql: `create table if not exists ${VERSION_TABLE} (version integer not null)` },
  ]);
  const initialVersion = await readSchemaVersion(database);
  for (let version = initialVersion; version < SCHEMA_VERSION;) {
    try {
      await database.run([
        lockStatement,
        // Ends the transaction where somebody else has taken this step: nothing is divided by zero.
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
