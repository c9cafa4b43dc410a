/** The database's tables, as numbered steps that are applied once each. */
import type { Database } from '../engines/database/port.js';
import { Fault } from '../model/faults.js';

const STEPS: readonly (readonly string[])[] = [
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
];

/** Brings the tables to the present version. @throws Fault; also where the database is of a newer Remit */
export async function migrate(database: Database): Promise<void> {
  await database.run([{ sql: 'create table if not exists remit_version (version integer not null)' }]);
  const [rows] = await database.run([{ sql: 'select coalesce(max(version), 0) as version from remit_version' }]);
  const from = Number(rows?.[0]?.['version'] ?? 0);
  if (from > STEPS.length)
    throw new Fault('database_unavailable', `the database is of version ${from}, newer than this Remit`);
  for (const [i, step] of STEPS.entries()) {
    if (i < from) continue;
    await database.run([
      ...step.map((sql) => ({ sql })),
      { sql: 'insert into remit_version values ($1)', params: [i + 1] },
    ]);
  }
}
