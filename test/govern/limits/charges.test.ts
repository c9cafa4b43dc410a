/** Limits of a running company: what is used is reserved with the record, bounded exactly, and told. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { planCharges } from '../../../src/govern/limits/charges.js';
import type { LimitedQuestion } from '../../../src/govern/limits/required-amount.js';
import { windowAt } from '../../../src/govern/limits/windows.js';
import type { Limit } from '../../../src/model/limits.js';
import { readLimit } from '../../../src/policy/schema/limits.js';
import { DAYTIME, type Answer, type Running } from '../../support/sample.js';
import { ask, euro, startCompany } from './company.js';

let remit: Running;
beforeAll(async () => {
  remit = await startCompany();
  return () => remit.stop();
});
const HOUR = 3_600_000;
const later = (ms: number): Date => new Date(DAYTIME.getTime() + ms);
const as = (client: string, more: Record<string, string> = {}) => ({ authorization: `Bearer ${client}-key`, ...more });
const decide = async (question: object, headers = as('shop')): Promise<Answer> =>
  (await remit.post('/access/v1/evaluation', question, headers)).json();
const codesOf = (answer: Answer): string[] => (answer.context?.reasons ?? []).map(({ code }) => code);

/** Each test has a day of its own, so that none uses what another has used. */
let day = 0;
const newDay = (): void => remit.at(later((day += 40) * 24 * HOUR));

describe('a limit on uses', () => {
  it('allows as many as it says, and then tells what is left and when there is more', async () => {
    newDay();
    const at = later(day * 24 * HOUR);
    for (let i = 0; i < 3; i += 1) {
      const answer = await decide(ask('pay', { amount: euro(100) }));
      expect([answer.decision, answer.context?.valid_until]).toEqual([true, answer.context?.evaluated_at]);
    }
    const denied = await decide(ask('pay', { amount: euro(100) }));
    expect(denied.decision).toBe(false);
    expect(denied.context?.reasons).toEqual([
      {
        code: 'limit_exceeded',
        step: 'consent',
        message: 'The limit "3 per P1D by user, agent" of user:ann for agent:bot has less left than the question uses.',
        required: 1,
        remaining: 0,
        resets_at: new Date(at.getTime() + 24 * HOUR).toISOString(),
      },
    ]);
    // Another pair has uses of its own, and so has the next day, to the millisecond.
    expect((await decide(ask('pay', { agent: 'helper', amount: euro(100) }))).decision).toBe(true);
    expect((await decide(ask('pay', { user: 'ben', amount: euro(100) }))).decision).toBe(true);
    remit.at(new Date(at.getTime() + 24 * HOUR - 1));
    expect((await decide(ask('pay', { amount: euro(100) }))).decision).toBe(false);
    remit.at(new Date(at.getTime() + 24 * HOUR));
    expect((await decide(ask('pay', { amount: euro(100) }))).decision).toBe(true);
  });
});

