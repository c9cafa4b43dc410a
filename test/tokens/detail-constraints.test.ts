/** Constraints hold as deep comparison says, and take time in proportion to what is compared. */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareQuantities, readAmount } from '../../src/model/quantities.js';
import { constraintIncludes, findConstraintMisfit } from '../../src/tokens/detail-constraints.js';
import { countReads } from '../support/count-reads.js';

const amount = fc.record({
  value: fc.constantFrom(0, 1, 10, 100, -10),
  unit: fc.constantFrom('EUR', 'USD'),
  decimals: fc.integer({ min: 0, max: 2 }),
});
const scalar = fc.constantFrom<unknown>(0, 1, '0', '', 'a', true, null);
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 3 },
    scalar,
    amount,
    fc.array(tie('json'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'b'), tie('json'), { maxKeys: 2, noNullPrototype: true }),
  ),
}));
const holds = (constraint: unknown, value: unknown): boolean =>
  findConstraintMisfit('x', constraint, { action: { x: value }, context: {}, resource: {} }) === undefined;
const areEqual = (a: unknown, b: unknown): boolean => {
  const [left, right] = [readAmount(a), readAmount(b)];
  return 'amount' in left && 'amount' in right
    ? compareQuantities(left.amount, right.amount) === 0
    : isDeepStrictEqual(a, b);
};

describe('constraints', () => {
  it('hold as comparing each value deeply with each says', () => {
    const list = fc.array(json, { minLength: 1, maxLength: 4 });
    let hits = 0;
    fc.assert(
      fc.property(fc.oneof(json, list), list, (value, allowed) => {
        expect(holds({ equals: allowed[0] }, value)).toBe(areEqual(value, allowed[0]));
        const elements: unknown[] = Array.isArray(value) ? value : [value];
        const isAllowed = elements.length > 0 && elements.every((one) => allowed.some((other) => areEqual(one, other)));
        expect(holds({ one_of: allowed }, value)).toBe(isAllowed);
        if (isAllowed) hits += 1;
        const isPart = Array.isArray(value) && elements.every((one) => allowed.some((other) => areEqual(one, other)));
        expect(constraintIncludes({ one_of: allowed }, { one_of: value })).toBe(isPart);
      }),
      { numRuns: 3_000 },
    );
    expect(hits).toBeGreaterThan(30);
  });

  it.each([
    ['lists', (n: number) => [...Array.from({ length: n }, () => []), {}]],
    ['objects', (n: number) => Array.from({ length: n }, (_, i) => ({ i }))],
    ['deep values', (n: number) => Array.from({ length: n }, (_, i) => [[[[i % 7]]]])],
  ])('compare %s with a list of them in a number of reads that grows with their length', (_, make) => {
    const countFor = (length: number): number => {
      const allowed = countReads(make(length));
      const value = countReads([...make(length), 'none']);
      for (let i = 0; i < 32; i += 1) {
        holds({ one_of: allowed.value }, value.value);
        constraintIncludes({ one_of: allowed.value }, { one_of: value.value });
      }
      return allowed.reads() + value.reads();
    };
    expect(countFor(2_000)).toBeLessThan(12 * countFor(200));
  });
});
