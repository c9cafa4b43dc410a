/** Pages of records in a store that holds many: what they have, and that an index leads to them. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { v7 as uuid } from 'uuid';
import {
  buildListStatements,
  listDecisions,
  MAX_SCANNED_ROWS,
  type DecisionFilter,
} from '../../src/store/list-decisions.js';
import type { Database } from '../../src/store/database/port.js';
import { PgliteDatabase } from '../../src/store/database/pglite.js';
import { migrateSchema } from '../../src/store/migrations.js';

const ROWS = 12_000;
const START = Date.parse('2030-03-04T00:00:00Z');

interface Row {
  readonly id: string;
  readonly at: number;
  readonly client: string;
  readonly decision: boolean;
}

let db: Database;
let rows: Row[];
beforeAll(async () => {
  db = new PgliteDatabase(undefined);
  await migrateSchema(db);
  // Some at one moment; of one client few, of another most; allows rare at first and then the rule.
  rows = Array.from({ length: ROWS }, (_, i) => ({
    id: uuid(),
    at: START + Math.floor(i / 3) * 1000,
    client: i % 997 === 0 ? 'rare' : i % 3 === 0 ? 'some' : 'most',
    decision: i > ROWS / 2 ? i % 5 !== 0 : i % 4001 === 0,
  }));
  for (let i = 0; i < ROWS; i += 4000)
    await db.run([
      {
        sql: `insert into decisions (id, at, client, decision, record)
              select (r->>'id')::uuid, to_timestamp((r->>'at')::numeric / 1000), r->>'client', (r->>'decision')::boolean, r
              from jsonb_array_elements($1::jsonb) r`,
        params: [JSON.stringify(rows.slice(i, i + 4000))],
      },
    ]);
  await db.run([{ sql: 'analyze decisions' }]);
  return () => db.close();
}, 60_000);

const time = fc.integer({ min: -10, max: ROWS / 3 + 10 }).map((s) => new Date(START + s * 1000).toISOString());
const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });
const filters: fc.Arbitrary<DecisionFilter> = fc.record({
  client: optional(fc.constantFrom('rare', 'some', 'most', 'none')),
  from: optional(time),
  to: optional(time),
  decision: optional(fc.boolean()),
});
const select = ({ client, from, to, decision }: DecisionFilter): string[] =>
  rows
    .filter(
      (row) => (client === undefined || row.client === client) && (decision === undefined || row.decision === decision),
    )
    .filter(
      (row) => (from === undefined || row.at >= Date.parse(from)) && (to === undefined || row.at < Date.parse(to)),
    )
    .sort((a, b) => b.at - a.at || (a.id < b.id ? 1 : -1))
    .map(({ id }) => id);

describe('a page', () => {
  it('has what is selected, the newest first, and the pages together have all of it once', async () => {
    await fc.assert(
      fc.asyncProperty(filters, fc.integer({ min: 150, max: 201 }), async (filter, limit) => {
        const found: string[] = [];
        let after: string | undefined;
        let pages = 0;
        do {
          const page = await listDecisions(db, filter, after, limit);
          expect(page.records.length).toBeLessThanOrEqual(limit);
          found.push(...page.records.map(({ id }) => id));
          after = page.next;
          pages += 1;
        } while (after !== undefined && pages < 12);
        const expected = select(filter);
        expect(found).toEqual(after === undefined ? expected : expected.slice(0, found.length));
      }),
      { numRuns: 25 },
    );
  }, 60_000);

  it('ends after so many rows that it looked at, and leads on', async () => {
    const oldAllows = { decision: true, to: new Date(START + 1_500_000).toISOString() };
    const page = await listDecisions(db, oldAllows, undefined, 50);
    expect(page.records.length).toBeLessThan(select(oldAllows).length + 1);
    expect(page.next).toBeDefined();
    expect(MAX_SCANNED_ROWS).toBeLessThan(4_500);
  });

  it('ends after so many bytes, has one record at least, and leads on', async () => {
    const long = Array.from({ length: 20 }, () => uuid());
    // What can't be compressed, as records with facts can be.
    const noise = () => Array.from({ length: 3000 }, () => uuid()).join('');
    for (const id of long)
      await db.run([
        {
          sql: `insert into decisions values ($1::uuid, now(), 'long', true, $2::jsonb)`,
          params: [id, JSON.stringify({ id, noise: noise() })],
        },
      ]);
    const found: string[] = [];
    let pages = 0;
    let after: string | undefined;
    do {
      const { records, next } = await listDecisions(db, { client: 'long' }, after, 200);
      expect(records.length).toBeGreaterThan(0);
      expect(JSON.stringify(records).length).toBeLessThan(2 * 1024 * 1024);
      found.push(...records.map(({ id }) => id));
      after = next;
      pages += 1;
    } while (after !== undefined);
    expect(new Set(found)).toEqual(new Set(long));
    expect(pages).toBeGreaterThan(1);
  }, 60_000);

  it('is read from an index, without sorting, whatever it selects', async () => {
    const times = { from: new Date(START + 100_000).toISOString(), to: new Date(START + 3_000_000).toISOString() };
    const key = `${new Date(START + 2_000_000).toISOString()} ${rows[3000]?.id ?? ''}`;
    const clients = [{}, { client: 'rare' }, { client: 'most' }, { client: 'none' }];
    for (const client of clients)
      for (const range of [{}, { from: times.from }, { to: times.to }, times])
        for (const decision of [{}, { decision: true }, { decision: false }])
          for (const after of [undefined, key]) {
            const [, ...statements] = buildListStatements({ ...client, ...range, ...decision }, after, 50);
            const plans = await db.run(statements.map((s) => ({ ...s, sql: `explain ${s.sql}` })));
            const plan = plans
              .flat()
              .map((row) => String(row['QUERY PLAN']))
              .join('\n');
            expect(plan, JSON.stringify({ client, range, decision, after })).not.toContain('Seq Scan on decisions');
            expect(plan).toMatch(/Index (Only )?Scan Backward using decisions_page/);
            // Only the page itself is sorted, which has been cut to its length by then.
            expect(plan.split('CTE scanned')[1]?.split('CTE')[0]).not.toMatch(/\bSort\b/);
          }
  }, 60_000);
});
