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
import type { EntityRef } from '../../src/model/ids.js';
import type { Database, DatabaseRow } from '../../src/store/database/port.js';
import { ScratchDatabase } from '../support/postgres/scratch-database.js';
import { toSearchKey } from '../../src/store/record-row.js';
import { ROW_COLUMNS } from '../../src/store/record-tables.js';
import { migrateSchema } from '../../src/store/migrations.js';

const ROWS = 12_000;
const START = Date.parse('2030-03-04T00:00:00Z');

interface Row {
  readonly id: string;
  readonly at: number;
  readonly client: string;
  readonly decision: boolean;
  readonly user_key: string;
  readonly agent_key: string;
  readonly resource_key: string;
  readonly action: string;
  readonly reason?: string;
  readonly task?: string;
  readonly session?: string;
  /** The resources that a list returned. */
  readonly items?: readonly string[];
}

let db: Database;
/** Nothing of this test is sealed, and its names are as the log has them. */
const values = {
  findName: ({ id }: EntityRef) => Promise.resolve(id),
  nameTask: (task: string) => task,
  open: (rows: readonly DatabaseRow[]) => Promise.resolve(rows.map((row) => row['record'])),
};
let rows: Row[];
let corrections: (Row & { readonly correction: string })[];
beforeAll(async () => {
  db = new ScratchDatabase();
  await migrateSchema(db);
  // Some at one moment; of one client few, of another most; allows rare at first and then the rule.
  rows = Array.from({ length: ROWS }, (_, i) => ({
    id: uuid(),
    at: START + Math.floor(i / 3) * 1000,
    client: i % 997 === 0 ? 'rare' : i % 3 === 0 ? 'some' : 'most',
    decision: i > ROWS / 2 ? i % 5 !== 0 : i % 4001 === 0,
    user_key: `user:u${i % 50}`,
    agent_key: i % 1999 === 0 ? 'agent:rare' : `agent:a${i % 2}`,
    resource_key: `document:${i % 31 === 0 ? 'é'.repeat(200) : `d${i % 500}`}`,
    // Lists, some of which are about a resource that they return, or return one twice.
    ...(i % 17 === 0
      ? { items: ['d7', `d${i % 9}`, i % 2 === 0 ? 'é'.repeat(200) : `l${i % 40}`, `d${i % 500}`] }
      : {}),
    action: i % 7 === 0 ? 'write' : 'read',
    ...(i % 3 === 0 ? { reason: i % 999 === 0 ? 'limit_exceeded' : 'policy_forbid' } : {}),
    ...(i % 400 === 0 ? { task: 'month-end' } : {}),
    ...(i % 11 === 0 ? { session: `s${i % 5}` } : {}),
  }));
  // Some were answered otherwise than they had been recorded.
  corrections = rows
    .filter(({ decision, items }, i) => items === undefined && decision && i % 13 === 0)
    .map((row) => ({ ...row, decision: false, correction: uuid() }));
  const toRow = ({ correction, resource_key: resource, items, ...row }: Row & { readonly correction?: string }) => ({
    ...row,
    resource_key: toSearchKey(resource),
    at: new Date(row.at).toISOString(),
    record: {
      id: row.id,
      decision: row.decision,
      ...(items === undefined ? {} : { search: 'filter', items: items.map((id) => ({ type: 'document', id })) }),
    },
    ...(correction === undefined
      ? { kind: items === undefined ? 'decision' : 'list' }
      : { id: correction, kind: 'correction', about: row.id }),
  });
  const stored = [...rows, ...corrections].map(toRow);
  for (let i = 0; i < stored.length; i += 4000)
    await db.run([
      {
        sql: `insert into records (${ROW_COLUMNS}, about)
              select ${ROW_COLUMNS}, about from jsonb_populate_recordset(null::records, $1::jsonb)`,
        params: [JSON.stringify(stored.slice(i, i + 4000))],
      },
    ]);
  await db.run([{ sql: 'analyze records' }]);
  return () => db.close();
}, 60_000);

