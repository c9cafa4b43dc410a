/** Exact quantities: held against rational arithmetic of BigInts, and hostile amounts refused. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compareQuantities,
  formatQuantity,
  formatQuantityNumber,
  readAmount,
  readDecimalNumber,
  rescaleQuantity,
  type Amount,
} from '../../src/model/quantities.js';

const INT64 = 2n ** 63n - 1n;
const decimals = fc.integer({ min: 0, max: 18 });
const euros = (value: bigint, places: number): Amount => ({ value, unit: 'EUR', decimals: places });

describe('rescaling', () => {
  it('keeps the number exactly, or says that it can not', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: INT64 }), decimals, decimals, (value, from, to) => {
        const scaled = rescaleQuantity({ value, decimals: from }, to);
        const exact = value * 10n ** BigInt(to);
        if (scaled !== undefined) {
          expect(scaled * 10n ** BigInt(from)).toBe(exact);
          expect(scaled <= INT64).toBe(true);
        } else {
          const unit = 10n ** BigInt(from);
          expect(exact % unit !== 0n || exact / unit > INT64).toBe(true);
        }
      }),
    );
  });

  it('does so at the edge of 64 bits', () => {
    expect(rescaleQuantity({ value: INT64, decimals: 0 }, 0)).toBe(INT64);
    expect(rescaleQuantity({ value: INT64, decimals: 0 }, 1)).toBeUndefined();
    expect(rescaleQuantity({ value: 9007199254740991n, decimals: 0 }, 18)).toBeUndefined();
    expect(rescaleQuantity({ value: 1250n, decimals: 3 }, 2)).toBe(125n);
    expect(rescaleQuantity({ value: 1255n, decimals: 3 }, 2)).toBeUndefined();
  });
});

describe('numbers as text', () => {
  it('are read back as they were written', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: INT64 }), decimals, (value, places) => {
        expect(readDecimalNumber(formatQuantityNumber({ value, decimals: places }), places)).toBe(value);
      }),
    );
  });

  it.each([
    ['12.345', 2, 1235n],
    ['12.340', 2, 1234n],
    ['12', 2, 1200n],
    ['0.001', 0, 1n],
    ['0', 18, 0n],
  ])('%s with %i decimals is %i, rounded up', (text, places, expected) => {
    expect(readDecimalNumber(text, places)).toBe(expected);
  });

  it('have their unit', () => {
    expect(formatQuantity({ value: 5n, unit: 'EUR', decimals: 2 })).toBe('0.05 EUR');
    expect(formatQuantity({ value: 100n, unit: undefined, decimals: 0 })).toBe('100');
  });
});

describe('an amount', () => {
  it('is a whole number of a unit', () => {
    expect(readAmount({ value: 1250, unit: 'EUR', decimals: 2 })).toEqual({ amount: euros(1250n, 2) });
    expect(readAmount({ value: -1, unit: 'EUR' })).toEqual({ amount: euros(-1n, 0) });
    expect(readAmount({ value: Number.MAX_SAFE_INTEGER, unit: 'EUR', decimals: 18 })).toEqual({
      amount: euros(2n ** 53n - 1n, 18),
    });
    expect(readAmount({ value: 7, unit: 'tokens' })).toEqual({ amount: { value: 7n, unit: 'tokens', decimals: 0 } });
  });

  it.each([
    [12.5, /must be an amount/],
    ['12.50 EUR', /must be an amount/],
    [null, /must be an amount/],
    [[1250, 'EUR'], /must be an amount/],
    [{ value: '1250', unit: 'EUR' }, /"value" that is a whole number/],
    [{ value: 12.5, unit: 'EUR' }, /"value" that is a whole number/],
    [{ value: 2 ** 53, unit: 'EUR' }, /"value" that is a whole number/],
    [{ value: 2 ** 64, unit: 'EUR' }, /"value" that is a whole number/],
    [{ value: 1, unit: 'EUR', decimals: 2, note: 'tip' }, /has the member "note", which no amount has/],
    [{ value: 1 }, /"unit"/],
    [{ value: 1, unit: '' }, /"unit"/],
    [{ value: 1, unit: 'E U R' }, /"unit"/],
    [{ value: 1, unit: 'EUR', decimals: -1 }, /"decimals" from 0 to 18/],
    [{ value: 1, unit: 'EUR', decimals: 19 }, /"decimals" from 0 to 18/],
    [{ value: 1, unit: 'EUR', decimals: 0.5 }, /"decimals" from 0 to 18/],
  ])('is not %j', (amount, problem) => {
    const read = readAmount(amount);
    expect('problem' in read ? read.problem : '').toMatch(problem);
  });
});

describe('comparing quantities', () => {
  it('scales other decimals exactly', () => {
    expect(compareQuantities(euros(1250n, 2), euros(125n, 1))).toBe(0);
    expect(compareQuantities(euros(1251n, 2), euros(125n, 1))).toBe(1);
    expect(compareQuantities(euros(-1n, 0), euros(1n, 18))).toBe(-1);
  });

  it('has no order for two units, nor for what has more than 64 bits', () => {
    expect(compareQuantities(euros(1n, 0), { value: 1n, unit: 'USD', decimals: 0 })).toBeUndefined();
    expect(compareQuantities(euros(1n, 0), { value: 1n, unit: undefined, decimals: 0 })).toBeUndefined();
    expect(compareQuantities(euros(2n ** 53n - 1n, 0), euros(1n, 18))).toBeUndefined();
  });

  it('is the order of the fractions', () => {
    const amount = fc
      .record({ value: fc.maxSafeInteger(), places: decimals })
      .map(({ value, places }) => euros(BigInt(value), places));
    let compared = 0;
    fc.assert(
      fc.property(amount, amount, (a, b) => {
        const order = compareQuantities(a, b);
        const scaled = (one: Amount, other: Amount): bigint =>
          one.value * 10n ** BigInt(Math.max(0, other.decimals - one.decimals));
        const [left, right] = [scaled(a, b), scaled(b, a)];
        const fits = [left, right].every((value) => value <= INT64 && value >= -INT64);
        if (fits) compared += 1;
        expect(order).toBe(fits ? (left < right ? -1 : left > right ? 1 : 0) : undefined);
      }),
      { numRuns: 500 },
    );
    expect(compared).toBeGreaterThan(50);
  });
});
