/**
 * Events that policies ask about, on each database: the answers are those of a list that is looked through anew, and what was
 * noted in memory answers the same. Many writers at once never store more than the answers they rest on allow.
 */
import fc from 'fast-check';
import { v7 as uuid } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NotedEvents } from '../../src/govern/history/noted-events.js';
import type { DecisionRecord } from '../../src/model/decision.js';
import type { HistoryAnswers, HistoryQuery } from '../../src/model/history.js';
import type { RecordResult, ReservedEvent, ReservedHistory } from '../../src/model/limits.js';
import { NO_ACCOUNT } from '../../src/model/question.js';
import type { Database } from '../../src/store/database/port.js';
import type { DecisionStore } from '../../src/store/decisions.js';
import { newDecisionStore, recordValuesOf } from '../support/record-values.js';
import { HistoryStore } from '../../src/store/history.js';
import { runOnEachDatabase } from '../support/postgres/each-database.js';

const START = Date.parse('2030-03-04T10:00:00Z');
const WINDOW = 1000;
const record = (id: string, decision = true, client = 'c'): DecisionRecord => ({
  id, evaluated_at: '2030-01-01T00:00:00.000Z', client, decision, dry_run: false, policy_version: 'v',
  request: { subject: { type: 'user', id: 'a' }, action: 'read', resource: { type: 'doc', id: '1' } },
  reasons: [], obligations: [], rationale: { steps: [] },
}); // prettier-ignore
const event = (key: string, more: Partial<ReservedEvent> = {}): ReservedEvent => ({
  key, lastsMs: WINDOW, place: 0, ...more,
}); // prettier-ignore

/** All kinds of queries about one name, cleared by another. */
function queriesOf(key: string, clearedKey: string, since: number): HistoryQuery[] {
  const query = { member: 'm', key, clearedKey: undefined, amount: undefined, since };
  return [
    { ...query, id: 'count', kind: 'count' },
    { ...query, id: 'sum', kind: 'sum', amount: { unit: 'EUR', decimals: 1 } },
    { ...query, id: 'happened', kind: 'happened' },
    { ...query, id: 'since', kind: 'since', clearedKey },
  ];
}

interface Past {
  readonly id: string;
  readonly at: number;
  readonly clears: boolean;
  readonly cents: number;
  readonly fate: string;
}

function lookThrough(past: readonly Past[], since: number): object {
  const counted = past.filter(({ fate }) => !['failed', 'abandoned', 'corrected'].includes(fate));
  const events = counted.filter(({ at, clears }) => !clears && at >= since);
  const last = Math.max(...events.map(({ at }) => at));
  const lastCleared = Math.max(0, ...counted.filter(({ clears }) => clears).map(({ at }) => at));
  return {
    count: events.length,
    sum: Math.ceil(events.reduce((sum, { cents }) => sum + cents, 0) / 10),
    happened: events.length > 0,
    since: events.length > 0 && last >= lastCleared,
  };
}

