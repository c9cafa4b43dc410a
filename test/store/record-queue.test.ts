/** The queue of records: what it holds is bounded, what it takes is written or refused, and the last word is what stays. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Fault } from '../../src/model/faults.js';
import type { Database, SqlStatement } from '../../src/store/database/port.js';
import { RecordQueue } from '../../src/store/record-queue.js';

interface StoredText {
  readonly id: string;
  readonly decision: boolean;
  readonly fill: string;
}

/**
 * A database whose writes end when and as they are told to. It stores as the real one does, which has a suite of its own: a row
 * stays as it is, and a correction of another row is one beside it.
 */
function controlledDatabase() {
  const rows = new Map<string, StoredText>();
  const corrections = new Map<string, StoredText>();
  const writes: { readonly end: (outcome: 'written' | 'lost' | 'failed') => void }[] = [];
  const store = (statements: readonly SqlStatement[]): void => {
    for (const { params } of statements)
      for (const row of JSON.parse(String(params?.[0])) as (StoredText | { correction: string; row: StoredText })[]) {
        if ('id' in row) rows.set(row.id, rows.get(row.id) ?? row);
        else if (JSON.stringify(rows.get(row.row.id)) !== JSON.stringify(row.row)) corrections.set(row.row.id, row.row);
      }
  };
  const run = (statements: readonly SqlStatement[]): Promise<never[]> =>
    new Promise((resolve, reject) => {
      writes.push({
        end: (outcome) => {
          // A write whose acknowledgement is lost has happened.
          if (outcome !== 'failed') store(statements.filter(({ sql }) => sql.includes('into records')));
          if (outcome === 'written') resolve([]);
          else reject(new Fault('database_unavailable'));
        },
      });
    });
  const answer = (id: string): boolean | undefined => (corrections.get(id) ?? rows.get(id))?.decision;
  return { rows, answer, writes, database: { run } as unknown as Database };
}

const textOf = (id: string, decision: boolean, length = 0): string =>
  JSON.stringify({ id, decision, fill: 'x'.repeat(length) });
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('holds no more than it may, refuses the rest before it is made, and takes more once it has room', async () => {
  const { writes, rows, database } = controlledDatabase();
  const queue = new RecordQueue(database, { records: 10, length: 10_000 });
  const outcomes: string[] = [];
  let serialized = 0;
  const write = (id: number, length = 0): void => {
    const serialize = (): string => {
      serialized += 1;
      return textOf(String(id), true, length);
    };
    queue.write(String(id), serialize).then(() => outcomes.push('written'), (error: unknown) => outcomes.push((error as Fault).code));
  };
  for (let id = 0; id < 1000; id += 1) write(id);
  await settle();
  expect([outcomes.length, serialized, !queue.hasRoom([])]).toEqual([990, 10, true]);
  expect(new Set(outcomes)).toEqual(new Set(['overloaded']));
  while (writes.length > 0) {
    writes.shift()?.end('written');
    await settle();
  }
  expect([rows.size, !queue.hasRoom([]), queue.stats().length]).toEqual([10, false, 0]);
  for (let id = 2000; id < 2010; id += 1) write(id, 4000);
  expect([serialized, !queue.hasRoom([])]).toEqual([13, true]);
  expect(queue.stats().length).toBeLessThan(15_000);
}); // prettier-ignore

it('writes a group of long records in parts', async () => {
  const { writes, database, rows } = controlledDatabase();
  const queue = new RecordQueue(database);
  const all = Array.from({ length: 30 }, (_, id) => queue.write(String(id), () => textOf(String(id), true, 1_000_000)));
  await settle();
  let groups = 0;
  while (writes.length > 0) {
    groups += 1;
    writes.shift()?.end('written');
    await settle();
  }
  await Promise.all(all);
  expect(rows.size).toBe(30);
  expect(groups).toBeGreaterThan(7);
});

it('gives each caller its turn, however many records another has brought before', async () => {
  const { writes, database, rows } = controlledDatabase();
  const queue = new RecordQueue(database, { records: 10_000, length: 1_000_000_000 });
  const write = (id: string, length: number, ...groups: string[]): Promise<unknown> =>
    queue.write(id, () => textOf(id, true, length), groups);
  const all = Array.from({ length: 100 }, (_, i) => write(`long ${i}`, 100_000, 'client one'));
  all.push(...Array.from({ length: 20 }, (_, i) => write(`agent ${i}`, 10, 'issuer', `user ${i}`)));
  all.push(write('short', 10, 'client two'));
  await settle();
  writes.shift()?.end('written'); // What came first was alone.
  await settle();
  writes.shift()?.end('written');
  await settle();
  expect(rows.has('short')).toBe(true);
  expect([...rows.keys()].filter((id) => id.startsWith('long')).length).toBeLessThan(10);
  while (writes.length > 0) {
    writes.shift()?.end('written');
    await settle();
  }
  await Promise.all(all);
  expect(rows.size).toBe(121);
});

