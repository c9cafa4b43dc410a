/** Local time: what the wall clock of a zone says, at the edges of summer time too, and which zones there are. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findZoneProblem, formatLocalInstant, toLocalTime } from '../../src/runtime/local-time.js';

const at = (instant: string, zone: string): string => {
  const { weekday, day, hour, minute } = toLocalTime(new Date(instant), zone);
  return `${weekday} ${day} ${hour}:${minute}`;
};

describe('local time', () => {
  it.each([
    ['UTC', '2030-03-04T00:00:00Z', '1 4 0:0'],
    ['UTC', '2030-03-03T23:59:59.999Z', '7 3 23:59'],
    ['Europe/Berlin', '2030-03-04T23:30:00Z', '2 5 0:30'],
    ['America/New_York', '2030-03-01T04:59:00Z', '4 28 23:59'],
    ['Asia/Kathmandu', '2030-03-04T18:15:00Z', '2 5 0:0'],
    ['Pacific/Kiritimati', '2029-12-31T10:00:00Z', '2 1 0:0'],
    // In Berlin 2030's summer time begins on March 31: from 1:59 it is 3:00.
    ['Europe/Berlin', '2030-03-31T00:59:59Z', '7 31 1:59'],
    ['Europe/Berlin', '2030-03-31T01:00:00Z', '7 31 3:0'],
    // And it ends on October 27: 2:30 comes twice.
    ['Europe/Berlin', '2030-10-27T00:30:00Z', '7 27 2:30'],
    ['Europe/Berlin', '2030-10-27T01:30:00Z', '7 27 2:30'],
    ['Europe/Berlin', '2030-10-27T02:00:00Z', '7 27 3:0'],
    // By half an hour only.
    ['Australia/Lord_Howe', '2030-04-06T15:00:00Z', '7 7 1:30'],
  ])('of %s at %s', (zone, instant, expected) => {
    expect(at(instant, zone)).toBe(expected);
  });

  it('of UTC is that of the instant', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('1970-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }),
        (instant) => {
          expect(toLocalTime(instant, 'UTC')).toEqual({
            weekday: instant.getUTCDay() === 0 ? 7 : instant.getUTCDay(),
            day: instant.getUTCDate(),
            hour: instant.getUTCHours(),
            minute: instant.getUTCMinutes(),
          });
        },
      ),
    );
  });

  it('is within its bounds in every zone', () => {
    const zones = Intl.supportedValuesOf('timeZone');
    const instants = fc.date({ min: new Date('1980-01-01'), max: new Date('2060-01-01'), noInvalidDate: true });
    fc.assert(
      fc.property(instants, fc.constantFrom(...zones), (instant, zone) => {
        const local = toLocalTime(instant, zone);
        expect(local.weekday >= 1 && local.weekday <= 7).toBe(true);
        expect(local.day >= 1 && local.day <= 31).toBe(true);
        expect(local.hour >= 0 && local.hour <= 23).toBe(true);
        expect(local.minute >= 0 && local.minute <= 59).toBe(true);
      }),
    );
  });
});

describe('a zone', () => {
  it.each(['UTC', 'Europe/Berlin', 'America/Argentina/Buenos_Aires', 'Asia/Calcutta', 'Etc/GMT+5'])('is %s', (zone) => {
    expect(findZoneProblem(zone)).toBeUndefined();
  });

  it.each(['', 'Europe/Berln', '+01:00', '-05:00', 'UTC+1', 'Mars/Olympus', '../etc/passwd'])('is not "%s"', (zone) => {
    expect(findZoneProblem(zone)).toBe('must be a time zone of the IANA database, such as "Europe/Berlin"');
  });
});

describe('an instant in a zone', () => {
  it.each([
    ['UTC', '2030-03-04T12:00:00Z', '2030-03-04T12:00:00+00:00'],
    ['Europe/Berlin', '2030-03-04T23:30:00.250Z', '2030-03-05T00:30:00.250+01:00'],
    ['Europe/Berlin', '2030-07-01T00:00:00Z', '2030-07-01T02:00:00+02:00'],
    ['America/New_York', '2030-03-01T04:59:00Z', '2030-02-28T23:59:00-05:00'],
    ['Asia/Kathmandu', '2030-03-04T18:15:00Z', '2030-03-05T00:00:00+05:45'],
  ])('of %s at %s', (zone, instant, expected) => {
    expect(formatLocalInstant(new Date(instant), zone)).toBe(expected);
  });

  it('is the same instant, with the wall clock of the zone', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('1972-01-01'), max: new Date('9998-12-31'), noInvalidDate: true }),
        fc.constantFrom('UTC', 'Europe/Berlin', 'America/St_Johns', 'Australia/Lord_Howe', 'Pacific/Kiritimati'),
        (instant, zone) => {
          const text = formatLocalInstant(instant, zone);
          expect(Date.parse(text)).toBe(instant.getTime());
          const { day, hour, minute } = toLocalTime(instant, zone);
          const [dd, hh, mm] = [day, hour, minute].map((n) => String(n).padStart(2, '0'));
          expect(text.slice(8, 16)).toBe(`${dd}T${hh}:${mm}`);
        },
      ),
    );
  });
});