describe('a limit on an amount', () => {
  it('adds exactly, whatever the decimals, until the month ends in its zone', async () => {
    newDay();
    const month = later(day * 24 * HOUR);
    const pay = (agent: string, amount: unknown) => decide(ask('pay', { agent, amount }));
    expect((await pay('bot', euro(49_990))).decision).toBe(true);
    expect((await pay('bot', { value: 100, unit: 'EUR', decimals: 3 })).decision).toBe(true);
    const denied = await pay('helper', { value: 1, unit: 'EUR', decimals: 0 });
    expect(denied.context?.reasons).toMatchObject([
      { required: { value: 100, unit: 'EUR', decimals: 2 }, remaining: { value: 0, unit: 'EUR', decimals: 2 } },
    ]);
    const [reset = ''] = (denied.context?.reasons ?? []).map((reason) => reason.resets_at ?? '');
    expect(Date.parse(reset)).toBeGreaterThan(month.getTime());
    // Nothing is free, so nothing is left for it; what costs nothing fits.
    expect((await pay('helper', euro(1))).decision).toBe(false);
    expect((await pay('helper', euro(0))).decision).toBe(true);
    remit.at(new Date(Date.parse(reset) - 1));
    expect((await pay('helper', euro(1))).decision).toBe(false);
    remit.at(new Date(reset));
    expect((await pay('helper', euro(50_000))).decision).toBe(true);
  });

  it.each([
    ['a negative one', euro(-5_000), 'limit_exceeded', /must not be negative/],
    ['another unit', { value: 1, unit: 'USD', decimals: 2 }, 'limit_exceeded', /is in USD, and its limit in EUR/],
    ['a unit in other letters', { value: 1, unit: 'eur', decimals: 2 }, 'limit_exceeded', /is in eur/],
    [
      'more decimals than the unit has',
      { value: 1, unit: 'EUR', decimals: 3 },
      'limit_exceeded',
      /can not be counted exactly in 64 bits with 2 decimals/,
    ],
    ['more than 64 bits', { value: 9007199254740991, unit: 'EUR', decimals: 0 }, 'limit_exceeded', /has less left/],
    ['decimals below none', { value: 1, unit: 'EUR', decimals: -18 }, 'limit_exceeded', /"decimals" from 0 to 18/],
    ['many decimals', { value: 1, unit: 'EUR', decimals: 1e9 }, 'limit_exceeded', /"decimals" from 0 to 18/],
    ['none', undefined, 'attribute_missing', /context.action.amount is needed/],
    ['null', null, 'attribute_missing', /context.action.amount is needed/],
  ])('denies %s, and uses nothing of it', async (_name, amount, code, message) => {
    newDay();
    const denied = await decide(ask('pay', { amount }));
    expect([denied.decision, denied.context?.reasons[0]?.code]).toEqual([false, code]);
    expect(denied.context?.reasons[0]?.message).toMatch(message);
    for (let i = 0; i < 3; i += 1) expect((await decide(ask('pay', { amount: euro(1) }))).decision).toBe(true);
  });

  it.each([
    ['a plain number', 12.5],
    ['text', '12.50 EUR'],
    ['a list', [1250]],
    ['a value that is text', { value: '1250', unit: 'EUR', decimals: 2 }],
    ['a value with a fraction', { value: 12.5, unit: 'EUR', decimals: 2 }],
    ['a unit that is none', { value: 1, unit: 7, decimals: 2 }],
  ])('refuses %s with its place', async (_name, amount) => {
    const response = await remit.post('/access/v1/evaluation', ask('pay', { amount }), as('shop'));
    expect(response.statusCode).toBe(400);
    expect(response.json<{ error: { at: string } }>().error.at).toMatch(/^action.properties.amount/);
  });

  it('refuses a number that no double holds', async () => {
    const body = JSON.stringify(ask('pay', { amount: euro(1) })).replace('"value":1', '"value":9223372036854775808');
    expect((await remit.post('/access/v1/evaluation', body, as('shop'))).statusCode).toBe(400);
  });
});

describe('the parties that a limit is counted for', () => {
  const close = (user: string, agent: string) => decide(ask('close', { user, agent }));

  it('are every agent that a delegation came through, stated or not', async () => {
    newDay();
    // Carl delegated to the planner, which passed that on to the helper: both are charged.
    expect((await close('carl', 'helper')).decision).toBe(true);
    expect((await close('carl', 'helper')).decision).toBe(true);
    expect(codesOf(await close('ann', 'planner'))).toEqual(['limit_exceeded']);
    expect(codesOf(await close('ben', 'helper'))).toEqual(['limit_exceeded']);
    expect((await close('ben', 'bot')).decision).toBe(true);
  });

  it('are a person who acts alone, too', async () => {
    const person = (id: string) =>
      decide({ ...ask('close', { context: { mode: 'human' } }), subject: { type: 'user', id } });
    expect([(await person('ann')).decision, (await person('ann')).decision, (await person('ann')).decision]).toEqual([
      true,
      true,
      false,
    ]);
    expect((await person('ben')).decision).toBe(true);
  });
});

