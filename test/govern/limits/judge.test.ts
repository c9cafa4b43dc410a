/** What was read of limits is on record, so that a decision comes out the same again, and by other limits as they say. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { findBudget } from '../../../src/govern/limits/judge.js';
import type { Charge, LimitState } from '../../../src/model/limits.js';
import { formatQuantityNumber } from '../../../src/model/quantities.js';
import { parseRecord } from '../../../src/records/parse-record.js';
import { explainRecord } from '../../../src/records/explain/explain.js';
import { replayRecord } from '../../../src/records/replay.js';
import { DAYTIME, step, type Answer, type Running } from '../../support/sample.js';
import { rulesOf } from '../../policy/sources.js';
import { ask, euro, POLICIES, SCHEMA, startCompany, ZED } from './company.js';

let remit: Running;
beforeAll(async () => {
  remit = await startCompany();
  return () => remit.stop();
});
const decide = async (question: object, retry?: string): Promise<Answer> =>
  (
    await remit.post('/access/v1/evaluation', question, {
      authorization: 'Bearer shop-key',
      ...(retry === undefined ? {} : { 'idempotency-key': retry }),
    })
  ).json();
const recordOf = async ({ context }: Answer) => {
  const stored = await remit.service.decisions.find(context?.id ?? '');
  return parseRecord(JSON.parse(JSON.stringify(stored?.record)), 'record');
};

describe('a decision within limits', () => {
  it('is replayed to the same, allowed, denied, overtaken or repeated', async () => {
    const answers = [
      ...(await Promise.all(Array.from({ length: 12 }, () => decide(ask('pay', { amount: euro(10_000) }))))),
      ...(await Promise.all(Array.from({ length: 4 }, () => decide(ask('copy'))))),
      await decide(ask('copy')),
      await decide(ask('look'), 'k'),
      await decide(ask('look'), 'k'),
      await decide(ask('pay', { amount: { value: -1, unit: 'EUR', decimals: 2 } })),
    ];
    expect(answers.filter(({ decision }) => decision)).not.toHaveLength(answers.length);
    const rules = rulesOf({ zed: ZED, schema: SCHEMA, policies: POLICIES });
    for (const answer of answers) expect(replayRecord(await recordOf(answer), rules)).toEqual({ kind: 'same' });
  });

  it('is explained with the limit that denied it', async () => {
    const question = ask('pay', { user: 'ben', agent: 'planner', amount: euro(60_000) });
    const rules = rulesOf({ zed: ZED, schema: SCHEMA, policies: POLICIES });
    expect(explainRecord(await recordOf(await decide(question)), rules)).toMatchObject({
      decision: false,
      reasons: [{ code: 'limit_exceeded', required: euro(60_000), remaining: euro(50_000) }],
      rules: { same: true, result_now: false },
    });
  });

  it('shows what each limit had left', async () => {
    const answer = await decide(ask('pay', { user: 'ben', agent: 'helper', amount: euro(1_250) }));
    expect(step(answer, 'consent')).toMatchObject({
      outcome: 'pass',
      evidence: {
        required: false,
        limits: [
          { limit: '3 per P1D by user, agent', of: ['user:ben', 'agent:helper'], required: 1, remaining: 3 },
          {
            limit: '500.00 EUR per P1M calendar Europe/Berlin by user',
            required: euro(1_250),
            remaining: euro(50_000),
          },
        ],
      },
    });
  });

  it('is decided by other limits as they say, as far as the record tells', async () => {
    const record = await recordOf(await decide(ask('export', { user: 'ben' })));
    const by = (limit: string) =>
      replayRecord(
        record,
        rulesOf({ zed: ZED, schema: SCHEMA.replace('100 per P1D by user', limit), policies: POLICIES }),
      );
    expect(by('1 per P1D by user')).toEqual({ kind: 'same' });
    // Where uses are counted otherwise, the record doesn't say how many there were.
    expect(by('100 per P1W by user')).toEqual({
      kind: 'inconclusive',
      missing: ['Action::"export": 100 per P1W by user'],
    });
    const unlimited = await recordOf(await decide(ask('look')));
    const limited = SCHEMA.replace(
      '@permission("pay")\naction "look"',
      '@limit("1 per P1D") @permission("pay")\naction "look"',
    );
    expect(replayRecord(unlimited, rulesOf({ zed: ZED, schema: limited, policies: POLICIES }))).toMatchObject({
      kind: 'inconclusive',
    });
  });
});

describe('the budget of a retry', () => {
  it('is what there would be if the first question with its key had used nothing', () => {
    const limit = fc.record({
      bound: fc.integer({ min: 0, max: 9 }),
      unit: fc.constantFrom(undefined, 'EUR', 'USD'),
      others: fc.integer({ min: 0, max: 9 }),
      held: fc.integer({ min: 0, max: 4 }),
    });
    const property = fc.property(fc.array(limit, { minLength: 1, maxLength: 4 }), (limits) => {
      const charges = limits.map(({ bound, unit }, i): Charge => ({
        limit: {
          bound: { value: BigInt(bound), unit, decimals: 2 },
          period: 'PT1H',
          window: 'sliding',
          zone: 'UTC',
          by: [],
          text: '',
        },
        owner: 'o',
        parties: [],
        key: `${i}`,
        required: 1n,
        since: undefined,
        end: undefined,
        length: undefined,
      }));
      const use = (value: number): string => formatQuantityNumber({ value: BigInt(value), decimals: 2 });
      const state = (usedOf: (limit: (typeof limits)[number]) => object, retry: LimitState['retry']): LimitState => ({
        readings: Object.fromEntries(limits.map((each, i) => [`${i}`, usedOf(each) as { used: string }])),
        retry,
      });
      const first = state(({ others }) => ({ used: use(others) }), { kind: 'new' });
      const retried = state(({ others, held }) => ({ used: use(others + held), held: use(held) }), {
        kind: 'held',
        decision: 'd',
        at: 0,
      });
      expect(findBudget({ charges }, retried)).toEqual(findBudget({ charges }, first));
    });
    fc.assert(property, { numRuns: 300 });
  });

  it('lets it pass a policy that reads the budget, as the first did, and no further question', async () => {
    const copies = (user: string) => ask('copy', { user });
    for (const key of ['b1', 'b2', 'b3']) expect((await decide(copies('ben'), key)).decision).toBe(true);
    expect((await decide(copies('ben'), 'b4')).context?.reason).toBe('policy_forbid');
    for (const key of ['b3', 'b2', 'b1', 'b3']) {
      const again = await decide(copies('ben'), key);
      expect([key, again.decision]).toEqual([key, true]);
      const rules = rulesOf({ zed: ZED, schema: SCHEMA, policies: POLICIES });
      expect(replayRecord(await recordOf(again), rules)).toEqual({ kind: 'same' });
    }
    expect((await decide(copies('ben'))).context?.reason).toBe('policy_forbid');
  });

  it('lets a filter pass again with what it has used', async () => {
    remit.at(new Date(DAYTIME.getTime() + 48 * 3_600_000));
    const { subject, action } = ask('copy', { user: 'carl' }) as { subject: object; action: object };
    const records = [1, 2, 3].map((n) => ({ type: 'account', id: '1', properties: { n } }));
    const filter = async (): Promise<number> => {
      const headers = { authorization: 'Bearer shop-key', 'idempotency-key': 'list' };
      const body = { subject: { ...subject, properties: { act: { sub: 'planner' } } }, action, records };
      const response = await remit.post('/v1/filter', body, headers);
      return response.json<{ records: object[] }>().records.length;
    };
    expect(await filter()).toBe(3);
    expect(await filter()).toBe(3);
  });
});
