/** The lexer of Cedar text, held against Cedar itself: what counts is that both cut a text at the same places. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CedarEngine } from '../../src/policy/cedar.js';
import { significantCedarTokens, tokenizeCedar } from '../../src/policy/lexer.js';

const engine = new CedarEngine();
const POLICY = ['@', 'id', '(', '"a"', ')', 'permit', '(', 'principal', ',', 'action', ',', 'resource', ')', ';'];
const takes = (text: string): boolean => engine.parsePolicy(text).value !== undefined;
const kindsOf = (text: string): string[] => tokenizeCedar(text).map(({ kind }) => kind);

describe('the tokens of a text', () => {
  it.each([
    ['a comment up to the end of its line', '// a; "b\r// c\n', ['comment', 'space', 'comment', 'space']],
    ['a string with escapes, over several lines', '"a\\"; // b\n\\\\"', ['string']],
    ['a word that begins with a digit', '1a', ['number', 'identifier']],
    ['operators, the longest first', '::=== ||', ['punctuation', 'punctuation', 'punctuation', 'space', 'punctuation']],
    ['a string without an end', 'a "b; c', ['identifier', 'space', 'unknown']],
    ['a string whose escape is an end of line', '"a\\\n";', ['unknown']],
    ['characters that Cedar does not know', 'é#', ['unknown', 'unknown']],
    ['a byte order mark, which is no space', '\ufeff;', ['unknown', 'punctuation']],
    ['nothing', '', []],
  ])('are %s', (_, text, kinds) => expect(kindsOf(text)).toEqual(kinds));

  it('cover it without a gap, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const tokens = tokenizeCedar(text);
        expect(tokens.map((token) => token.text).join('')).toBe(text);
        for (const { text: part, index } of tokens) expect(text.slice(index, index + part.length)).toBe(part);
      }),
    );
  });
});

describe('white space is what Cedar takes for it:', () => {
  const isSpace = (character: string): boolean => tokenizeCedar(`;${character}`)[1]?.kind === 'space';

  it('every character of the first two blocks, and every one that Unicode or JavaScript calls a space', () => {
    const characters = Array.from({ length: 0x10000 }, (_, code) => String.fromCharCode(code)).filter(
      (character) => character.charCodeAt(0) < 0x100 || /[\s\p{Z}\p{Cf}]/u.test(character),
    );
    const differing = characters.filter((character) => takes(`permit(principal,${character}action,resource);`) !== isSpace(character)); // prettier-ignore
    expect(differing.map((character) => character.charCodeAt(0).toString(16))).toEqual([]);
    expect(['\u0085', '\u2028', '\ufeff', '\u200b'].map(isSpace)).toEqual([true, true, false, false]);
  });

  it('any other character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }), (character) => {
        fc.pre(character.isWellFormed());
        expect(takes(`permit(principal,${character}action,resource);`)).toBe(isSpace(character));
      }),
      { numRuns: 500 },
    );
  });
});

it('a policy is cut into the same words wherever comments and white space stand between them', () => {
  const noise = fc.string({ unit: fc.constantFrom(...Array.from(';/\\"\'@() aé🙂\u0085\u2028\ufeff'), 'forbid') });
  const comment = fc.tuple(noise, fc.constantFrom('\n', '\r', '\r\n')).map(([text, end]) => `//${text}${end}`);
  const space = fc.constantFrom(
    '',
    ' ',
    '\t',
    '\n',
    '\r',
    '\v',
    '\f',
    '\u0085',
    '\u00a0',
    '\u1680',
    '\u2028',
    '\u3000',
  );
  const gap = fc.array(fc.oneof(space, comment), { maxLength: 3 }).map((parts) => parts.join(''));
  const expected = engine.parsePolicy(POLICY.join('')).value;
  fc.assert(
    fc.property(fc.array(gap, { minLength: POLICY.length, maxLength: POLICY.length }), (gaps) => {
      const text = POLICY.map((word, i) => `${gaps[i] ?? ''}${word}`).join('');
      expect(significantCedarTokens(text).map((token) => token.text)).toEqual(POLICY);
      expect(engine.parsePolicy(text).value).toEqual(expected);
    }),
    { numRuns: 300 },
  );
});

it('strings are what Cedar takes for strings', () => {
  const units = [...Array.from('ab;"\\/ é🙂'), '\n', '\r', '\\"', '\\\\', '\\n', '\u0085'];
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...units), maxLength: 8 }), (content) => {
      const text = `@title("${content}") permit(principal,action,resource);`;
      // An escape that Cedar doesn't know is refused later, when the string's value is read.
      if (takes(text)) expect(significantCedarTokens(text).slice(2, 5).map(({ kind }) => kind)).toEqual(['punctuation', 'string', 'punctuation']); // prettier-ignore
    }),
    { numRuns: 1000 },
  );
});

it('a string of millions of escapes is one token', () => {
  const text = `"${'\\n'.repeat(4_000_000)}"`;
  expect(tokenizeCedar(text)).toEqual([{ kind: 'string', text, index: 0 }]);
});