describe('what uses nothing', () => {
  it('is a deny, a dry run, and a search', async () => {
    newDay();
    const amount = euro(1);
    for (let i = 0; i < 4; i += 1) {
      expect((await decide(ask('pay', { account: 'none', amount }))).decision).toBe(false);
      expect((await decide(ask('pay', { amount, context: { dry_run: true } }))).decision).toBe(true);
    }
    const { resource: _resource, ...search } = ask('pay', { amount }) as { resource: object };
    for (let i = 0; i < 4; i += 1) {
      const found = await remit.post(
        '/access/v1/search/resource',
        { ...search, resource: { type: 'account' } },
        as('shop'),
      );
      expect(found.json<{ results: object[] }>().results).toHaveLength(3);
    }
    for (let i = 0; i < 3; i += 1) expect((await decide(ask('pay', { amount }))).decision).toBe(true);
    expect(codesOf(await decide(ask('pay', { amount, context: { dry_run: true } })))).toEqual(['limit_exceeded']);
  });
});

describe('what policies read', () => {
  it('is what the tightest limit has left before the question', async () => {
    newDay();
    const copy = (user: string) => decide(ask('copy', { user }));
    // The policy forbids the last one: first of each user's four an hour, then of the nine that all have together.
    expect([(await copy('ann')).decision, (await copy('ann')).decision, (await copy('ann')).decision]).toEqual([
      true,
      true,
      true,
    ]);
    expect(codesOf(await copy('ann'))).toEqual(['policy_forbid']);
    for (let i = 0; i < 3; i += 1) expect((await copy('ben')).decision).toBe(true);
    remit.at(later(day * 24 * HOUR + HOUR));
    expect([(await copy('ben')).decision, (await copy('ben')).decision]).toEqual([true, true]);
    expect(codesOf(await copy('ben'))).toEqual(['policy_forbid']);
  });
});

describe('many at once', () => {
  it('are allowed exactly as many as there is room for, and each answer is on record', async () => {
    newDay();
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) => decide(ask('export', { account: String((i % 3) + 1) }))),
    );
    const allowed = answers.filter(({ decision }) => decision);
    expect(allowed).toHaveLength(100);
    expect(new Set(answers.filter(({ decision }) => !decision).flatMap(codesOf))).toEqual(new Set(['limit_exceeded']));
    for (const { context, decision } of answers) {
      const record = await remit.service.decisions.find(context?.id ?? '');
      expect(record?.record.decision).toBe(decision);
    }
  });
});

