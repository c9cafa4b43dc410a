/**
 * What is used of limits, on each database: held against a list of uses that is added up anew, while clocks differ, records
 * are corrected and outcomes reported. And many writers at once, with keys in any order.
 */
import type { DecisionStore } from '../../src/store/decisions.js';
import { newDecisionStore, recordValuesOf } from '../support/record-values.js';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { v7 as uuid } from 'uuid';
import type { Charge, Reservation, RetryKey } from '../../src/model/limits.js';
import type { DecisionRecord, SearchRecord } from '../../src/model/decision.js';
import { NO_ACCOUNT } from '../../src/model/question.js';
import type { Database } from '../../src/store/database/port.js';
import { LimitStore } from '../../src/store/limits.js';
import { runOnEachDatabase } from '../support/postgres/each-database.js';

const HOUR = 3_600_000;
const START = Date.parse('2030-03-04T10:00:00Z');
const charge = (key: string, bound: number, required: number, more: Partial<Charge> = {}): Charge => ({
  limit: { bound: { value: BigInt(bound), unit: undefined, decimals: 0 }, period: 'PT1H', window: 'sliding', zone: 'UTC', by: [], text: '' },
  owner: 'o', parties: [], key, required: BigInt(required), since: undefined, end: undefined, length: undefined, ...more,
}); // prettier-ignore
const reserve = (charges: readonly Charge[], at = START, retry?: Reservation['retry']): Reservation => ({
  at, parts: charges.length === 0 ? [] : [{ charges, count: 1 }], partial: false, retry,
}); // prettier-ignore
const record = (id = uuid(), decision = true): DecisionRecord => ({
  id, evaluated_at: '2030-01-01T00:00:00.000Z', client: 'c', decision, dry_run: false, policy_version: 'v',
  request: { subject: { type: 'user', id: 'a' }, action: 'read', resource: { type: 'doc', id: '1' } },
  reasons: [], obligations: [], rationale: { steps: [] },
}); // prettier-ignore
const listRecord = (): SearchRecord => ({
  id: uuid(), evaluated_at: '2030-01-01T00:00:00.000Z', client: 'c', decision: true, dry_run: false, policy_version: 'v',
  search: 'filter', acting: { chain: [] }, request: {}, found: 9,
}); // prettier-ignore

