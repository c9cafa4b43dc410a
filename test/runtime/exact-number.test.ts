/** Numbers are accepted exactly where their double stands for the same decimal value. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findInexactNumber, isJsonNumber, isKeptExactly } from '../../src/runtime/exact-number.js';

/** The literal as an exact fraction: numerator and power of ten below it. */
function toFraction(literal: string): { readonly numerator: bigint; readonly places: number } {
  const [, sign = '', whole = '', fraction = '', power = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(literal) ?? [];
  const places = fraction.length - Number(power);
  const numerator = BigInt(`${sign}${whole}${fraction}`) * 10n ** BigInt(Math.max(0, -places));
  return { numerator, places: Math.max(0, places) };
}

function isSameValue(a: string, b: string): boolean {
  const [x, y] = [toFraction(a), toFraction(b)];
  return x.numerator * 10n ** BigInt(y.places) === y.numerator * 10n ** BigInt(x.places);
}

const digits = (minLength: number, maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...Array.from('0123456789')), minLength, maxLength });
const whole = fc.oneof(
  fc.constant('0'),
  digits(1, 24).map((text) => text.replace(/^0+(?=.)/, '')),
);
const anyLiteral = fc
  .record({
    sign: fc.constantFrom('', '-'),
    whole,
    fraction: fc.option(digits(1, 24)),
    power: fc.option(fc.record({ e: fc.constantFrom('e', 'E', 'e+', 'e-'), power: fc.nat({ max: 340 }) })),
  })
  .map(
    ({ sign, whole, fraction, power }) =>
      sign + whole + (fraction === null ? '' : `.${fraction}`) + (power === null ? '' : `${power.e}${power.power}`),
  );
/** Spellings that lie on and beside doubles, where a rounding mistake would show. */
const nearDoubles = fc
  .tuple(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom(15, 16, 17, 18, 21))
  .map(([value, precision]) => value.toPrecision(precision));

describe('isKeptExactly', () => {
  it.each([
    '0',
    '-0',
    '0e999999999',
    '0.1',
    '1.0',
    '1e3',
    '100.50',
    '9007199254740991',
    '9007199254740992',
    '1e22',
    '1E+300',
    '5e-324',
    '1.7976931348623157e308',
  ])('keeps %s', (literal) => expect(isKeptExactly(literal)).toBe(true));

  it.each([
    '9007199254740993',
    '1234567890123456789',
    '-1234567890123456789',
    '0.1000000000000000055',
    '0.30000000000000000001',
    '1e400',
    '-1e400',
    '1e-400',
    '1e99999999999999999999',
    '4e-324',
    `1${'0'.repeat(400)}`,
  ])('refuses %s', (literal) => expect(isKeptExactly(literal)).toBe(false));

  it('accepts a literal if and only if the shortest form of its double is the same number', () => {
    fc.assert(
      fc.property(fc.oneof(anyLiteral, nearDoubles), (literal) => {
        const value = Number(literal);
        const expected = Number.isFinite(value) && isSameValue(literal, String(value));
        expect(isKeptExactly(literal)).toBe(expected);
      }),
      { numRuns: 2000 },
    );
  });

  it('accepts what JavaScript writes for any double', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(isKeptExactly(JSON.stringify(value))).toBe(true);
      }),
    );
  });

  it('reads a literal of a million digits', () => {
    const zeros = '0'.repeat(1_000_000);
    expect(isKeptExactly(`0.${zeros}1`)).toBe(false);
    expect(isKeptExactly(`1.${zeros}`)).toBe(true);
    expect(isKeptExactly(`1.${zeros}1`)).toBe(false);
  });
});

describe('findInexactNumber', () => {
  const numbers = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    fc.constantFrom('9007199254740993', '1e400', '1e-400', '0.1000000000000000055', '1e3', '-0', '123456789012345'),
  );
  const json = fc.letrec<{ value: string }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      numbers,
      fc.constantFrom('"1e400"', '"\\\\"', '"a\\"9007199254740993"', 'true', 'null'),
      fc.array(tie('value'), { maxLength: 4 }).map((items) => `[${items.join(' , ')}]`),
      fc.array(tie('value'), { maxLength: 3 }).map((items) => `{${items.map((item, i) => `"k${i}e5":${item}`).join(',')}}`),
    ),
  })).value; // prettier-ignore

  it('finds the first number that is not kept, and none in a text in quotes', () => {
    const seen = { found: 0, none: 0 };
    fc.assert(
      fc.property(json, (text) => {
        const literals = [...text.matchAll(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g)].filter(
          ([token]) => !token.startsWith('"'),
        );
        const expected = literals.find(([literal]) => !isKeptExactly(literal))?.index;
        expect(findInexactNumber(text)).toBe(expected);
        seen[expected === undefined ? 'none' : 'found'] += 1;
      }),
      { numRuns: 1000 },
    );
    expect(Math.min(seen.found, seen.none)).toBeGreaterThan(50);
  });

  it('takes a text of usual length as it is', () => {
    const id = 'a'.repeat(20);
    expect(findInexactNumber(JSON.stringify({ id, now: '2030-03-04T02:00:00.123Z', amount: 12.5 }))).toBeUndefined();
  });
});

describe('isJsonNumber', () => {
  it.each(['0', '-1', '1.50', '1e3', '1E-3'])('knows %s', (text) => expect(isJsonNumber(text)).toBe(true));
  it.each(['', '007', '+1', '.5', '5.', '0x1F', '0o17', '1_000', '.inf', '.nan', '1e', ' 1', '1\n'])(
    'refuses %j',
    (text) => expect(isJsonNumber(text)).toBe(false),
  );
});
