/** What a JSON text has, counted before it is parsed, against what the parsed value has. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { measureJson, type JsonExtent } from '../../src/runtime/json-extent.js';
import { parseStrictJson, type StrictJsonError } from '../../src/runtime/strict-json.js';

/** The same of the parsed value. Duplicate keys would be lost there, and empty arrays have no value within. */
function extentOf(value: unknown): JsonExtent {
  if (typeof value === 'string') return { depth: 0, structures: 0, values: 1, strings: 1 };
  if (typeof value !== 'object' || value === null) return { depth: 0, structures: 0, values: 1, strings: 0 };
  const members = Object.values(value).map(extentOf);
  return {
    depth: 1 + Math.max(0, ...members.map(({ depth }) => depth)),
    structures: 1 + (Array.isArray(value) ? 0 : members.length) + members.reduce((n, m) => n + m.structures, 0),
    values: 1 + members.reduce((n, m) => n + m.values, 0),
    strings: (Array.isArray(value) ? 0 : members.length) + members.reduce((n, m) => n + m.strings, 0),
  };
}

it('counts levels, structures and values as they are, whatever strings contain', () => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom('"', '\\', '[', '{', ':', ',', '}', 'a') }));
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 6 },
      fc.constantFrom(null, true, 0, -1.5e-7),
      text,
      fc.array(tie('value'), { maxLength: 5 }),
      fc.dictionary(text, tie('value'), { maxKeys: 5 }),
    ),
  })).value;
  fc.assert(
    fc.property(value, fc.nat(3), (v, indent) => {
      const { depth, structures, values, strings } = measureJson(JSON.stringify(v, undefined, indent));
      const real = extentOf(v);
      expect({ depth, structures, strings }).toEqual({
        depth: real.depth,
        structures: real.structures,
        strings: real.strings,
      });
      // Each empty array or object counts once too often at most.
      expect(values).toBeGreaterThanOrEqual(real.values - real.structures);
      expect(values).toBeLessThanOrEqual(real.values + real.structures);
    }),
  );
}); // prettier-ignore

it('ends with a text that never ends its string, and with one of quotes and backslashes alone', () => {
  for (const text of ['', '"', '"\\', '"\\"', `"${'\\'.repeat(1_000_001)}"`, '\\"'.repeat(500_000)])
    expect(measureJson(text).depth).toBe(0);
});

it('refuses texts of others that have too much, before they are parsed', () => {
  const limits = { structures: 10, values: 20 };
  const problem = { message: 'has more than 10 arrays, objects and members, or more than 20 values' };
  expect(parseStrictJson('[[],[],[],[]]', 32, limits)).toEqual([[], [], [], []]);
  for (const text of [`[${'[],'.repeat(10)}1]`, `{${'"a":1,'.repeat(10)}`, `[${'1,'.repeat(30)}1]`])
    expect(() => parseStrictJson(text, 32, limits)).toThrow(expect.objectContaining(problem) as StrictJsonError);
});
