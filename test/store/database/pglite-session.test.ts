/** Statements on PGlite are prepared once each, and a table that changes, grows or refuses a value leaves no trace in the next ones. */
import { PGlite } from '@electric-sql/pglite';
import { beforeAll, expect, it } from 'vitest';
import { PgliteSession } from '../../../src/store/database/pglite-session.js';

let session: PgliteSession;
beforeAll(async () => {
  const database = await PGlite.create('memory://');
  session = new PgliteSession(database);
  return () => database.close();
});

const prepared = async (text: string): Promise<string[]> => {
  const [rows = []] = await session.run([
    { sql: `select name from pg_prepared_statements where statement like $1 order by name`, params: [`${text}%`] },
  ]);
  return rows.map(({ name }) => String(name));
};

it('a statement with values is prepared once, and anew after a thousand uses', async () => {
  const twice = { sql: 'select $1::int * 2 as n', params: [21] };
  for (let i = 0; i < 1_000; i += 1) expect(await session.run([twice])).toEqual([[{ n: 42 }]]);
  const [name = '', ...others] = await prepared('select $1::int * 2');
  expect(others).toEqual([]);
  for (let i = 0; i < 10; i += 1) expect(await session.run([twice, twice])).toEqual([[{ n: 42 }], [{ n: 42 }]]);
  const [next = '', ...later] = await prepared('select $1::int * 2');
  expect([next === name, later]).toEqual([false, []]);
});

it('a statement whose table has changed is prepared anew', async () => {
  const read = { sql: 'select * from changing where id = $1', params: [1] };
  await session.run([{ sql: 'create table changing (id int)' }, { sql: 'insert into changing values (1)' }]);
  expect(await session.run([read])).toEqual([[{ id: 1 }]]);
  await session.run([{ sql: `alter table changing add column text text not null default 'new'` }]);
  expect(await session.run([{ sql: 'insert into changing values ($1)', params: [2] }, read])).toEqual([[], [{ id: 1, text: 'new' }]]);
  await session.run([{ sql: 'alter table changing drop column text' }]);
  expect(await session.run([read])).toEqual([[{ id: 1 }]]);
  // What was tried first has left nothing.
  expect(await session.run([{ sql: 'select count(*) as n from changing' }])).toEqual([[{ n: 2 }]]);
}); // prettier-ignore

it('a refused value ends its own transaction only, before a statement is prepared and after', async () => {
  await session.run([{ sql: 'create table numbers (n int primary key)' }]);
  const insert = (n: number | string) => ({ sql: 'insert into numbers values ($1)', params: [n] });
  for (const code of ['22P02', '22P02']) {
    await expect(session.run([insert('x')])).rejects.toMatchObject({ code });
    await expect(session.run([insert(1), insert('x')])).rejects.toMatchObject({ code });
  }
  await expect(session.run([insert(1), insert(1)])).rejects.toMatchObject({ code: '23505' });
  await expect(session.run([{ sql: 'select $1::int +', params: [1] }])).rejects.toMatchObject({ code: '42601' });
  expect(await session.run([insert(2), { sql: 'select n from numbers' }])).toEqual([[], [{ n: 2 }]]);
});

it('more texts than are kept prepared are answered alike', async () => {
  for (let i = 0; i < 250; i += 1)
    expect(await session.run([{ sql: `select $1::int + ${i} as n`, params: [i] }])).toEqual([[{ n: 2 * i }]]);
  expect((await prepared('')).length).toBeLessThanOrEqual(200);
});

it('transactions that are asked for at the same time come one after the other', async () => {
  await session.run([{ sql: 'create table counters (n int)' }, { sql: 'insert into counters values (0)' }]);
  const raise = () =>
    session.run([{ sql: 'update counters set n = n + $1', params: [1] }, { sql: 'select n from counters' }]);
  const results = await Promise.all(Array.from({ length: 20 }, raise));
  expect(results.map(([, rows]) => rows?.[0]?.['n'])).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
});
