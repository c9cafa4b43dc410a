/** Limits of delegations and consents against a list of uses that is added up anew, whatever is asked, reported and changed. */
import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { codes, DAYTIME, step, type Running } from '../../support/sample.js';
import { askGrant, asUser, eur, HOUR, LENGTHS, startGrants, type Bound } from './grants-world.js';

let remit: Running;
beforeAll(async () => {
  remit = await startGrants();
  return () => remit.stop();
});

interface Use {
  readonly at: number;
  readonly grants: readonly string[];
  count: number;
  cents: number;
}
interface Grant {
  readonly id: string;
  limits: readonly Bound[];
  readonly ends: number;
}

/** Whether the question fits by the uses that there have been. A question without an amount uses none. */
function hasRoom({ id, limits }: Grant, uses: readonly Use[], at: number, cents: number | undefined): boolean {
  return limits.every(({ count, amount, per, window }) => {
    const length = LENGTHS[per];
    const isCounted = (use: Use): boolean =>
      per === 'total' || (window === 'calendar' ? Math.floor(use.at / length) === Math.floor(at / length) : use.at > at - length);
    const counted = uses.filter((use) => use.grants.includes(id) && isCounted(use));
    if (count !== undefined) return counted.reduce((sum, use) => sum + use.count, 1) <= count;
    const unit = 10 ** (2 - (amount?.decimals ?? 0));
    const most = (amount?.value ?? 0) * unit;
    // What is no whole number in the decimals of the limit doesn't fit.
    if (cents !== undefined && cents % unit !== 0) return false;
    return cents === undefined || counted.reduce((sum, use) => sum + use.cents, cents) <= most;
  });
} // prettier-ignore

const bound: fc.Arbitrary<Bound> = fc.oneof(
  fc.record({ count: fc.integer({ min: 1, max: 4 }), per: fc.constantFrom('PT1H' as const, 'P1D' as const), window: fc.constantFrom('sliding' as const, 'calendar' as const) }),
  fc.record({ count: fc.integer({ min: 2, max: 6 }), per: fc.constant('total' as const) }),
  fc.record({ amount: fc.constantFrom({ value: 500, unit: 'EUR', decimals: 2 }, { value: 4, unit: 'EUR', decimals: 0 }), per: fc.constantFrom('PT1H' as const, 'P1D' as const), window: fc.constant('sliding' as const) }),
); // prettier-ignore
const bounds = fc.uniqueArray(bound, {
  maxLength: 2,
  selector: ({ amount, per, window }) => JSON.stringify([amount?.unit, per, window]),
});
const next = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('ask' as const), cents: fc.option(fc.constantFrom(0, 50, 100, 120, 200, 300), { nil: undefined }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('report' as const), outcome: fc.constantFrom('failed', 'executed', 'half') }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('move' as const), minutes: fc.constantFrom(1, 14, 40, 60, 700) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('narrow' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('again' as const) }) },
); // prettier-ignore

let start = DAYTIME.getTime();
const tally = { allowed: 0, denied: 0, second: 0, reported: 0 };

it('allow what the delegation and one of the consents have room for', async () => {
  await fc.assert(
    fc.asyncProperty(bounds, bounds, bounds, fc.array(next, { minLength: 10, maxLength: 22 }), async (ofDelegation, ofFirst, ofSecond, steps) => {
      start += 90 * 24 * HOUR;
      let at = start;
      remit.at(new Date(at));
      let given = 0;
      const delegate = async (limits: readonly Bound[]): Promise<Grant> => {
        expect((await asUser(remit, 'POST', '/v1/delegations', { agent: 'bot', until_ended: true, limits })).status).toBe(201);
        return { id: `delegation ${(given += 1)}`, limits, ends: Infinity };
      };
      const consent = async (limits: readonly Bound[], hours: number): Promise<Grant> => {
        const details = [{ type: 'remit', actions: ['pay', 'read'] }];
        const ends = at + hours * HOUR;
        const { status, body } = await asUser(remit, 'POST', '/v1/consents', { agent: 'bot', details, limits, ends: new Date(ends).toISOString() });
        expect(status).toBe(201);
        return { id: body.id, limits, ends };
      };
      let delegation = await delegate(ofDelegation);
      const consents = [await consent(ofFirst, 20), await consent(ofSecond, 60 * 24)];
      const uses: Use[] = [];
      let last: { id: string; use: Use; cents: number | undefined } | undefined;
      for (const one of steps) {
        if (one.kind === 'move') remit.at(new Date((at += one.minutes * 60_000)));
        else if (one.kind === 'again') delegation = await delegate(ofDelegation);
        else if (one.kind === 'narrow') {
          const limits = delegation.limits.map((limit) => (limit.count === undefined ? limit : { ...limit, count: Math.max(1, limit.count - 1) }));
          expect((await asUser(remit, 'PATCH', '/v1/delegations/bot', { limits })).status).toBe(200);
          delegation = { ...delegation, limits };
        } else if (one.kind === 'report') {
          if (last === undefined || at - last.use.at > 10 * 60_000) continue;
          const half = Math.floor((last.cents ?? 0) / 2);
          const actual = one.outcome === 'half' && last.cents !== undefined ? { amount: eur(half) } : undefined;
          const isLimited = [delegation, ...consents].some(({ id, limits }) => last?.use.grants.includes(id) && limits.some(({ amount }) => amount !== undefined));
          if (actual !== undefined && !isLimited) continue;
          const body = one.outcome === 'failed' ? { outcome: 'failed' } : { outcome: 'executed', ...(actual === undefined ? {} : { actual }) };
          const answer = await remit.post(`/v1/decisions/${last.id}/outcome`, body);
          expect([answer.statusCode, answer.body]).toEqual([expect.toSatisfy((status) => status < 300), expect.anything()]);
          if (one.outcome === 'failed') [last.use.count, last.use.cents] = [0, 0];
          else if (actual !== undefined) last.use.cents = half;
          last = undefined;
          tally.reported += 1;
        } else {
          const { cents } = one;
          const answer = await askGrant(remit, cents === undefined ? {} : { action: 'pay', amount: eur(cents) });
          const found = consents.find((grant) => grant.ends > at && hasRoom(grant, uses, at, cents));
          const isAllowed = found !== undefined && hasRoom(delegation, uses, at, cents);
          expect([answer.decision, codes(answer).filter((code) => code !== 'limit_exceeded')]).toEqual([isAllowed, []]);
          if (!isAllowed) {
            tally.denied += 1;
            continue;
          }
          expect(step(answer, 'consent')?.evidence['consent']).toBe(found.id);
          const use = { at, grants: [delegation.id, found.id], count: 1, cents: cents ?? 0 };
          uses.push(use);
          last = { id: answer.context?.id ?? '', use, cents };
          tally.allowed += 1;
          if (found === consents[1]) tally.second += 1;
        }
      }
      await asUser(remit, 'DELETE', `/v1/consents/${consents[0]?.id}`);
      await asUser(remit, 'DELETE', `/v1/consents/${consents[1]?.id}`);
    }),
    { numRuns: 25 },
  );
  expect(Math.min(tally.allowed, tally.denied)).toBeGreaterThan(20);
  expect(Math.min(tally.second, tally.reported)).toBeGreaterThan(5);
}, 600_000); // prettier-ignore
