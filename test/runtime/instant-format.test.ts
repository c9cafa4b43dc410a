/** An instant is one of RFC 3339 with an offset that there is, and means the same everywhere. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseInstant } from '../../src/model/instants.js';
import { INSTANT_PROBLEM, instantFormat, utcInstantFormat } from '../../src/runtime/instant-format.js';

it.each([
  ['2030-03-04T10:00:00Z', '2030-03-04T10:00:00.000Z'],
  ['2030-03-04T10:00:00.5Z', '2030-03-04T10:00:00.500Z'],
  ['2030-03-04T10:00:00.500000Z', '2030-03-04T10:00:00.500Z'],
  ['2030-03-04T10:00:00.123000000+01:00', '2030-03-04T09:00:00.123Z'],
  ['2030-03-04T10:00:00+14:00', '2030-03-03T20:00:00.000Z'],
  ['2030-03-04T10:00:00-12:00', '2030-03-04T22:00:00.000Z'],
  ['2030-03-04T10:00:00+05:45', '2030-03-04T04:15:00.000Z'],
  ['2030-03-04T10:00:00-00:00', '2030-03-04T10:00:00.000Z'],
  ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
  ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59.000Z'],
])('%s is %s', (text, utc) => {
  expect(parseInstant(text)?.toISOString()).toBe(utc);
  expect(instantFormat.parse(text)).toBe(text);
  expect(utcInstantFormat.parse(text)).toBe(utc);
});

it.each([
  '2030-03-04T10:00:00-17:33', '2030-03-04T10:00:00+14:01', '2030-03-04T10:00:00+24:00', '2030-03-04T10:00:00+99:99',
  '2030-03-04T10:00:00+05:60', '2030-03-04T23:59:60Z', '2030-03-04T24:00:00Z', '2030-02-29T00:00:00Z', '0000-01-01T00:00:00Z',
  '0001-01-01T00:00:00+01:00', '9999-12-31T23:59:59-01:00', '99999-01-01T00:00:00Z', '+012030-01-01T00:00:00Z',
  '2030-03-04T10:00Z', '2030-03-04', '2030-03-04T10:00:00', '2030-03-04 10:00:00Z', '2030-03-04t10:00:00z', '1e3',
  '2030-03-04T10:00:00.0001Z', '2030-03-04T10:00:00.9999Z', '2030-03-04T10:00:00.123456Z', '2030-03-04T10:00:00.000000001+01:00',
  '2030-03-04T10:00:00.Z', ' 2030-03-04T10:00:00Z', '2030-03-04T10:00:00Z\n', `2030-03-04T10:00:00.${'0'.repeat(100)}Z`, '',
])('%j is none', (text) => {
  for (const format of [instantFormat, utcInstantFormat])
    expect(format.safeParse(text).error?.issues[0]?.message).toBe(INSTANT_PROBLEM);
}); // prettier-ignore

it('any offset that there is moves an instant by itself, and any other makes none', () => {
  const two = (n: number): string => String(n).padStart(2, '0');
  fc.assert(
    fc.property(fc.nat({ max: 99 }), fc.nat({ max: 99 }), fc.constantFrom('+', '-'), (hours, minutes, sign) => {
      const parsed = parseInstant(`2030-03-04T10:00:00${sign}${two(hours)}:${two(minutes)}`);
      const offset = hours * 60 + minutes;
      if (minutes > 59 || offset > 14 * 60) expect(parsed).toBeUndefined();
      else expect(parsed?.getTime()).toBe(Date.UTC(2030, 2, 4, 10) - (sign === '+' ? 1 : -1) * offset * 60_000);
    }),
  );
});

it('a fraction is kept exactly, or it makes no instant', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^\d{1,12}$/), (digits) => {
      const parsed = parseInstant(`2030-03-04T10:00:00.${digits}Z`);
      const isExact = /^\d{1,3}0*$/.test(digits);
      const milliseconds = Number(digits.padEnd(3, '0').slice(0, 3));
      expect(parsed?.getTime()).toBe(isExact ? Date.UTC(2030, 2, 4, 10) + milliseconds : undefined);
    }),
  );
});
