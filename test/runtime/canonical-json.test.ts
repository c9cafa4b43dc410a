/** Canonical JSON: one text for equal values, another for any other. */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatCanonicalJson } from '../../src/runtime/canonical-json.js';

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

describe('formatCanonicalJson', () => {
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
    expect(formatCanonicalJson(value)).toBe(text);
  }); // prettier-ignore

  it('is the same text for equal values, however they are written', () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(formatCanonicalJson(reorder(value))).toBe(formatCanonicalJson(value));
      }),
    );
  });

  it('is another text for any other value', () => {
    fc.assert(
      fc.property(values, values, (a, b) => {
        const isSame = isDeepStrictEqual(omitNulls(a), omitNulls(b));
        expect(formatCanonicalJson(a) === formatCanonicalJson(b)).toBe(isSame);
        expect(JSON.parse(formatCanonicalJson(a))).toEqual(omitNulls(a));
      }),
    );
  });
});