it('gives each caller as many bytes, however long its records are, and makes no one wait for a long group', async () => {
  const { writes, database, rows } = controlledDatabase();
  const queue = new RecordQueue(database);
  const write = (id: string, length: number, ...groups: string[]): Promise<unknown> =>
    queue.write(id, () => textOf(id, true, length), groups);
  const clients = Array.from({ length: 20 }, (_, i) => `client ${i}`);
  const all = clients.flatMap((client) => Array.from({ length: 10 }, (_, i) => write(`${client} ${i}`, 31_000, client)));
  all.push(...Array.from({ length: 30 }, (_, i) => write(`short ${i}`, 2_000, 'client short')));
  await settle();
  let written = 0;
  // The first, which was alone, and then two groups of half a MiB each.
  for (let group = 0; group < 6; group += 1) {
    writes.shift()?.end('written');
    await settle();
    const lengths = [...rows.values()].slice(written).map(({ fill }) => fill.length);
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBeLessThanOrEqual(512 * 1024);
    written = rows.size;
  }
  // By number, the long ones would have had 20 for each of them.
  expect([...rows.keys()].filter((id) => id.startsWith('short')).length).toBeGreaterThanOrEqual(12);
  while (writes.length > 0) {
    writes.shift()?.end('written');
    await settle();
  }
  await Promise.all(all);
}); // prettier-ignore

it('leaves others room beside a caller that fills its share, by number and by bytes', async () => {
  const caller = fc.constantFrom(['client one'], ['client two'], ['issuer', 'ann'], ['issuer', 'bob']);
  const length = fc.constantFrom(0, 100, 4_000);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(caller, length), { maxLength: 120 }), async (calls) => {
      const { writes, database } = controlledDatabase();
      const queue = new RecordQueue(database, { records: 20, length: 20_000 });
      const told: string[] = [];
      const flood = [...Array.from({ length: 100 }, () => [['client flood'], 4_000] as const), ...calls];
      for (const [i, [groups, size]] of flood.entries())
        queue
          .write(String(i), () => textOf(String(i), true, size), groups)
          .then(
            () => told.push('written'),
            (error: unknown) => told.push((error as Fault).code),
          );
      // A caller that has nothing here finds room as long as not all of it is taken by several.
      if (calls.length === 0) expect(queue.hasRoom(['client new'])).toBe(true);
      expect(queue.stats().length).toBeLessThan(20_000 + 4_100);
      await settle();
      while (writes.length > 0) {
        writes.shift()?.end('written');
        await settle();
      }
      expect(told.length).toBe(flood.length);
      expect(queue.stats()).toMatchObject({ waiting: 0, pendingCorrections: 0, length: 0 });
    }),
    { examples: [[[]]] },
  );
});

it('counts bytes, and not characters', async () => {
  const { writes, database } = controlledDatabase();
  const queue = new RecordQueue(database, { records: 100, length: 10_000 });
  void queue.write('one', () => JSON.stringify({ id: 'one', fill: '字'.repeat(3_000) }));
  expect(queue.stats().length).toBeGreaterThan(9_000);
  writes.shift()?.end('written');
  await settle();
});

it('keeps every correction through an outage, however long, and then the store says nothing but what was answered', async () => {
  type Action = ['write'] | ['give up', number] | ['end', 'written' | 'lost' | 'failed'];
  const action = fc.oneof(
    { weight: 5, arbitrary: fc.constant<Action>(['write']) },
    { weight: 3, arbitrary: fc.nat(20).map((n): Action => ['give up', n]) },
    { weight: 3, arbitrary: fc.constantFrom('written' as const, 'lost' as const, 'failed' as const).map((o): Action => ['end', o]) },
  ); // prettier-ignore
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 60 }), fc.integer({ min: 1, max: 6 }), async (actions, records) => {
      const { writes, answer, database } = controlledDatabase();
      const queue = new RecordQueue(database, { records, length: 1_000_000 });
      /** What the caller was told of each. */
      const answered = new Map<string, boolean>();
      const open = new Set<string>();
      const giveUp = (id: string): void => {
        open.delete(id);
        answered.set(id, false);
        queue.correct(id, textOf(id, false));
      };
      for (const [i, [kind, what]] of actions.entries()) {
        if (kind === 'write') {
          const id = `r${i}`;
          open.add(id);
          queue.write(id, () => textOf(id, true)).then(
            () => {
              if (open.delete(id)) answered.set(id, true);
            },
            (error: unknown) => {
              if (open.has(id) && (error as Fault).code !== 'overloaded') giveUp(id);
              open.delete(id);
            },
          ); // prettier-ignore
        } else if (kind === 'give up') {
          const id = [...open][what % Math.max(1, open.size)];
          if (id !== undefined) giveUp(id);
        } else writes.shift()?.end(what);
        await settle();
        const { waiting, pendingCorrections } = queue.stats();
        // A correction of what is being written comes beside it, until that is over.
        expect(waiting + pendingCorrections).toBeLessThanOrEqual(2 * records);
      }
      const flushed = queue.flush();
      while (writes.length > 0) {
        writes.shift()?.end('written');
        await settle();
      }
      await flushed;
      for (const [id, decision] of answered) {
        // What was given up before it was sent may have no record. None says other than what was answered.
        if (decision) expect(answer(id), id).toBe(true);
        else expect(answer(id), id).not.toBe(true);
      }
    }),
  );
});
