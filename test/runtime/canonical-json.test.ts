/** Canonical texts of JSON values: equal where the values are, and made once for each object. */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatCanonicalJson, formatStatedJson } from '../../src/runtime/canonical-json.js';
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

/** The value with members in another order, and with members that are null. */
function reorder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reorder);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, member]): [string, unknown] => [name, reorder(member)]);
  return Object.fromEntries([...entries.reverse(), ['~nothing', null]]);
}
function omitNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(omitNulls);
  if (typeof value !== 'object' || value === null) return value;
  const stated = Object.entries(value).filter(([, member]) => member !== null);
  return Object.fromEntries(stated.map(([name, member]) => [name, omitNulls(member)]));
}
const values = fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown);

describe('formatStatedJson', () => {
  it.each<[unknown, string]>([
    [{ b: 1, a: [2, null, { d: null, c: 'x' }] }, '{"a":[2,null,{"c":"x"}],"b":1}'],
    [JSON.parse('[1.0, 1e2, -0, 0.1, 1e21, 333333333.33333329]'), '[1,100,0,0.1,1e+21,333333333.3333333]'],
    // RFC 8785 section 3.2.3: by UTF-16 code units.
    [{ '€': 1, '\r': 2, '\ufb33': 3, '1': 4, '😀': 5, '\u0080': 6, ö: 7 },
      '{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"😀":5,"\ufb33":3}'],
    [JSON.parse('{"__proto__": {"a": 1}}'), '{"__proto__":{"a":1}}'],
    ['', '""'],
    [null, 'null'],
  ])('writes %j', (value, text) => {
    expect(formatStatedJson(value)).toBe(text);
  }); // prettier-ignore

  it('is the same text for equal values, however they are written', () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(formatStatedJson(reorder(value))).toBe(formatStatedJson(value));
      }),
    );
  });

  it('is another text for any other value', () => {
    fc.assert(
      fc.property(values, values, (a, b) => {
        const isSame = isDeepStrictEqual(omitNulls(a), omitNulls(b));
        expect(formatStatedJson(a) === formatStatedJson(b)).toBe(isSame);
        expect(JSON.parse(formatStatedJson(a))).toEqual(omitNulls(a));
      }),
    );
  });
});
