/** The items on the record of a list: exactly those handed out, whatever the limits leave out, with what was masked of each. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { v7 as uuid } from 'uuid';
import { planListReservation, selectReserved } from '../../src/govern/limits/reservation.js';
import { ListedItems, withoutUnreserved } from '../../src/lists/listed-items.js';
import type { Charge } from '../../src/model/limits.js';
import type { SearchRecord } from '../../src/model/decision.js';
import { NO_ACCOUNT } from '../../src/model/question.js';
import type { Obligation } from '../../src/model/obligations.js';
import type { Database } from '../../src/store/database/port.js';
import { ScratchDatabase } from '../support/postgres/scratch-database.js';
import type { DecisionStore } from '../../src/store/decisions.js';
import { newDecisionStore } from '../support/record-values.js';
import { migrateSchema } from '../../src/store/migrations.js';

const NOW = new Date('2030-03-04T10:00:00Z');
const charge = (key: string, bound: number): Charge => ({
  limit: { bound: { value: BigInt(bound), unit: undefined, decimals: 0 }, period: 'total', window: 'sliding', zone: 'UTC', by: [], text: '' },
  owner: 'o', parties: [], key, required: 1n, since: undefined, end: undefined, length: undefined,
}); // prettier-ignore
const listRecord = (contents: object, found: number): SearchRecord => ({
  id: uuid(), evaluated_at: NOW.toISOString(), client: 'c', decision: found > 0, dry_run: false, policy_version: 'v',
  search: 'filter', acting: { chain: [] }, request: {}, found, ...contents,
}); // prettier-ignore
const mask = (fields: readonly string[]): Obligation => ({ id: 'mask', type: 'mask', properties: { fields } });

/** Things and people, some of them more than once. */
const itemAt = (i: number) => ({ type: i % 2 === 0 ? 'document' : 'employee', id: `d${i % 5}` });

let database: Database;
let store: DecisionStore;
beforeAll(async () => {
  database = new ScratchDatabase();
  await migrateSchema(database);
  store = newDecisionStore(database);
  return () => database.close();
}, 60_000);
const findRecord = async (id: string): Promise<SearchRecord> =>
  (await store.find(id))?.record as unknown as SearchRecord;

describe('the items of a list', () => {
  it('on record are those that limits leave room for, with the others counted', async () => {
    // Each item uses none, one or both of two limits, which parts of the list so have in common.
    const use = fc.constantFrom<readonly string[]>([], ['a'], ['b'], ['a', 'b']);
    let shortened = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(use, { minLength: 1, maxLength: 12 }),
        fc.record({ a: fc.integer({ min: 0, max: 6 }), b: fc.integer({ min: 0, max: 6 }) }),
        fc.boolean(),
        async (uses, bounds, hasLimitDenial) => {
          const prefix = uuid();
          const charges = uses.map((names) => names.map((n) => charge(`${prefix}${n}`, bounds[n as 'a' | 'b'])));
          const list = new ListedItems();
          for (const [i] of uses.entries()) list.add(itemAt(i).type, itemAt(i).id);
          list.leaveOut('policy_forbid', 3);
          if (hasLimitDenial) list.leaveOut('limit_exceeded');
          const record = listRecord(list.contents(), uses.length);
          const reservation = planListReservation(charges, NOW, undefined);
          const result = await store.record(record, NO_ACCOUNT, reservation);
          const accepted = result.kind === 'stored' ? result.accepted : [];
          const reserved = selectReserved(charges, accepted);
          const expected = withoutUnreserved(list.contents(), reserved);
          const { items, left_out, found: count, decision } = await findRecord(record.id);
          expect({ items, left_out, found: count, decision }).toEqual({
            items: expected.items,
            left_out: expected.left_out,
            found: expected.items.length,
            decision: expected.items.length > 0,
          });
          expect(items).toEqual(uses.flatMap((_use, i) => (reserved[i] ? [itemAt(i)] : [])));
          const [rows] = await database.run([
            { sql: 'select item from record_items where id = $1::uuid', params: [record.id] },
          ]);
          const things = expected.items.flatMap((item) => ('id' in item && item.type === 'document' ? [item.id] : []));
          const found = (rows ?? []).map((row) => String(row['item']));
          expect(found.filter((item) => item.startsWith('document:')).sort()).toEqual(
            [...new Set(things)].map((id) => `document:${id}`).sort(),
          );
          // People are found by the names that the log has of them.
          expect(found.every((item) => /^(document:d|employee:~)/.test(item))).toBe(true);
          if (expected.items.length < uses.length) shortened += 1;
        },
      ),
      { numRuns: 150 },
    );
    expect(shortened).toBeGreaterThan(20);
  }, 60_000);

  it('name what was masked, alike masks once', () => {
    const list = new ListedItems();
    const shared = [mask(['salary'])];
    list.add('employee', 'erin', shared);
    list.add('employee', 'dave', [mask(['salary'])]);
    list.add('employee', 'zoe', [mask(['ssn']), { id: 'v', type: 'visible_fields', properties: { fields: ['name'] } }]);
    list.add('employee', 'ann', [{ id: 'n', type: 'notification', properties: { to: ['owner'] } }]);
    list.add('employee', 'ben', shared);
    expect(list.contents()).toEqual({
      items: [
        { type: 'employee', id: 'erin', masked: 0 },
        { type: 'employee', id: 'dave', masked: 0 },
        { type: 'employee', id: 'zoe', masked: 1 },
        { type: 'employee', id: 'ann' },
        { type: 'employee', id: 'ben', masked: 0 },
      ],
      masks: [{ mask: { fields: ['salary'] } }, { mask: { fields: ['ssn'] }, visible_fields: { fields: ['name'] } }],
      left_out: {},
    });
  });

  it('a thousand of the longest ids are on record whole, and hardly longer than the ids', async () => {
    const list = new ListedItems();
    const ids = Array.from({ length: 1000 }, (_, i) => `${i}`.padEnd(1024, 'x'));
    const shared = [mask(['salary', 'ssn'])];
    for (const id of ids) list.add('document', id, shared);
    const record = listRecord(list.contents(), ids.length);
    await store.record(record);
    const stored = await findRecord(record.id);
    expect(stored.items).toEqual(ids.map((id) => ({ type: 'document', id, masked: 0 })));
    expect(JSON.stringify(stored).length).toBeLessThan(1000 * (1024 + 60));
  });
});
