/** The local time of a time zone: what the clock and the calendar on the wall there say at an instant. */
import { LRUCache } from 'lru-cache';

export interface LocalTime {
  /** ISO 8601: 1 is Monday, 7 is Sunday. */
  readonly weekday: number;
  /** The day of the month, from 1. */
  readonly day: number;
  /** 0 to 23. */
  readonly hour: number;
  readonly minute: number;
}

/** The members of {@link LocalTime}. */
export const LOCAL_TIME_MEMBERS = ['weekday', 'day', 'hour', 'minute'] as const satisfies readonly (keyof LocalTime)[];

export const DEFAULT_ZONE = 'UTC';

const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];

/** There are about 600 names of zones. */
const MAX_CACHED_ZONES = 1_000;

/** The name in one spelling: capitals make no difference, and none may make a formatter of its own. */
export function normalizeZone(zone: string): string {
  return zone.toLowerCase();
}

/** Formatters by zone: one takes longer to make than to use. */
function createZoneFormatters(parts: Intl.DateTimeFormatOptions): (zone: string) => Intl.DateTimeFormat {
  const formatters = new LRUCache<string, Intl.DateTimeFormat>({ max: MAX_CACHED_ZONES });
  return (zone) => {
    const key = normalizeZone(zone);
    const cached = formatters.get(key);
    if (cached !== undefined) return cached;
    const formatter = new Intl.DateTimeFormat('en-US-u-ca-gregory-nu-latn', { ...parts, timeZone: zone });
    formatters.set(key, formatter);
    return formatter;
  };
}

const getLocalFormatter = createZoneFormatters({
  weekday: 'short',
  day: 'numeric',
  hour: 'numeric',
  minute: 'numeric',
  hourCycle: 'h23',
});
const getOffsetFormatter = createZoneFormatters({ timeZoneName: 'longOffset' });
const getWallFormatter = createZoneFormatters({
  year: 'numeric',
  month: 'numeric',
  day: 'numeric',
  hour: 'numeric',
  minute: 'numeric',
  second: 'numeric',
  hourCycle: 'h23',
});

/** @throws RangeError where there is no such zone */
export function toLocalTime(instant: Date, zone: string): LocalTime {
  const parts = new Map(
    getLocalFormatter(zone)
      .formatToParts(instant)
      .map(({ type, value }) => [type, value]),
  );
  const readNumber = (part: Intl.DateTimeFormatPartTypes): number => Number(parts.get(part));
  return {
    weekday: WEEKDAYS.indexOf(parts.get('weekday') ?? '') + 1,
    day: readNumber('day'),
    hour: readNumber('hour'),
    minute: readNumber('minute'),
  };
}

/** The instant as RFC 3339 in the zone: `2030-03-04T13:00:00+01:00`. @throws RangeError where there is no such zone */
export function formatLocalInstant(instant: Date, zone: string): string {
  const name =
    getOffsetFormatter(zone)
      .formatToParts(instant)
      .find(({ type }) => type === 'timeZoneName')?.value ?? '';
  // GMT alone is no offset. Long ago some zones' had seconds, which RFC 3339 has no place for.
  const [, sign = '+', hours = '00', minutes = '00'] = /^GMT([+-])(\d\d):(\d\d)/.exec(name) ?? [];
  const offsetMs = Number(`${sign}1`) * (Number(hours) * 60 + Number(minutes)) * 60_000;
  const text = new Date(instant.getTime() + offsetMs).toISOString().slice(0, -1);
  return `${text.replace(/\.000$/, '')}${sign}${hours}:${minutes}`;
}

/**
 * The time that the wall's clock shows at an instant, as the milliseconds since 1970 at which UTC shows the same.
 * @param at milliseconds since 1970, from the year 1
 * @throws RangeError where there is no such zone
 */
export function toWallClock(at: number, zone: string): number {
  if (zone === DEFAULT_ZONE) return at;
  const [month = 1, day = 1, year = 1, hour = 0, minute = 0, second = 0] = getWallFormatter(zone)
    .formatToParts(at)
    .flatMap(({ type, value }) => (type === 'literal' ? [] : [Number(value)]));
  const wall = new Date(0);
  wall.setUTCFullYear(year, month - 1, day);
  return wall.setUTCHours(hour, minute, second, ((at % 1000) + 1000) % 1000);
}

/** Says what is wrong with the name of a zone, as the rest of a sentence; undefined where nothing is. */
export function findZoneProblem(zone: string): string | undefined {
  // An offset is no place: it has no summer time, and JavaScript would take it.
  if (/^[A-Za-z]/.test(zone)) {
    try {
      getLocalFormatter(zone);
      return undefined;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
  return 'must be a time zone of the IANA database, such as "Europe/Berlin"';
}
