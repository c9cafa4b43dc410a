/** A PostgreSQL that panics inside PGlite: it ends, nothing is acknowledged any more, and the next one has what was. */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, it, vi } from 'vitest';
import { PgliteDatabase } from '../../../src/store/database/pglite.js';
import { ScratchDatabase } from '../../support/postgres/scratch-database.js';

let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'remit-pglite-'));
  return () => {
    rmSync(scratch, { recursive: true, force: true });
  };
});

const insert = (id: number) => ({
  sql: 'insert into kept values ($1, $2)',
  params: [id, randomBytes(500_000).toString('base64')],
});

it.each<[string, (id: number) => { sql: string; params: (string | number)[] }[]]>([
  ['one statement', (id) => [insert(id)]],
  ['several statements', (id) => [insert(id), { sql: 'select $1::int', params: [id] }]],
])('a panic in a call of %s', async (_, statements) => {
  const directory = mkdtempSync(join(scratch, 'db-'));
  const database = new PgliteDatabase(directory);
  const report = vi.fn();
  database.watchLoss(report);
  await database.run([{ sql: 'create table kept (id int, text text)' }]);
  // PostgreSQL can't make the next file of its log, as on a full disk.
  renameSync(join(directory, 'pg_wal'), join(scratch, 'away'));
  const acknowledged: number[] = [];
  const writeOn = async (): Promise<void> => {
    for (let id = 0; id < 200; id += 1) {
      await database.run(statements(id));
      acknowledged.push(id);
    }
  };
  await expect(writeOn()).rejects.toThrow('The database could not answer.');
  expect(acknowledged.length).toBeGreaterThan(0);
  expect(report.mock.calls).toEqual([[expect.stringMatching(/PANIC: {2}could not create file "pg_wal/)]]);
  await expect(database.run([{ sql: 'select 1' }])).rejects.toThrow('The database could not answer.');
  await database.close();
  renameSync(join(scratch, 'away'), join(directory, 'pg_wal'));
  const next = new PgliteDatabase(directory);
  const [rows] = await next.run([{ sql: 'select id from kept order by id' }]);
  expect(rows?.map((row) => row['id'])).toEqual(expect.arrayContaining(acknowledged));
  await next.close();
});

it('an error of a statement ends nothing', async () => {
  const database = new ScratchDatabase();
  const report = vi.fn();
  database.watchLoss(report);
  for (const sql of ['select 1/0', 'no sql', 'select * from nothing', `select '\u0000'`])
    await expect(database.run([{ sql }])).rejects.toThrow();
  await expect(database.run([{ sql: 'select 1' }, { sql: 'select 1/0' }])).rejects.toThrow();
  expect((await database.run([{ sql: 'select 1 as one' }]))[0]).toEqual([{ one: 1 }]);
  await database.close();
  expect(report).not.toHaveBeenCalled();
});

it('half a database that a killed process left is made anew; one that PostgreSQL refuses is refused in its words', async () => {
  const directory = join(scratch, 'made');
  mkdirSync(join(scratch, 'made.draft'));
  writeFileSync(join(scratch, 'made.draft/PG_VERSION'), '18\n');
  const database = new PgliteDatabase(directory);
  expect((await database.run([{ sql: 'select 1 as one' }]))[0]).toEqual([{ one: 1 }]);
  await database.close();
  expect(existsSync(join(scratch, 'made.draft'))).toBe(false);
  rmSync(join(directory, 'global/pg_control'));
  const broken = new PgliteDatabase(directory);
  await expect(broken.run([{ sql: 'select 1' }])).rejects.toMatchObject({ detail: expect.stringMatching(/PANIC|FATAL/) as string });
  await broken.kill();
}); // prettier-ignore
