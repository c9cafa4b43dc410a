/** Windows of limits: they follow each other without a gap, in every zone and across summer time, and begin where people say. */
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { windowAt } from '../../../src/govern/limits/windows.js';
import { formatLocalInstant, toLocalTime } from '../../../src/runtime/local-time.js';

const ZONES = [
  'UTC', 'Europe/Berlin', 'America/New_York', 'America/Santiago', 'America/Havana', 'Africa/Cairo', 'Asia/Beirut',
  'Asia/Kathmandu', 'Australia/Lord_Howe', 'Pacific/Apia', 'Pacific/Kiritimati', 'Pacific/Marquesas',
]; // prettier-ignore
const HOUR = 3_600_000;
const zone = fc.constantFrom(...ZONES);
const instant = fc
  .date({ min: new Date('2015-01-01'), max: new Date('2040-01-01'), noInvalidDate: true })
  .map((d) => d.getTime());
const period = fc.constantFrom('PT1H' as const, 'P1D' as const, 'P1W' as const, 'P1M' as const);

describe('a calendar window', () => {
  const at = (text: string, what: 'PT1H' | 'P1D' | 'P1W' | 'P1M', where: string): string => {
    const { since = 0, end = 0 } = windowAt({ period: what, window: 'calendar', zone: where }, Date.parse(text));
    return `${formatLocalInstant(new Date(since), where)} ${(end - since) / HOUR}`;
  };

  it('has the instant in it, and the next one begins where it ends', () => {
    fc.assert(
      fc.property(period, zone, instant, (what, where, now) => {
        const limit = { period: what, window: 'calendar' as const, zone: where };
        const { since = Number.NaN, end = Number.NaN } = windowAt(limit, now);
        expect(since <= now && now < end).toBe(true);
        expect(windowAt(limit, since)).toEqual(windowAt(limit, now));
        expect(windowAt(limit, end - 1)).toEqual(windowAt(limit, now));
        expect(windowAt(limit, end).since).toBe(end);
      }),
      { numRuns: 200 },
    );
  });

  it('is computed once until it ends, of as many zones as there are, however they are written', () => {
    const zones = Intl.supportedValuesOf('timeZone');
    const reads = vi.spyOn(Intl.DateTimeFormat.prototype, 'formatToParts');
    const readAll = (spell: (name: string) => string): unknown[] =>
      zones.flatMap((name) =>
        (['PT1H', 'P1D', 'P1W', 'P1M'] as const).map((what) =>
          windowAt({ period: what, window: 'calendar', zone: spell(name) }, Date.parse('2031-05-05T10:15:00Z')),
        ),
      );
    const first = readAll((name) => name);
    const made = reads.mock.calls.length;
    expect(made).toBeGreaterThan(4 * zones.length);
    expect(readAll((name) => name.toUpperCase())).toEqual(first);
    expect(readAll((name) => name)).toEqual(first);
    expect(reads.mock.calls.length).toBe(made);
    reads.mockRestore();
  });

  it('begins on a day of its own, on Monday, or on the first', () => {
    fc.assert(
      fc.property(zone, instant, (where, now) => {
        const startOf = (what: 'P1D' | 'P1W' | 'P1M') =>
          windowAt({ period: what, window: 'calendar', zone: where }, now).since ?? 0;
        const before = (start: number) => toLocalTime(new Date(start - 1), where);
        const after = (start: number) => toLocalTime(new Date(start), where);
        for (const what of ['P1D', 'P1W', 'P1M'] as const)
          expect(before(startOf(what)).day).not.toBe(after(startOf(what)).day);
        expect(after(startOf('P1W')).weekday).toBe(1);
        expect(after(startOf('P1M')).day).toBe(1);
      }),
      { numRuns: 200 },
    );
  });

  it.each([
    ['2030-03-04T10:00:00Z', 'P1D', 'UTC', '2030-03-04T00:00:00+00:00 24'],
    ['2030-03-04T10:00:00Z', 'P1W', 'UTC', '2030-03-04T00:00:00+00:00 168'],
    ['2030-03-03T23:59:59Z', 'P1W', 'UTC', '2030-02-25T00:00:00+00:00 168'],
    ['2030-02-28T22:59:59Z', 'P1M', 'Europe/Berlin', '2030-02-01T00:00:00+01:00 672'],
    ['2030-02-28T23:00:00Z', 'P1M', 'Europe/Berlin', '2030-03-01T00:00:00+01:00 743'],
    // Summer time begins on March 31, and ends on October 27.
    ['2030-03-31T12:00:00Z', 'P1D', 'Europe/Berlin', '2030-03-31T00:00:00+01:00 23'],
    ['2030-10-27T00:00:00Z', 'P1D', 'Europe/Berlin', '2030-10-27T00:00:00+02:00 25'],
    // There the clock goes from midnight to one: the day begins at one.
    ['2030-04-26T12:00:00Z', 'P1D', 'Africa/Cairo', '2030-04-26T01:00:00+03:00 23'],
    ['2030-03-04T10:20:00Z', 'PT1H', 'Asia/Kathmandu', '2030-03-04T16:00:00+05:45 1'],
  ] as const)('of %s, %s in %s', (now, what, where, expected) => {
    expect(at(now, what, where)).toBe(expected);
  });
});

describe('other windows', () => {
  it('slide: the last of them is as long as the period', () => {
    fc.assert(
      fc.property(
        instant,
        fc.constantFrom(['PT1H', 1] as const, ['P1D', 24] as const, ['P1W', 168] as const),
        (now, [what, hours]) => {
          const { since = 0, end, length } = windowAt({ period: what, window: 'sliding', zone: 'UTC' }, now);
          expect([now + 1 - since, end, length]).toEqual([hours * HOUR, undefined, hours * HOUR]);
        },
      ),
    );
  });

  it('never end where all uses count', () => {
    expect(windowAt({ period: 'total', window: 'sliding', zone: 'UTC' }, 0)).toEqual({
      since: undefined,
      end: undefined,
      length: undefined,
    });
  });
});
