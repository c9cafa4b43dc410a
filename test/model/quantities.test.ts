/** Exact quantities: held against rational arithmetic of BigInts, and hostile amounts refused. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatQuantity,
  formatQuantityNumber,
  readAmount,
  readDecimalNumber,
  rescaleQuantity,
} from '../../src/model/quantities.js';

const INT64 = 2n ** 63n - 1n;
const decimals = fc.integer({ min: 0, max: 18 });

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
    const quantity = { value: 1250n, unit: 'EUR', decimals: 2 };
    expect(readAmount({ value: 1250, unit: 'EUR', decimals: 2 })).toEqual({ quantity });
    expect(readAmount({ value: 7, unit: 'tokens' })).toEqual({ quantity: { value: 7n, unit: 'tokens', decimals: 0 } });
  });

  it.each([
    [12.5, /must be an amount/],
    ['12.50 EUR', /must be an amount/],
    [null, /must be an amount/],
    [[1250, 'EUR'], /must be an amount/],
    [{ value: '1250', unit: 'EUR' }, /"value" that is a whole number/],
    [{ value: 12.5, unit: 'EUR' }, /"value" that is a whole number/],
    [{ value: 2 ** 53, unit: 'EUR' }, /"value" that is a whole number/],
    [{ value: -1, unit: 'EUR' }, /must not be negative/],
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
