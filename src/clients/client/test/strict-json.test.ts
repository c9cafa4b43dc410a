/** Strict JSON: all that `JSON.parse` takes with other results or not at all, and nothing that two readers read as two things. */
import fc from 'fast-check';
import { JsonProblem, parseExactJson, parseJson } from 'remit-client';
import { expect, it } from 'vitest';

const outcome = (read: () => unknown): unknown => {
  try {
    return { value: read() };
  } catch {
    return 'refused';
  }
};

it('reads what JSON.stringify writes', () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
      const text = JSON.stringify(value);
      fc.pre(!text.includes('"__proto__"'));
      expect(parseJson(text)).toEqual(JSON.parse(text));
      expect(JSON.stringify(parseExactJson(text))).toBe(text);
    }),
  );
});

it('takes no text that JSON.parse refuses, and refuses only for keys and depth what it takes', () => {
  const pieces = fc.constantFrom('{', '}', '[', ']', ',', ':', '"a"', '"b"', '"\\u0061"', '1', '-0', '01', '1.', 'true', 'nul', ' ', '\n', '"\u0001"', '\u00a0'); // prettier-ignore
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
      const text = parts.join('');
      const strict = outcome(() => parseJson(text));
      const plain = outcome(() => JSON.parse(text) as unknown);
      if (plain === 'refused') expect(strict).toBe('refused');
      else if (strict === 'refused') expect(() => parseJson(text)).toThrow(/twice/);
      else expect(strict).toEqual(plain);
    }),
    { numRuns: 3_000 },
  );
});

it('refuses a key that is given twice, at any place and however it is written', () => {
  const key = fc.string({ unit: 'grapheme' }).filter((text) => text !== '__proto__');
  const spell = (text: string): string =>
    `"${[...Array(text.length).keys()].map((i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')}"`;
  fc.assert(
    fc.property(key, fc.jsonValue(), fc.boolean(), (name, value, isNested) => {
      const inner = JSON.stringify(value);
      fc.pre(!inner.includes('"__proto__"'));
      const object = `{${JSON.stringify(name)}:${inner},"":${inner},${spell(name)}:${inner}}`;
      expect(() => parseJson(isNested ? `[1,{"x":${object}}]` : object)).toThrow(JsonProblem);
    }),
  );
});

it('reads strings of any length', () => {
  for (const piece of ['x', '\\n', '\\u0041']) expect(parseJson(`{"a": "${piece.repeat(1_000_000)}"}`)).toBeDefined();
});

it('refuses depth without recursion, and a prototype', () => {
  expect(() => parseJson('['.repeat(1_000_000))).toThrow(JsonProblem);
  expect(parseJson('['.repeat(64) + ']'.repeat(64))).toBeDefined();
  expect(() => parseJson('['.repeat(65) + ']'.repeat(65))).toThrow(/deep/);
  expect(() => parseJson('{"__proto__": 1}')).toThrow(JsonProblem);
});

it('what is written again keeps its numbers', () => {
  expect(() => parseExactJson('{"id": 12345678901234567890}')).toThrow(JsonProblem);
  expect(parseExactJson('[9007199254740991, 1152921504606847000, "12345678901234567890", 0.1]')).toHaveLength(4);
  expect(parseJson('12345678901234567890')).toBeTypeOf('number');
});
