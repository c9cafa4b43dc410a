/** The text of policies: what is found or changed in it is what Cedar reads there, whatever stands between the words. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  findScopeEnd,
  locateAnnotation,
  locateByte,
  splitPolicies,
  stripParentheses,
} from '../../src/policy/policy-text.js';

const textOf = (text: string): { location: { file: string; line: number; column: number }; text: string } => ({
  location: { file: 'a.cedar', line: 3, column: 5 },
  text,
});
/** White space and comments, `;` and keywords in them. */
const gap = fc
  .array(fc.constantFrom(' ', '\n', '\r', '\u0085', '\u00a0', '\u2028', '// forbid; (\n', '// permit) @\r'), {
    maxLength: 3,
  })
  .map((parts) => parts.join(''));

describe('a file', () => {
  it('is cut behind each `;` that is a token', () => {
    const file = { name: 'a.cedar', text: '// x;\n a ";";\u0085b // ;\n ; // end\n' };
    expect(
      splitPolicies(file).map(({ text, index, location: { line, column } }) => [text, index, line, column]),
    ).toEqual([
      ['a ";";', 7, 2, 2],
      ['b // ;\n ;', 14, 2, 9],
    ]);
  });

  it('ends with what has no `;`, as it is', () => {
    expect(splitPolicies({ name: 'a.cedar', text: ';\nb // c\n' }).map(({ text }) => text)).toEqual([';', 'b // c\n']);
  });
});

describe('the place', () => {
  it.each([
    ['of an annotation', '@id("a")\n@duty("x") permit();', '@duty', { line: 4, column: 1 }],
    ['of an annotation on the first line', '@id("a") @duty permit();', '@duty', { line: 3, column: 14 }],
    [
      'of an annotation that is named in a string and a comment before',
      '@id("@duty") // @duty\n @\n duty("x") permit();',
      '@duty',
      { line: 4, column: 2 },
    ],
    ['of the first of two', '@id("a") @id("b") permit();', '@id', { line: 3, column: 5 }],
    [
      'of the policy where the annotation is missing',
      '@id("a") permit() when { "@duty" };',
      '@duty',
      { line: 3, column: 5 },
    ],
  ])('%s', (_, text, annotation, place) =>
    expect(locateAnnotation(textOf(text), annotation)).toEqual({ file: 'a.cedar', ...place }),
  );

  it('of a byte is counted in characters', () => {
    const text = 'é🙂\nü x';
    expect(locateByte(textOf(text), Buffer.byteLength('é🙂'))).toEqual({ file: 'a.cedar', line: 3, column: 8 });
    expect(locateByte(textOf(text), Buffer.byteLength('é🙂\nü '))).toEqual({ file: 'a.cedar', line: 4, column: 3 });
  });
});

describe('the end of the scope', () => {
  it('is behind its own parenthesis', () => {
    fc.assert(
      fc.property(gap, gap, gap, (first, second, third) => {
        const scope = `@id("(") ${first}permit${second}(principal in A::")", action, resource${third})`;
        expect(findScopeEnd(`${scope} when { (true) };`)).toBe(scope.length);
      }),
    );
  });

  it.each(['', '@id("a")', '"permit" ()', 'permit (principal', '// permit ()'])('is nowhere in %j', (text) =>
    expect(findScopeEnd(text)).toBeUndefined(),
  );
});

it.each([
  ['(a)', 'a'],
  ['(a) && (b)', '(a) && (b)'],
  ['((a) && (b))', '(a) && (b)'],
  ['(")" == a)', '")" == a'],
  ['(")" == a) || (b)', '(")" == a) || (b)'],
  ['a.contains(b)', 'a.contains(b)'],
  ['(a', '(a'],
  ['', ''],
])('%s without the parentheses around it is %s', (text, expected) => expect(stripParentheses(text)).toBe(expected));