runOnEachDatabase('limits', (name, open) => {
  describe(name, () => {
    let databases: readonly Database[];
    let stores: DecisionStore[];
    let limits: LimitStore;
    let close: () => Promise<void> = () => Promise.resolve();
    beforeAll(async () => {
      ({ databases, close } = await open());
      stores = databases.map((database) => newDecisionStore(database));
      limits = new LimitStore(databases[0] as Database, recordValuesOf(databases[0] as Database).people);
    });
    afterAll(() => close());
    const store = (): DecisionStore => stores[0] as DecisionStore;
    const write = (reservation: Reservation, id = uuid(), at = 0) =>
      (stores[at] as DecisionStore).record(record(id), NO_ACCOUNT, reservation);
    const usedOf = async (key: string): Promise<number> =>
      Number((await limits.read([charge(key, 1, 1)], undefined)).readings[key]?.used);

    /** Stores the uses as versions before did, by the name by itself. */
    const giveFormerName = async (key: string): Promise<void> => {
      const { people } = recordValuesOf(databases[0] as Database);
      const rename = (table: string, to: string, from: string) => ({
        sql: `update ${table} set key = $1 where key = $2`,
        params: [to, from],
      });
      await (databases[0] as Database).run([
        rename('limit_uses', key, people.toLimitName(key)),
        rename('limit_counters', key, people.toLimitName(key)),
        rename('idempotency_keys', key, people.toRetryName(key)),
      ]);
    };

    it(
      'allows what fits in every window, by clocks that differ, as the uses themselves add up',
      { timeout: 120_000 },
      async () => {
        const step = fc.record({
          // Back by up to ten minutes, forward by up to fifty.
          move: fc.integer({ min: -10, max: 50 }),
          quantity: fc.integer({ min: 0, max: 4 }),
          then: fc.constantFrom('nothing', 'nothing', 'correct', 'failed', 'half'),
          isFormer: fc.boolean(),
        });
        await fc.assert(
          fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
            const key = uuid();
            const bound = 6;
            const uses: { at: number; quantity: number }[] = [];
            let now = START;
            for (const { move, quantity, then, isFormer } of steps) {
              if (isFormer) await giveFormerName(key);
              now += move * 60_000;
              const since = now - HOUR + 1;
              const used = uses.filter(({ at }) => at >= since).reduce((sum, use) => sum + use.quantity, 0);
              const [id, sliding] = [uuid(), charge(key, bound, quantity, { since, length: HOUR })];
              const result = await write(reserve([sliding], now), id);
              const [before] = [used].map(String);
              if (result.kind === 'overtaken') {
                expect(used + quantity).toBeGreaterThan(bound);
                expect(result.state.readings[key]?.used).toBe(before);
                expect(await store().find(id)).toBeUndefined();
                continue;
              }
              // What uses nothing always fits, also where a clock went back and its window has more than there may be.
              if (quantity > 0) expect(used + quantity).toBeLessThanOrEqual(bound);
              const use = { at: now, quantity };
              uses.push(use);
              if (then === 'correct') {
                store().correct(record(id, false), NO_ACCOUNT, true);
                await store().flush();
                use.quantity = 0;
              } else if (then !== 'nothing') {
                const kept = then === 'half' ? { '': Math.floor(quantity / 2) } : null;
                expect(
                  await store().reportOutcome(id, 'c', { outcome: then === 'half' ? 'executed' : 'failed' }, kept),
                ).toBe('reported');
                use.quantity = then === 'half' ? Math.floor(quantity / 2) : 0;
              }
              const oldest = uses.filter(({ at, quantity: left }) => at >= since && left > 0).map(({ at }) => at);
              expect((await limits.read([sliding], undefined)).readings[key]?.oldest).toBe(
                oldest.length === 0 ? undefined : Math.min(...oldest),
              );
            }
          }),
          { numRuns: 25 },
        );
      },
    );

    it('stores no name by itself, and takes over what versions before have stored so: uses, and what retries hold', async () => {
      const [key, question] = [uuid(), uuid()];
      const retry = { key: question, since: 0, expected: { kind: 'new' as const } };
      const id = uuid();
      expect(await write(reserve([charge(key, 5, 3)], START, retry), id)).toMatchObject({ kind: 'stored' });
      const listNames = async (): Promise<unknown[]> =>
        (
          await (databases[0] as Database).run(
            ['limit_counters', 'limit_uses', 'limit_notices', 'idempotency_keys'].map((table) => ({
              sql: `select key from ${table} where key in ($1, $2)`,
              params: [key, question],
            })),
          )
        ).flat();
      expect(await listNames()).toEqual([]);
      await giveFormerName(key);
      await giveFormerName(question);
      expect(await listNames()).toHaveLength(3);
      const held = { kind: 'held', decision: id, at: START };
      expect(await limits.read([charge(key, 5, 3)], { key: question, since: 0 })).toEqual({
        readings: { [key]: { used: '3', held: '3' } },
        retry: held,
      });
      expect(await write(reserve([charge(key, 5, 3)]))).toMatchObject({
        state: { readings: { [key]: { used: '3' } } },
      });
      // The retry uses what its first question holds.
      const again = { ...retry, expected: held as Exclude<typeof held, 'kind'> & { kind: 'held' } };
      expect(await write(reserve([charge(key, 5, 3)], START, again))).toMatchObject({ kind: 'stored' });
      expect([await usedOf(key), await listNames()]).toEqual([3, []]);
      // Replicas of both versions may count for a while: what either has counted is used.
      await giveFormerName(key);
      expect(await write(reserve([charge(key, 5, 1)]))).toMatchObject({ kind: 'stored' });
      expect(await write(reserve([charge(key, 5, 2)]))).toMatchObject({ kind: 'overtaken' });
      expect([await usedOf(key), await listNames()]).toEqual([4, []]);
      expect(await store().reportOutcome(id, 'c', { outcome: 'failed' }, null)).toBe('reported');
      expect(await usedOf(key)).toBe(1);
    });

    it('adds up what replicas of two versions have counted, in a window that slides', async () => {
      const key = uuid();
      const sliding = (quantity: number, now: number): Charge =>
        charge(key, 9, quantity, { since: now - HOUR + 1, length: HOUR });
      const used = async (now: number) => (await limits.read([sliding(1, now)], undefined)).readings[key]?.used;
      await write(reserve([sliding(2, START)], START));
      await giveFormerName(key);
      const { people } = recordValuesOf(databases[0] as Database);
      const later = START + 40 * 60_000;
      // A use by the name of now, that a replica made which has not seen the former one.
      await (databases[0] as Database).run([
        { sql: 'insert into limit_counters (key, used, since) values ($1, 3, $2)', params: [people.toLimitName(key), later - HOUR + 1] },
        { sql: 'insert into limit_uses (decision, key, at, quantity) values ($1::uuid, $2, $3, 3)', params: [uuid(), people.toLimitName(key), later] },
      ]);
      expect(await used(later)).toBe('5');
      expect(await write(reserve([sliding(1, later)], later))).toMatchObject({ kind: 'stored' });
      expect([await used(later), await used(START + HOUR), await used(later + HOUR)]).toEqual(['6', '4', '0']);
    }); // prettier-ignore

    it('reserves of all limits or of none, and never more than there is, whoever is first', async () => {
      const keys = Array.from({ length: 6 }, () => uuid());
      const bound = 20;
      const asked = Array.from({ length: 150 }, (_, i) => {
        // In any order: the locks are taken in one.
        const some = [...keys].sort(() => Math.random() - 0.5).slice(0, 1 + (i % 4));
        return write(reserve(some.map((key) => charge(key, bound, 1))), uuid(), i % stores.length).then((result) => ({
          some,
          result,
        }));
      });
      const answers = await Promise.all(asked);
      const stored = answers.filter(({ result }) => result.kind === 'stored');
      for (const key of keys) {
        const used = stored.filter(({ some }) => some.includes(key)).length;
        expect(used).toBeLessThanOrEqual(bound);
        expect(await usedOf(key)).toBe(used);
      }
      for (const { some, result } of answers)
        if (result.kind === 'overtaken')
          expect(some.some((key) => Number(result.state.readings[key]?.used) === bound)).toBe(true);
      expect(stored.length).toBeGreaterThanOrEqual(bound);
    });

    it('computes exactly in 64 bits', async () => {
      const key = uuid();
      const greatest = 2n ** 63n - 1n;
      const exact = (required: bigint) =>
        charge(key, 1, 1, {
          required,
          limit: { ...charge('', 1, 1).limit, bound: { value: greatest, unit: 'EUR', decimals: 2 } },
        });
      expect((await write(reserve([exact(greatest - 1n)]))).kind).toBe('stored');
      expect((await write(reserve([exact(2n)]))).kind).toBe('overtaken');
      expect((await write(reserve([exact(1n)]))).kind).toBe('stored');
      expect((await limits.read([exact(1n)], undefined)).readings[key]?.used).toBe('92233720368547758.07');
    });

    it('stores a list with as many uses as there is room for, and says so on its record', async () => {
      const key = uuid();
      const list = listRecord();
      const parts = [{ charges: [charge(key, 5, 1)], count: 7 }];
      expect(await store().record(list, NO_ACCOUNT, { at: START, parts, partial: true })).toEqual({
        kind: 'stored',
        accepted: [5],
      });
      expect((await store().find(list.id))?.record).toMatchObject({
        found: 7,
        left_out: { limit_exceeded: 2 },
        decision: true,
      });
      const none = { ...list, id: uuid(), found: 7 };
      expect(await store().record(none, NO_ACCOUNT, { at: START, parts, partial: true })).toEqual({
        kind: 'stored',
        accepted: [0],
      });
      expect((await store().find(none.id))?.record).toMatchObject({
        found: 0,
        left_out: { limit_exceeded: 7 },
        decision: false,
      });
    });

    it('reserves the parts of a list one after the other, where they share counters', async () => {
      const [shared, own] = [uuid(), uuid()];
      const list = listRecord();
      const [narrow, wide] = [
        [charge(shared, 5, 1), charge(own, 2, 1)],
        [charge(shared, 5, 1), charge(uuid(), 9, 1)],
      ];
      const parts = [wide, narrow, wide, narrow, wide].map((charges, i) => ({ charges, count: i === 1 ? 3 : 1 }));
      expect(await store().record(list, NO_ACCOUNT, { at: START, parts, partial: true })).toEqual({
        kind: 'stored',
        accepted: [1, 2, 1, 0, 1],
      });
      expect([await usedOf(shared), await usedOf(own)]).toEqual([5, 2]);
      expect((await store().find(list.id))?.record).toMatchObject({ found: 7, left_out: { limit_exceeded: 2 } });
    });

    it('tells also of the limits that a question could have used instead', async () => {
      const [full, other] = [uuid(), uuid()];
      await write(reserve([charge(full, 1, 1)]));
      await write(reserve([charge(other, 9, 3)]));
      const result = await write({ ...reserve([charge(full, 1, 1)]), others: [charge(other, 9, 1)] });
      expect(result).toMatchObject({
        kind: 'overtaken',
        state: { readings: { [full]: { used: '1' }, [other]: { used: '3' } } },
      });
    });

    it('reserves nothing for a decision that was given up before its record came', async () => {
      const [key, id] = [uuid(), uuid()];
      store().correct(record(id, false), NO_ACCOUNT, true);
      await store().flush();
      await write(reserve([charge(key, 5, 1)]), id);
      expect(await usedOf(key)).toBe(0);
      expect((await store().find(id))?.record.decision).toBe(false);
    });

    describe('a retry', () => {
      const retryOf = (key: string, at = START): RetryKey => ({ key, since: at - 24 * HOUR });
      const stateOf = async (retry: RetryKey) => (await limits.read([], retry)).retry;

      it('finds what the first has reserved, for a day', async () => {
        const [key, retry, id] = [uuid(), uuid(), uuid()];
        const first = reserve([charge(key, 1, 1)], START, { ...retryOf(retry), expected: { kind: 'new' } });
        expect((await write(first, id)).kind).toBe('stored');
        const held = { kind: 'held', decision: id, at: START };
        // Who was as fast with the same key is told what is there now.
        expect(await write(first)).toMatchObject({ kind: 'overtaken', state: { retry: held } });
        expect(await stateOf(retryOf(retry))).toEqual(held);
        expect((await write(reserve([], START, { ...retryOf(retry), expected: held as never }))).kind).toBe('stored');
        expect(await usedOf(key)).toBe(1);
        expect(await stateOf(retryOf(retry, START + 24 * HOUR))).toEqual(held);
        expect(await stateOf(retryOf(retry, START + 24 * HOUR + 1))).toEqual({ kind: 'new' });
      });

      it('that was allowed keeps what the first has reserved, where that could not be answered, until its outcome', async () => {
        for (const isRetried of [true, false]) {
          const [key, retry, id] = [uuid(), uuid(), uuid()];
          await write(reserve([charge(key, 1, 1)], START, { ...retryOf(retry), expected: { kind: 'new' } }), id);
          const held = { kind: 'held', decision: id, at: START } as const;
          const repeated = reserve([charge(key, 1, 1)], START, { ...retryOf(retry), expected: held });
          if (isRetried) expect((await write(repeated, uuid(), 1 % stores.length)).kind).toBe('stored');
          store().correct(record(id, false), NO_ACCOUNT, true);
          await store().flush();
          expect([await usedOf(key), await stateOf(retryOf(retry))]).toEqual(
            isRetried ? [1, held] : [0, { kind: 'new', released: id }],
          );
          expect(await store().reportOutcome(id, 'c', { outcome: 'failed' }, null)).toBe('reported');
          expect(await usedOf(key)).toBe(0);
          // The next attempt begins anew: given up, it gives back what it has.
          const second = uuid();
          const expected = { kind: 'new', released: id } as const;
          await write(reserve([charge(key, 1, 1)], START, { ...retryOf(retry), expected }), second);
          store().correct(record(second, false), NO_ACCOUNT, true);
          await store().flush();
          expect(await usedOf(key)).toBe(0);
        }
      });

      it('is refused once the first was executed, and reserves anew where it failed', async () => {
        for (const [outcome, kept, expected] of [
          ['executed', {}, 'executed'],
          ['failed', null, 'new'],
        ] as const) {
          const [key, retry, id] = [uuid(), uuid(), uuid()];
          await write(reserve([charge(key, 1, 1)], START, { ...retryOf(retry), expected: { kind: 'new' } }), id);
          await store().reportOutcome(id, 'c', { outcome }, kept);
          expect(await stateOf(retryOf(retry))).toEqual(expected === 'new' ? { kind: 'new', released: id } : { kind: expected }); // prettier-ignore
          expect(await usedOf(key)).toBe(outcome === 'executed' ? 1 : 0);
        }
      });
    });

    it('takes one of several outcomes that are reported at once', async () => {
      const [key, id] = [uuid(), uuid()];
      await write(reserve([charge(key, 1, 1)]), id);
      const reported = await Promise.all(
        Array.from({ length: 10 }, (_, i) =>
          (stores[i % stores.length] as DecisionStore).reportOutcome(
            id,
            'c',
            { outcome: i % 2 === 0 ? 'failed' : 'executed' },
            i % 2 === 0 ? null : {},
          ),
        ),
      );
      expect(reported.filter((result) => result === 'reported')).toHaveLength(5);
      expect(reported.filter((result) => result === 'other')).toHaveLength(5);
      expect(await usedOf(key)).toBe((await store().find(id))?.outcome?.outcome === 'failed' ? 0 : 1);
    });

    it('keeps nothing that can not count any more', async () => {
      const database = databases[0] as Database;
      const key = uuid();
      for (let day = 0; day < 6; day += 1) {
        const at = START + day * 24 * HOUR * 2;
        await write(reserve([charge(key, 5, 1, { since: at - HOUR + 1, length: HOUR })], at));
        await write(
          reserve([charge(uuid(), 5, 1, { end: at + HOUR })], at, {
            ...({ key: uuid(), since: at - 24 * HOUR } satisfies RetryKey),
            expected: { kind: 'new' },
          }),
        );
      }
      const count = async (sql: string): Promise<number> =>
        Number((await database.run([{ sql, params: [START + 9 * 24 * HOUR] }]))[0]?.[0]?.['n']);
      expect(
        await count(
          `select count(*) as n from limit_uses where at > ${START} and at < $1::bigint - 4 * 86400000::bigint`,
        ),
      ).toBeLessThan(6);
      const [rows] = await database.run([
        {
          sql: 'select count(*)::int as n from limit_uses where key = $1',
          params: [recordValuesOf(database).people.toLimitName(key)],
        },
      ]);
      expect(rows?.[0]?.['n']).toBe(1);
    });
  });
});
