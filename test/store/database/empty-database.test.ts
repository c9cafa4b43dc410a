/** The empty database that a build makes: what begins as its copy is what PGlite makes for itself. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { beforeAll, expect, it } from 'vitest';
import { copyEmptyDatabase } from '../../../src/store/database/empty-database.js';
import { makeEmptyDatabase } from '../../../src/store/database/pglite-engine.js';

let scratch: string;
let built: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'remit-empty-'));
  built = join(scratch, 'built');
  return () => {
    rmSync(scratch, { recursive: true, force: true });
  };
});

/** All that tells one empty database from another: its settings, databases, roles, tables, functions, and their rights. */
const CATALOG = [
  `select name, setting from pg_settings where name not in ('TimeZone', 'log_timezone', 'data_directory', 'config_file', 'hba_file', 'ident_file') order by 1`,
  `select datname, datcollate, datctype, pg_encoding_to_char(encoding) as encoding from pg_database order by 1`,
  `select rolname, rolsuper, rolcanlogin, rolpassword is null as free from pg_authid order by 1`,
  `select relname, relkind, relacl::text as acl from pg_class order by oid`,
  `select oid::int, proname, proacl::text as acl from pg_proc order by 1`,
  `select extname, extversion from pg_extension order by 1`,
];

async function readCatalog(directory: string): Promise<unknown[]> {
  const database = await PGlite.create(directory);
  const rows: unknown[] = [];
  for (const sql of CATALOG) rows.push((await database.query(sql)).rows);
  await database.close();
  return rows;
}

it('is what PGlite makes for itself, and each copy is its own', async () => {
  const [copy, other] = [join(scratch, 'copy'), join(scratch, 'other')];
  expect(copyEmptyDatabase(copy, built)).toBe(false);
  expect(existsSync(copy)).toBe(false);
  await makeEmptyDatabase(built);
  expect(copyEmptyDatabase(copy, built)).toBe(true);
  const copied = await readCatalog(copy);
  expect(copied).toEqual(await readCatalog(join(scratch, 'made')));
  expect((copied[0] as unknown[]).length).toBeGreaterThan(300);
  const database = await PGlite.create(copy);
  await database.exec('create table written (id int)');
  await database.close();
  expect(copyEmptyDatabase(other, built)).toBe(true);
  expect(await readCatalog(other)).toEqual(copied);
});

it('is made whole, and once', async () => {
  const directory = join(scratch, 'again');
  // A build was killed.
  mkdirSync(`${directory}.draft`);
  writeFileSync(join(`${directory}.draft`, 'PG_VERSION'), '18\n');
  await makeEmptyDatabase(directory);
  expect(readdirSync(directory)).toContain('pg_wal');
  expect(existsSync(`${directory}.draft`)).toBe(false);
  rmSync(join(directory, 'pg_wal'), { recursive: true });
  await makeEmptyDatabase(directory);
  expect(readdirSync(directory)).not.toContain('pg_wal');
});