const time = fc.integer({ min: -10, max: ROWS / 3 + 10 }).map((s) => new Date(START + s * 1000).toISOString());
const filters: fc.Arbitrary<DecisionFilter> = fc.record(
  {
    client: fc.constantFrom('rare', 'some', 'most', 'none'),
    user: fc.constantFrom('user:u1', 'user:u2', 'user:none'),
    agent: fc.constantFrom('agent:rare', 'agent:a0', 'agent:a1'),
    resource: fc.constantFrom(`document:${'é'.repeat(200)}`, 'document:d7', 'document:l3'),
    action: fc.constantFrom('read', 'write'),
    reason: fc.constantFrom('limit_exceeded', 'policy_forbid'),
    task: fc.constant('month-end'),
    session: fc.constantFrom('s1', 's2'),
    since: time,
    until: time,
    decision: fc.boolean(),
    readsOwnOnly: fc.boolean(),
  },
  { requiredKeys: [] },
);
const select = ({ since, until, decision, readsOwnOnly: _, ...texts }: DecisionFilter): string[] => {
  const answered = [
    ...rows.filter(({ id }) => !corrected().has(id)).map((row) => ({ ...row, key: row.id })),
    ...corrections.map((row) => ({ ...row, key: row.correction })),
  ];
  return answered
    .filter((row) => decision === undefined || row.decision === decision)
    .filter((row) =>
      Object.entries(texts).every(
        ([member, text]) =>
          (row as unknown as Record<string, unknown>)[COLUMNS[member as keyof typeof texts]] === text ||
          (member === 'resource' && row.items?.some((id) => `document:${id}` === text) === true),
      ),
    )
    .filter(
      (row) =>
        (since === undefined || row.at >= Date.parse(since)) && (until === undefined || row.at < Date.parse(until)),
    )
    .sort((a, b) => b.at - a.at || (a.key < b.key ? 1 : -1))
    .map(({ id }) => id);
};
const corrected = () => new Set(corrections.map(({ id }) => id));
const COLUMNS = { client: 'client', user: 'user_key', agent: 'agent_key', resource: 'resource_key', action: 'action', reason: 'reason', task: 'task', session: 'session' } as const; // prettier-ignore

describe('a page', () => {
  it('has what is selected, the newest first, and the pages together have all of it once', async () => {
    await fc.assert(
      fc.asyncProperty(filters, fc.integer({ min: 150, max: 201 }), async (filter, limit) => {
        const found: string[] = [];
        let after: string | undefined;
        let pages = 0;
        do {
          const page = await listDecisions(db, values, filter, after, limit);
          expect(page.records.length).toBeLessThanOrEqual(limit);
          found.push(...page.records.map(({ id }) => id));
          after = page.next;
          pages += 1;
        } while (after !== undefined && pages < 4);
        const expected = select(filter);
        expect(found).toEqual(after === undefined ? expected : expected.slice(0, found.length));
      }),
      { numRuns: 30 },
    );
  }, 60_000);

  it('ends after so many rows that it looked at, and leads on', async () => {
    const oldAllows = { decision: true, until: new Date(START + 1_500_000).toISOString() };
    const page = await listDecisions(db, values, oldAllows, undefined, 50);
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
          sql: `insert into records (id, kind, at, client, decision, record) values ($1::uuid, 'decision', now(), 'long', true, $2::jsonb)`,
          params: [id, JSON.stringify({ id, noise: noise() })],
        },
      ]);
    const found: string[] = [];
    let pages = 0;
    let after: string | undefined;
    do {
      const { records, next } = await listDecisions(db, values, { client: 'long' }, after, 200);
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
    const times = { since: new Date(START + 100_000).toISOString(), until: new Date(START + 3_000_000).toISOString() };
    const key = `${new Date(START + 2_000_000).toISOString()} ${rows[3000]?.id ?? ''}`;
    const keys: DecisionFilter[] = [
      {},
      { client: 'rare' },
      { client: 'most' },
      { client: 'none' },
      { agent: 'agent:rare' },
      { resource: 'document:d7' },
      { resource: 'document:none' },
    ];
    for (const client of keys)
      for (const range of [{}, { since: times.since }, { until: times.until }, times])
        for (const decision of [{}, { decision: true }, { decision: false }])
          for (const after of [undefined, key]) {
            const [, ...statements] = buildListStatements({ ...client, ...range, ...decision }, after, 50);
            const plans = await db.run(statements.map((s) => ({ ...s, sql: `explain ${s.sql}` })));
            const plan = plans
              .flat()
              .map((row) => String(row['QUERY PLAN']))
              .join('\n');
            expect(plan, JSON.stringify({ client, range, decision, after })).not.toContain('Seq Scan on records');
            if (client.resource !== undefined) {
              // Of few rows a bitmap is sorted as well.
              expect(plan).toMatch(/records_by_resource[^]*record_items_pkey/);
              expect(plan).not.toContain('Seq Scan on record_items');
              continue;
            }
            expect(plan).toMatch(/Index (Only )?Scan Backward using records_/);
            // Only the page itself is sorted, which has been cut to its length by then.
            expect(/CTE scanned\n((?: {4}.*\n)+)/.exec(plan)?.[1]).not.toMatch(/\bSort\b/);
          }
  }, 60_000);

  it('that is planned once for any values doesn’t read all lists that a resource is in', async () => {
    const filter = { user: 'user:u1', resource: 'document:d7', readsOwnOnly: true };
    const [, { sql, params = [] } = { sql: '' }] = buildListStatements(filter, undefined, 50);
    const values = params.map((value) => `'${String(value)}'`).join(', ');
    const plans = await db.run(
      [
        'set local plan_cache_mode = force_generic_plan',
        `prepare own_page as ${sql}`,
        `explain execute own_page (${values})`,
        'deallocate own_page',
      ].map((text) => ({ sql: text })),
    );
    const plan = plans[2]?.map((row) => String(row['QUERY PLAN'])).join('\n');
    expect(plan).toContain('record_items_pkey');
    expect(plan).not.toMatch(/hashed SubPlan/i);
  });
});
