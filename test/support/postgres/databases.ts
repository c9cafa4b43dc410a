/** Databases of a test's own on the server that REMIT_TEST_POSTGRES_URL names; gone at the end of the run. */
import { createHash } from 'node:crypto';
import { Client } from 'pg';
import { resolveDatabase } from '../../../src/config/database.js';
import type { PostgresConfig } from '../../../src/store/database/postgres-config.js';
import { PostgresDatabase } from '../../../src/store/database/postgres.js';
import { migrateSchema } from '../../../src/store/migrations.js';

export const SERVER = process.env['REMIT_TEST_POSTGRES_URL'];
/** How a suite is called that can't run without. */
export const NEEDS = 'PostgreSQL (only where REMIT_TEST_POSTGRES_URL names a server)';
/** Whether services are started over it instead of the embedded database. */
export const EVERYWHERE = process.env['REMIT_TEST_STORE'] === 'postgres';

const PREFIX = `remit_test_${process.env['REMIT_TEST_RUN'] ?? 'alone'}_`;

export function server(): string {
  if (SERVER === undefined) throw new TypeError('REMIT_TEST_POSTGRES_URL is not set');
  return SERVER;
}

/** The options of a configuration, read as Remit reads them. */
export function postgresConfig(url: string, options: object = {}): PostgresConfig {
  const config = resolveDatabase(
    { mode: 'postgres', url, ...options },
    { path: 'test.yaml', url: undefined, readVariable: () => undefined, resolvePath: (path) => path },
  );
  if (config.mode !== 'postgres') throw new TypeError('not PostgreSQL');
  return config;
}

/** The URL of a database that belongs to `owner`, made where it isn't there. */
export async function databaseUrl(owner: string): Promise<string> {
  const name = `${PREFIX}${createHash('sha256').update(owner).digest('hex').slice(0, 16)}`;
  await administer(async (client) => {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [name]);
    if (rowCount === 0) await client.query(`create database ${name} template template0`);
  });
  const url = new URL(server());
  url.pathname = `/${name}`;
  return url.href;
}

/** The same with its tables. */
export async function migratedUrl(owner: string): Promise<string> {
  const url = await databaseUrl(owner);
  const database = new PostgresDatabase(postgresConfig(url));
  await migrateSchema(database).finally(() => database.close());
  return url;
}

export async function dropDatabase(url: string): Promise<void> {
  await administer((client) => client.query(`drop database if exists ${new URL(url).pathname.slice(1)} with (force)`));
}

/** All that this run has made. */
export async function dropAll(): Promise<void> {
  await administer(async (client) => {
    const { rows } = await client.query<{ datname: string }>('select datname from pg_database where datname like $1', [
      `${PREFIX.replaceAll('_', '\\_')}%`,
    ]);
    for (const { datname } of rows) await client.query(`drop database if exists ${datname} with (force)`);
  });
}

export async function administer<T>(work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: server() });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
