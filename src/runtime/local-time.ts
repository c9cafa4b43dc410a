/** The local time of a time zone: what the clock and the calendar on the wall there say at an instant. */

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
/** By zone: a formatter takes longer to make than to use, and a configuration has one zone. */
const formatters = new Map<string, Intl.DateTimeFormat>();

/** @throws RangeError where there is no such zone */
export function toLocalTime(instant: Date, zone: string): LocalTime {
  const parts = new Map(
    getFormatter(zone)
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

/** Says what is wrong with the name of a zone, as the rest of a sentence; undefined where nothing is. */
export function findZoneProblem(zone: string): string | undefined {
  // An offset is no place: it has no summer time, and JavaScript would take it.
  if (/^[A-Za-z]/.test(zone)) {
    try {
      getFormatter(zone);
      return undefined;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
  return 'must be a time zone of the IANA database, such as "Europe/Berlin"';
}

function getFormatter(zone: string): Intl.DateTimeFormat {
  const formatter =
    formatters.get(zone) ??
    new Intl.DateTimeFormat('en-US-u-ca-gregory-nu-latn', {
      timeZone: zone,
      weekday: 'short',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      hourCycle: 'h23',
    });
  formatters.set(zone, formatter);
  return formatter;
}
