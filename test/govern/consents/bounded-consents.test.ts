/** The consents that a decision reads: whatever the database has, their limits and time zones are bounded, and no other is left out. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { omitUnboundConsents } from '../../../src/govern/consents/bounded-consents.js';
import type { Consent } from '../../../src/model/consents.js';
import { MAX_LIMITS_OF_PAIR, MAX_ZONES_OF_PAIR, type StatedLimit } from '../../../src/model/limits.js';

const NOW = new Date('2030-03-04T10:00:00Z');
const ZONES = [
  'UTC', 'Europe/Berlin', 'europe/berlin', 'Europe/Rome', 'Asia/Tokyo', 'Asia/Seoul', 'Africa/Cairo', 'America/Lima',
  'Asia/Kathmandu', 'America/New_York', 'Australia/Sydney',
]; // prettier-ignore
const limit = fc.oneof(
  fc.record({ count: fc.nat({ max: 9 }).map((n) => n + 1), per: fc.constant('P1D' as const) }),
  fc.constantFrom(...ZONES).map((zone): StatedLimit => ({ count: 1, per: 'P1D', window: 'calendar', zone })),
);
const consent = fc.record({
  limits: fc.option(fc.array(limit, { maxLength: 10 }), { nil: undefined }),
  ends: fc.constantFrom(undefined, '2030-03-04T09:00:00Z', '2030-03-04T11:00:00Z'),
});
const isOver = ({ ends }: Pick<Consent, 'ends'>): boolean => ends !== undefined && Date.parse(ends) <= NOW.getTime();
const measure = (consents: readonly Pick<Consent, 'limits' | 'ends'>[]): { limits: number; zones: number } => {
  const limits = consents.filter((one) => !isOver(one)).flatMap((one) => one.limits ?? []);
  const zones = new Set(limits.flatMap(({ window, zone }) => (window === 'calendar' ? [zone?.toLowerCase()] : [])));
  return { limits: limits.length, zones: zones.size };
};

it('are bounded, and those that are left out would not have fitted', () => {
  let omitted = 0;
  fc.assert(
    fc.property(fc.array(consent, { minLength: 8, maxLength: 30 }), (terms) => {
      const consents = terms as unknown as Consent[];
      const kept = omitUnboundConsents(consents, NOW);
      const { limits, zones } = measure(kept);
      expect([limits <= MAX_LIMITS_OF_PAIR, zones <= MAX_ZONES_OF_PAIR]).toEqual([true, true]);
      for (const one of consents.filter((each) => !kept.includes(each))) {
        omitted += 1;
        expect([isOver(one), (one.limits ?? []).length > 0]).toEqual([false, true]);
        const more = measure([...kept, one]);
        expect(more.limits > MAX_LIMITS_OF_PAIR || more.zones > MAX_ZONES_OF_PAIR).toBe(true);
      }
      expect(kept).toEqual(consents.filter((one) => kept.includes(one)));
    }),
    { numRuns: 300 },
  );
  expect(omitted).toBeGreaterThan(100);
});
