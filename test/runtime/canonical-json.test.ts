/** Canonical texts of JSON values: equal where the values are, and made once for each object. */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatCanonicalJson } from '../../src/runtime/canonical-json.js';
import { countReads } from '../support/count-reads.js';

const scalar = fc.constantFrom<unknown>(0, 1, 1.5, '', 'a', '1', 'null', true, false, null);
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 3 },
    scalar,
    fc.array(tie('json'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'b', '1', '10', '2'), tie('json'), { maxKeys: 3, noNullPrototype: true }),
  ),
}));
/** The same value with the members of its objects in the other order. */
const turnAround = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(turnAround);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, member]) => [name, turnAround(member)]),
  );
};

describe('formatCanonicalJson', () => {
  it('gives two values one text where they are deeply equal, and only there', () => {
    fc.assert(
      fc.property(json, json, (a, b) => {
        expect(formatCanonicalJson(a) === formatCanonicalJson(b)).toBe(isDeepStrictEqual(a, b));
        expect(formatCanonicalJson(turnAround(a))).toBe(formatCanonicalJson(a));
        expect(isDeepStrictEqual(JSON.parse(formatCanonicalJson(a)), a)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('tells numbers by their values, and leaves out what is undefined', () => {
    expect(formatCanonicalJson(-0)).toBe('0');
    expect(formatCanonicalJson({ b: -0, a: undefined, c: [undefined] })).toBe('{"b":0,"c":[null]}');
    expect(formatCanonicalJson(undefined)).toBe('null');
  });

  it('reads an object once, however often it is asked', () => {
    const { value, reads } = countReads({ a: [1, 2, { b: 'x' }] });
    formatCanonicalJson(value);
    const once = reads();
    expect(once).toBeGreaterThan(0);
    for (let i = 0; i < 100; i += 1) formatCanonicalJson(value);
    expect(reads()).toBe(once);
  });
});
