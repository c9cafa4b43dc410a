/** Strict JSON: everything that two readers could read differently, or that an engine behind would die of, is refused. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  INEXACT_NUMBER,
  StrictJsonError,
  MAX_JSON_DEPTH,
  parseStrictJson,
  formatJsonPath,
} from '../../src/runtime/strict-json.js';

function problemOf(text: string, maxDepth?: number): { message: string; at: string } {
  try {
    parseStrictJson(text, maxDepth);
  } catch (error) {
    if (error instanceof StrictJsonError) return { message: error.message, at: error.path };
    throw error;
  }
  throw new Error(`accepted: ${text}`);
}

const nested = (levels: number, open: string, close: string): string =>
  `${open.repeat(levels)}0${close.repeat(levels)}`;

describe('parseJson', () => {
  it.each([
    'null',
    ' {"a" : [1, -0.5e3, true, {"b": "\\u00fc\\n"}]}\r\n\t',
    '"\\ud83d\\ude42"',
    '{"constructor": 1, "toString": {"hasOwnProperty": 2}}',
    '[{"a": 1}, {"a": 1}]',
    '{"a": {"a": {"a": 1}}}',
    '{"": 1, "a": ""}',
    '"\u2028 \u00a0"',
  ])('reads %s as JSON.parse does', (text) => expect(parseStrictJson(text)).toEqual(JSON.parse(text)));

  it.each([
    ['nothing', ''],
    ['a trailing comma', '[1,]'],
    ['two values', '1 2'],
    ['a comment before', '/**/1'],
    ['a comment after', '{"a":1}//'],
    ['a byte order mark', '\ufeff1'],
    ['a blank that is none in JSON', '\u00a01'],
    ['single quotes', "{'a':1}"],
    ['a raw newline in a string', '"a\nb"'],
    ['NaN', 'NaN'],
    ['a number with a leading zero', '01'],
  ])('refuses %s', (_, text) => expect(problemOf(text)).toEqual({ message: 'is not well-formed JSON', at: '' }));

  it.each([
    ['at the top', '{"a":1,"b":2,"a":1}', 'a'],
    ['of different kinds', '{"a":{},"a":[]}', 'a'],
    ['one of them escaped', '{"a":1,"\\u0061":2}', 'a'],
    ['within lists', '{"x":[{"a":1},{"b":{"c":1,"c":2}}]}', 'x[1].b.c'],
    ['after a nested object with the same name', '{"a":{"a":1},"a":2}', 'a'],
    ["of JavaScript's own names", '{"constructor":1,"constructor":1}', 'constructor'],
    ['empty ones', '{"":1,"":2}', ''],
  ])('refuses equal keys %s', (_, text, at) => expect(problemOf(text)).toEqual({ message: 'is given twice', at }));

  it.each([
    ['as a value', '{"a":["\\ud800"]}', 'must be well-formed Unicode', 'a[0]'],
    ['as a raw character', '{"a":"\ud800"}', 'must be well-formed Unicode', 'a'],
    ['in a key', '{"a":{"\\udc00x":1}}', 'must be well-formed Unicode', 'a.\ufffdx'],
    ['at the top', '"\\udc00\\ud800"', 'must be well-formed Unicode', ''],
  ])('refuses a lone surrogate %s', (_, text, message, at) => expect(problemOf(text)).toEqual({ message, at }));

  it.each([
    ['in a value', '{"a":{"b":"x\\u0000"}}', 'a.b'],
    ['in a key', '{"x\\u0000":1}', 'x\u0000'],
  ])('refuses NUL %s', (_, text, at) => expect(problemOf(text)).toEqual({ message: 'must not contain NUL', at }));

  it.each([
    ['at the top', '{"__proto__":{}}', '__proto__'],
    ['deep within', '{"a":[{"__proto__":1}]}', 'a[0].__proto__'],
    ['escaped', '{"\\u005f_proto__":1}', '__proto__'],
  ])('refuses __proto__ %s', (_, text, at) =>
    expect(problemOf(text)).toEqual({ message: 'is not an acceptable member name', at }),
  );

  it.each([
    ['at the top', '1234567890123456789', ''],
    ['within a list', '{"a":[0.1,{"b":9007199254740993}]}', 'a[1].b'],
    ['too large', '{"a":1e400}', 'a'],
    ['too small', '[1e-400]', '[0]'],
    ['with more digits than a double has', '{ "a" :\n0.1000000000000000055}', 'a'],
    ['beside an escape', '{"x":"\\n","a":-12345678901234567891}', 'a'],
  ])('refuses a number that reading would change %s', (_, text, at) =>
    expect(problemOf(text)).toEqual({ message: INEXACT_NUMBER, at }),
  );

  it.each([
    ['lists', '[', ']', '[0][0][0][0][0][0][0][0]'],
    ['objects', '{"a":', '}', 'a.a.a.a.a.a.a.a'],
  ])('takes %s 32 levels deep and no deeper', (_, open, close, at) => {
    expect(parseStrictJson(nested(MAX_JSON_DEPTH, open, close))).toBeDefined();
    const message = 'is nested more than 32 levels deep';
    expect(problemOf(nested(MAX_JSON_DEPTH + 1, open, close))).toEqual({ message, at });
    // The place of what is wrong in a very long text isn't looked for, which takes long.
    expect(problemOf(nested(100_000, open, close))).toEqual({ message, at: '' });
  });

  it('counts depth, not values: many shallow ones are fine', () => {
    expect(parseStrictJson(`[${'[],{},'.repeat(1000)}0]`)).toHaveLength(2001);
  });

  it.each([
    ['a number', (rest: string) => `[${rest},1e400]`, 'has, at character 100002, a number that reading would change'],
    ['a key', (rest: string) => `[${rest},{"a":1,"a":1}]`, 'has a member that is given twice'],
    ['an escaped key', (rest: string) => `[${rest},{"a":1,"\\u0061":1}]`, 'has a member that is given twice'],
    ['a text', (rest: string) => `[${rest},"\\ud800"]`, 'must be well-formed Unicode'],
    ['NUL', (rest: string) => `[${rest},"\\u0000"]`, 'must not contain NUL'],
    ['a name', (rest: string) => `[${rest},{"__proto__":1}]`, 'has a member whose name is not acceptable'],
  ])('refuses %s in a long text without looking for its place', (_, write, message) => {
    expect(problemOf(write(Array(50_000).fill('1').join(',')))).toMatchObject({ message });
  });

  it('takes another limit of depth', () => {
    expect(parseStrictJson('[[1]]', 2)).toEqual([[1]]);
    expect(problemOf('[[[1]]]', 2)).toEqual({ message: 'is nested more than 2 levels deep', at: '[0][0]' });
  });

  it('reads every value that it does not refuse as JSON.parse does', () => {
    const text = fc.oneof(fc.json(), fc.json({ stringUnit: 'binary' }));
    fc.assert(
      fc.property(text, (json) => {
        fc.pre(!/\\u0000|__proto__/.test(json));
        // What JavaScript writes loses nothing: numbers are refused by their text alone.
        expect(parseStrictJson(json)).toEqual(JSON.parse(json));
      }),
    );
  });

  it('finds a key given twice wherever it stands', () => {
    const key = fc.string({ minLength: 1, maxLength: 5 }).filter((k) => k !== '__proto__');
    const path = fc.array(fc.oneof(key, fc.nat({ max: 3 })), { maxLength: 8 });
    const spelled = fc.constantFrom(escaped, (text: string) => JSON.stringify(text));
    const object = fc.dictionary(key, fc.jsonValue({ maxDepth: 2 }), { minKeys: 1, maxKeys: 5 });
    fc.assert(
      fc.property(
        path,
        object,
        fc.nat(),
        fc.jsonValue({ maxDepth: 1 }),
        spelled,
        (around, members, which, value, as) => {
          fc.pre(!JSON.stringify([members, value]).includes('"__proto__":'));
          const twice = Object.keys(members)[which % Object.keys(members).length] ?? '';
          const inner = `${JSON.stringify(members).slice(0, -1)},${as(twice)}:${JSON.stringify(value)}}`;
          const text = around.reduceRight<string>(
            (json, at) => (typeof at === 'number' ? `[${'0,'.repeat(at)}${json}]` : `{${JSON.stringify(at)}:${json}}`),
            inner,
          );
          expect(problemOf(text)).toEqual({ message: 'is given twice', at: formatJsonPath([...around, twice]) });
        },
      ),
    );
  });
});

/** The string with every character escaped. */
function escaped(text: string): string {
  const units = Array.from({ length: text.length }, (_, i) => text.charCodeAt(i).toString(16).padStart(4, '0'));
  return `"${units.map((unit) => `\\u${unit}`).join('')}"`;
}

describe('pathText', () => {
  it.each([
    [[], ''],
    [['subject', 'id'], 'subject.id'],
    [['evaluations', 3, 'subject', 'id'], 'evaluations[3].subject.id'],
    [[0, 'a', 1, 2], '[0].a[1][2]'],
  ])('writes %j as %j', (path, text) => expect(formatJsonPath(path)).toBe(text));
});