runOnEachDatabase('the past', (name, open) => {
  describe(name, () => {
    let databases: readonly Database[];
    let stores: DecisionStore[];
    let history: HistoryStore;
    let close: () => Promise<void> = () => Promise.resolve();
    beforeAll(async () => {
      ({ databases, close } = await open());
      stores = databases.map((database) => newDecisionStore(database));
      history = new HistoryStore(databases[0] as Database, recordValuesOf(databases[0] as Database).people);
    });
    afterAll(() => close());
    const store = (i = 0): DecisionStore => stores[i % stores.length] as DecisionStore;
    const write = (past: ReservedHistory, { id = uuid(), at = START, by = 0 } = {}): Promise<RecordResult> =>
      store(by).record(record(id), NO_ACCOUNT, { at, parts: [], partial: false, history: past });
    const answersOf = async (queries: readonly HistoryQuery[]): Promise<object> =>
      Object.fromEntries(await history.fetch(queries));

    it('answers as looking through all of them does, whatever became of each', { timeout: 60_000 }, async () => {
      const step = fc.record({
        move: fc.integer({ min: 0, max: 600 }),
        clears: fc.boolean(),
        cents: fc.integer({ min: 0, max: 25 }),
        fate: fc.constantFrom(
          'nothing',
          'nothing',
          'executed',
          'failed',
          'abandoned',
          'corrected',
          'told by the agent',
        ),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
          const [key, clearedKey] = [uuid(), uuid()];
          const past: Past[] = [];
          let at = START;
          for (const { move, ...more } of steps) {
            at += move;
            const id = uuid();
            const amount = { amount: (more.cents / 100).toFixed(2), unit: 'EUR' };
            await write({ answered: [], events: [event(more.clears ? clearedKey : key, amount)] }, { id, at });
            if (more.fate === 'corrected') store().correct(record(id, false), NO_ACCOUNT, true);
            else if (more.fate === 'told by the agent')
              await store().reportOutcome(id, 'agent:bot', { outcome: 'failed' }, {});
            else if (more.fate !== 'nothing') await store().reportOutcome(id, 'c', { outcome: more.fate }, {});
            past.push({ id, at, ...more });
          }
          await store().flush();
          for (const since of [at - WINDOW, at, START])
            expect(await answersOf(queriesOf(key, clearedKey, since))).toEqual(lookThrough(past, since));
        }),
        { numRuns: 25 },
      );
    });

    it('stores no name that who knows a person’s could make, and counts those of versions before that did', async () => {
      const [key, clearedKey] = [uuid(), uuid()];
      await write({ answered: [], events: [event(key), event(clearedKey)] });
      const [stored] = await (databases[0] as Database).run([
        { sql: 'select 1 from history_events where key = any ($1::text[])', params: [`{${key},${clearedKey}}`] },
      ]);
      expect(stored).toEqual([]);
      await (databases[0] as Database).run([
        {
          sql: `insert into history_events (key, at, decision, place, amount, unit, expires_at)
                values ($1, $2::bigint, gen_random_uuid(), 0, 0.5, 'EUR', $2::bigint + 1000)`,
          params: [key, START + 1],
        },
      ]);
      expect(await answersOf(queriesOf(key, clearedKey, START))).toMatchObject({
        count: 2,
        sum: 5,
        happened: true,
        since: true,
      });
      const after = queriesOf(key, clearedKey, START + 1);
      expect(await answersOf(after)).toMatchObject({ count: 1, happened: true, since: true });
      const told = after.filter(({ kind }) => kind === 'count').map((query) => ({ query, value: 0 }));
      expect(await write({ answered: told, events: [] })).toMatchObject({ kind: 'overtaken' });
      await (databases[0] as Database).run([{ sql: 'delete from history_events where key = $1', params: [key] }]);
    });

    it('answers as events in memory do that were noted instead', { timeout: 60_000 }, async () => {
      const steps = fc.array(
        fc.record({ clears: fc.boolean(), cents: fc.integer({ min: 0, max: 9 }).map((n) => n * 10) }),
        {
          maxLength: 10,
        },
      );
      await fc.assert(
        fc.asyncProperty(steps, steps, async (before, after) => {
          const [key, clearedKey] = [uuid(), uuid()];
          const queries = queriesOf(key, clearedKey, START);
          let at = START;
          const toEvent = ({ clears, cents }: { clears: boolean; cents: number }): ReservedEvent =>
            event(clears ? clearedKey : key, { amount: (cents / 100).toFixed(2), unit: 'EUR' });
          const add = (events: typeof before) =>
            events.reduce<Promise<unknown>>(
              (done, one) => done.then(() => write({ answered: [], events: [toEvent(one)] }, { at: (at += 1) })),
              Promise.resolve(),
            );
          await add(before);
          const noted = new NotedEvents();
          const stored: HistoryAnswers = await history.fetch(queries);
          noted.note(after.map(toEvent));
          const expected = noted.addTo(stored, queries);
          await add(after);
          expect(await history.fetch(queries)).toEqual(expected);
        }),
        { numRuns: 15 },
      );
    });

    it('stores nothing that rests on an answer which has changed, and says what it is now', async () => {
      const key = uuid();
      const [count] = queriesOf(key, uuid(), START - WINDOW) as [HistoryQuery];
      const past = (value: number): ReservedHistory => ({ answered: [{ query: count, value }], events: [event(key)] });
      expect(await write(past(0))).toEqual({ kind: 'stored', accepted: [] });
      const id = uuid();
      expect(await write(past(0), { id })).toMatchObject({ kind: 'overtaken', state: { history: { count: 1 } } });
      expect(await store().find(id)).toBeUndefined();
      expect(await write(past(1), { id })).toEqual({ kind: 'stored', accepted: [] });
      expect(await answersOf([count])).toEqual({ count: 2 });
    });

    it('lets as many in as there is room for, of many at once that have names in common in any order', async () => {
      const keys = Array.from({ length: 5 }, () => uuid());
      const bound = 6;
      const counts = keys.map((key, i) => ({ ...(queriesOf(key, key, START)[0] as HistoryQuery), id: String(i) }));
      const enter = async (i: number): Promise<readonly number[]> => {
        const some = counts.filter((_, k) => (i + k) % 3 !== 0).sort(() => Math.random() - 0.5);
        let values = await history.fetch(some);
        for (;;) {
          if (some.some(({ id }) => Number(values.get(id)) >= bound)) return [];
          const answered = some.map((query) => ({ query, value: values.get(query.id) ?? 0 }));
          const result = await write({ answered, events: some.map(({ key }) => event(key)) }, { by: i });
          if (result.kind === 'stored') return some.map(({ id }) => Number(id));
          values = new Map(Object.entries(result.state.history ?? {}));
        }
      };
      const entered = (await Promise.all(Array.from({ length: 40 }, (_, i) => enter(i)))).flat();
      const final = await history.fetch(counts);
      for (const [i, { id }] of counts.entries()) {
        expect(final.get(id)).toBe(entered.filter((named) => named === i).length);
        expect(final.get(id)).toBeLessThanOrEqual(bound);
      }
      expect([...final.values()]).toContain(bound);
    });

    it('keeps the events of a list in so far as its records are handed out', async () => {
      const key = uuid();
      const limit = { bound: { value: 2n, unit: undefined, decimals: 0 }, period: 'PT1H', window: 'sliding', zone: 'UTC', by: [], text: '' } as const; // prettier-ignore
      const charges = [{ limit, owner: 'o', parties: [], key: uuid(), required: 1n, since: undefined, end: undefined, length: undefined }]; // prettier-ignore
      const events = [event(key, { place: 0 }), ...[1, 2, 3].map((nth) => event(key, { place: nth, part: 1, nth }))];
      const list = {
        id: uuid(), evaluated_at: '2030-01-01T00:00:00.000Z', client: 'c', decision: true, dry_run: false,
        policy_version: 'v', search: 'filter' as const, acting: { chain: [] }, request: {}, found: 4,
      }; // prettier-ignore
      const history = { answered: [], events };
      const result = await store().record(list, NO_ACCOUNT, {
        at: START,
        parts: [{ charges, count: 3 }],
        partial: true,
        history,
      });
      expect(result).toEqual({ kind: 'stored', accepted: [2] });
      expect(await answersOf([queriesOf(key, key, START)[0] as HistoryQuery])).toEqual({ count: 3 });
    });

    it('forgets what no window reads any more', async () => {
      const key = uuid();
      await write({ answered: [], events: [event(key), event(uuid(), { lastsMs: 10 * 3_600_000 })] });
      const count = async () => {
        const [rows] = await (databases[0] as Database).run([{ sql: 'select count(*)::int as n from history_events' }]);
        return Number(rows?.[0]?.['n']);
      };
      const before = await count();
      await history.prune(new Date(START + WINDOW + 3_600_000));
      expect(await count()).toBe(before);
      await history.prune(new Date(START + 3_600_000 + WINDOW + 700 * 15));
      expect(await answersOf([queriesOf(key, key, 0)[0] as HistoryQuery])).toEqual({ count: 0 });
      expect(await count()).toBeGreaterThan(0);
    });
  });
});