describe('several limits of one action', () => {
  const zones = ['UTC', 'Europe/Berlin', 'Africa/Lagos', 'Asia/Kolkata', 'America/New_York'] as const;
  const limit: fc.Arbitrary<Limit> = fc
    .record({
      bound: fc.oneof(
        fc.integer({ min: 1, max: 4 }).map((count) => ({ count })),
        fc
          .constantFrom({ value: 3, decimals: 0 }, { value: 30, decimals: 1 }, { value: 25, decimals: 1 })
          .map((value) => ({ amount: { ...value, unit: 'EUR' } })),
      ),
      per: fc.constantFrom('PT1H' as const, 'P1D' as const, 'P1W' as const, 'P1M' as const, 'total' as const),
      window: fc.constantFrom('sliding' as const, 'calendar' as const, 'calendar' as const),
      zone: fc.constantFrom(...zones),
      by: fc.subarray(['user', 'agent'] as const),
    })
    .map(({ bound, per, window, zone, by }) => {
      const isCalendar = per === 'P1M' || (per !== 'total' && window === 'calendar');
      const read = readLimit(
        {
          ...bound,
          per,
          ...(per === 'total' ? {} : isCalendar ? { window: 'calendar', zone } : { window: 'sliding' }),
        },
        by,
      );
      if ('problem' in read) throw new TypeError(read.problem);
      return read.limit;
    });
  const step = fc.record({
    minutes: fc.constantFrom(0, 1, 20, 60, 330, 700, 1_440),
    user: fc.constantFrom('ann', 'ben'),
    agent: fc.constantFrom('bot', 'helper'),
    euros: fc.integer({ min: 0, max: 2 }),
  });
  interface Use {
    readonly at: number;
    readonly user: string;
    readonly agent: string;
    readonly euros: number;
  }
  /** What the limit alone allows, by the uses that there have been. */
  const allowsAlone = (one: Limit, uses: readonly Use[], next: Use): boolean => {
    const { since = Number.NEGATIVE_INFINITY } = windowAt(one, next.at);
    const counted = uses.filter((use) => use.at >= since && one.by.every((party) => use[party] === next[party]));
    const sizeOf = ({ euros }: Use): number => (one.bound.unit === undefined ? 1 : euros * 10 ** one.bound.decimals);
    return [...counted, next].reduce((sum, use) => sum + sizeOf(use), 0) <= Number(one.bound.value);
  };
  const questionOf = (limits: readonly Limit[], { at, user, agent, euros }: Use): LimitedQuestion =>
    ({
      question: {
        action: { name: 'pay', properties: { amount: { value: euros, unit: 'EUR', decimals: 0 } } },
        context: {},
      },
      acting: { mode: 'delegated', user: { type: 'user', id: user }, agent: { type: 'agent', id: agent }, chain: [] },
      target: { action: { uid: { type: 'Action', id: 'pay' }, limits, amount: ['action', 'amount'] } },
      now: new Date(at),
    }) as unknown as LimitedQuestion;

  it('allow together what each of them allows, two that are equal among them', () => {
    let [allowed, denied] = [0, 0];
    fc.assert(
      fc.property(
        fc.array(limit, { minLength: 1, maxLength: 3 }),
        fc.boolean(),
        fc.array(step, { maxLength: 20 }),
        (some, hasTwins, steps) => {
          const limits = hasTwins ? [...some, ...some] : some;
          const counters = new Map<
            string,
            { readonly at: number; readonly quantity: bigint; readonly decimals: number }[]
          >();
          const uses: Use[] = [];
          let at = Date.parse('2030-03-30T20:00:00Z');
          for (const { minutes, ...parts } of steps) {
            at += minutes * 60_000;
            const next = { at, ...parts };
            const { charges, problem } = planCharges(questionOf(limits, next));
            expect(problem).toBeUndefined();
            expect(new Set(charges.map(({ key }) => key)).size).toBe(charges.length);
            const fits = charges.every(({ key, since = Number.NEGATIVE_INFINITY, required, limit: { bound } }) => {
              const used = (counters.get(key) ?? []).filter((use) => use.at >= since);
              const scale = (value: bigint, decimals: number): bigint => value * 10n ** BigInt(4 - decimals);
              const sum = used.reduce((total, use) => total + scale(use.quantity, use.decimals), 0n);
              return sum + scale(required, bound.decimals) <= scale(bound.value, bound.decimals);
            });
            expect(fits).toBe(limits.every((one) => allowsAlone(one, uses, next)));
            if (fits) allowed += 1;
            else denied += 1;
            if (!fits) continue;
            uses.push(next);
            for (const {
              key,
              required,
              limit: { bound },
            } of charges)
              counters.set(key, [...(counters.get(key) ?? []), { at, quantity: required, decimals: bound.decimals }]);
          }
        },
      ),
      { numRuns: 1_500 },
    );
    expect(Math.min(allowed, denied)).toBeGreaterThan(200);
  });

  it('have counters of their own where their zones differ, though a window begins at the same instant', () => {
    const inZone = (count: number, zone: string): Limit => {
      const read = readLimit({ count, per: 'P1D', window: 'calendar', zone });
      if ('problem' in read) throw new TypeError(read.problem);
      return read.limit;
    };
    const next = { at: Date.parse('2030-01-10T10:00:00Z'), user: 'ann', agent: 'bot', euros: 0 };
    // Both days begin at 23:00 UTC in winter.
    const { charges } = planCharges(questionOf([inZone(1, 'Europe/Berlin'), inZone(9, 'Africa/Lagos')], next));
    expect(charges.map((charge) => charge.limit.bound.value)).toEqual([1n, 9n]);
    expect(new Set(charges.map(({ key }) => key)).size).toBe(2);
    const twins = planCharges(questionOf([inZone(9, 'Europe/Berlin'), inZone(1, 'Europe/Berlin')], next));
    expect(twins.charges.map((charge) => charge.limit.bound.value)).toEqual([1n]);
  });
});
