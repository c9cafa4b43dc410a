/** Amounts: exact comparison of integers with decimals, and what is no amount. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareAmounts, isAmount, type Amount } from '../../src/model/amounts.js';

const euros = (value: number, decimals: number): Amount => ({ value, unit: 'EUR', decimals });

describe('isAmount', () => {
  it.each([euros(1250, 2), euros(-1, 0), euros(Number.MAX_SAFE_INTEGER, 18)])('takes %j', (amount) => {
    expect(isAmount(amount)).toBe(true);
  });

  it.each([
    1250,
    '12.50',
    null,
    [1250, 'EUR', 2],
    { value: 12.5, unit: 'EUR', decimals: 2 },
    { value: 2 ** 53, unit: 'EUR', decimals: 2 },
    { value: 2 ** 64, unit: 'EUR', decimals: 2 },
    { value: '1250', unit: 'EUR', decimals: 2 },
    { value: 1250, unit: '', decimals: 2 },
    { value: 1250, unit: 'EUR' },
    { value: 1250, unit: 'EUR', decimals: -1 },
    { value: 1250, unit: 'EUR', decimals: 19 },
    { value: 1250, unit: 'EUR', decimals: 2, note: 'tip' },
  ])('refuses %j', (value) => {
    expect(isAmount(value)).toBe(false);
  });
});

describe('compareAmounts', () => {
  it('scales other decimals exactly', () => {
    expect(compareAmounts(euros(1250, 2), euros(125, 1))).toBe(0);
    expect(compareAmounts(euros(1251, 2), euros(125, 1))).toBe(1);
    expect(compareAmounts(euros(9_007_199_254_740_991, 0), euros(9_007_199_254_740_991, 18))).toBe(1);
  });

  it('has no order for two units', () => {
    expect(compareAmounts(euros(1, 0), { value: 1, unit: 'USD', decimals: 0 })).toBeUndefined();
  });

  it('is the order of the fractions', () => {
    const amount = fc.record({
      value: fc.maxSafeInteger(),
      unit: fc.constant('EUR'),
      decimals: fc.integer({ min: 0, max: 18 }),
    });
    fc.assert(
      fc.property(amount, amount, (a, b) => {
        const difference = BigInt(a.value) * 10n ** BigInt(b.decimals) - BigInt(b.value) * 10n ** BigInt(a.decimals);
        expect(compareAmounts(a, b)).toBe(difference < 0n ? -1 : difference > 0n ? 1 : 0);
      }),
    );
  });
});
