/**
 * The window of a limit at an instant, by pure functions: a sliding one ends now, calendar windows begin at the full hour,
 * at midnight, on Monday and on the first, by the clock on the wall of a time zone. Days of 23 and of 25 hours are whole.
 */
import { LRUCache } from 'lru-cache';
import type { Limit, LimitPeriod } from '../../model/limits.js';
import { normalizeZone, toWallClock } from '../../runtime/local-time.js';

export interface LimitWindow {
  /** The first millisecond whose uses count, since 1970; undefined where all count that ever were. */
  readonly since: number | undefined;
  /** The end of a calendar window: the first millisecond of the next one. */
  readonly end: number | undefined;
  /** The length of a sliding window, in milliseconds. */
  readonly length: number | undefined;
}

const MS_PER_HOUR = 3_600_000;
const MS_PER_DAY = 24 * MS_PER_HOUR;
const SLIDING_MS = { PT1H: MS_PER_HOUR, P1D: MS_PER_DAY, P1W: 7 * MS_PER_DAY } as const;

/**
 * Calendar windows by their period and zone, each as it was last asked for: until it ends nothing is computed anew. There are
 * about 600 zones with four periods, so that all of them have room.
 */
const calendarWindows = new LRUCache<string, LimitWindow & { readonly since: number; readonly end: number }>({
  max: 4096,
});

/** @param at milliseconds since 1970 */
export function windowAt({ period, window, zone }: Pick<Limit, 'period' | 'window' | 'zone'>, at: number): LimitWindow {
  if (period === 'total') return { since: undefined, end: undefined, length: undefined };
  if (window === 'sliding' && period !== 'P1M') {
    const length = SLIDING_MS[period];
    return { since: at - length + 1, end: undefined, length };
  }
  const key = `${period} ${normalizeZone(zone)}`;
  const last = calendarWindows.get(key);
  if (last !== undefined && last.since <= at && at < last.end) return last;
  const first = floorWall(toWallClock(at, zone), period);
  const current = {
    since: findWallInstant(first, zone),
    end: findWallInstant(nextWall(first, period), zone),
    length: undefined,
  };
  calendarWindows.set(key, current);
  return current;
}

type CalendarPeriod = Exclude<LimitPeriod, 'total'>;

/** The beginning of the period by the wall's clock, which is written as milliseconds of UTC. */
function floorWall(wall: number, period: CalendarPeriod): number {
  const date = new Date(wall);
  if (period === 'PT1H') return date.setUTCMinutes(0, 0, 0);
  date.setUTCHours(0, 0, 0, 0);
  // ISO 8601: weeks begin on Monday.
  if (period === 'P1W') return date.setUTCDate(date.getUTCDate() - ((date.getUTCDay() + 6) % 7));
  return period === 'P1M' ? date.setUTCDate(1) : date.getTime();
}

function nextWall(first: number, period: CalendarPeriod): number {
  const date = new Date(first);
  return period === 'P1M' ? date.setUTCMonth(date.getUTCMonth() + 1) : first + SLIDING_MS[period];
}

/** Zones are at most 14 hours off UTC, and jump by a day at most. */
const MAX_OFFSET_MS = 40 * MS_PER_HOUR;

/** The first instant at which the wall's clock shows the time or a later one: some midnights don't exist. */
function findWallInstant(wall: number, zone: string): number {
  let [before, after] = [wall - MAX_OFFSET_MS, wall + MAX_OFFSET_MS];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (toWallClock(middle, zone) >= wall) after = middle;
    else before = middle;
  }
  return after;
}
