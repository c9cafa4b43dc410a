/** A schema in fragments: no token is lost, and only what is added differs in nothing that was there. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { compareFragments, splitSchema } from '../../../src/graph/schema/fragments.js';
import { significantTokens, tokenizeSchema } from '../../../src/graph/schema/lexer.js';

const SCHEMA = `use expiration
definition user {}
definition acme/team { relation member: user with expiration | acme/team#member }
partial shared { relation owner: user }
definition note {
  ...shared
  relation permission: user
  permission view = owner + (permission & owner)
}
caveat tenant(t string, allowed list<string>) { t in allowed && t != "}" }
`;

it('names each declaration', () => {
  expect([...splitSchema(SCHEMA)]).toEqual([
    ['use expiration', ' use expiration'],
    ['definition user', ' definition user { }'],
    ['definition acme/team', ' definition acme / team { }'],
    ['relation member of definition acme/team', ' relation member : user with expiration | acme / team # member'],
    ['partial shared', ' partial shared { relation owner : user }'],
    ['definition note', ' definition note { ... shared }'],
    ['relation permission of definition note', ' relation permission : user'],
    ['permission view of definition note', ' permission view = owner + ( permission & owner )'],
    [
      'caveat tenant',
      ' caveat tenant ( t string , allowed list < string > ) { t in allowed && t ! = "}" }'.replace('! =', '!='),
    ],
  ]);
});

const tokensOf = (text: string): string[] => significantTokens(tokenizeSchema(text)).map((token) => token.text);

it('loses no token of any text', () => {
  const word = fc.constantFrom('definition', 'caveat', 'relation', 'permission', 'use', 'a', 'b', '{', '}', ':', '=', '|', '// x\n', '"s"', ' ', '\n'); // prettier-ignore
  fc.assert(
    fc.property(fc.array(word, { maxLength: 40 }), (words) => {
      const text = words.join(' ');
      const parts = [...splitSchema(text).values()].flatMap(tokensOf);
      expect(parts.sort()).toEqual(tokensOf(text).sort());
    }),
  );
});

const declaration = fc.constantFrom(
  ...[
    'definition x {}',
    'definition y { relation r: user\n permission p = r }',
    'caveat z(n int) { n > 1 }',
    'use self',
  ],
);

it('differs in nothing where declarations are added and comments change, whatever their order', () => {
  fc.assert(
    fc.property(fc.uniqueArray(declaration), fc.boolean(), (added, isBefore) => {
      const more = added.join('\n');
      const after = `/* c */ ${isBefore ? `${more}\n${SCHEMA}` : `${SCHEMA}\n${more}`} // end`;
      expect(compareFragments(splitSchema(SCHEMA), splitSchema(after))).toEqual([]);
    }),
  );
});

it('names what any token is taken from, and what any token is changed in', () => {
  const count = tokensOf(SCHEMA).length;
  fc.assert(
    fc.property(fc.nat(count - 1), fc.constantFrom('', 'zzz'), (at, replacement) => {
      const tokens = tokensOf(SCHEMA);
      tokens[at] = replacement;
      expect(compareFragments(splitSchema(SCHEMA), splitSchema(tokens.join(' ')))).not.toEqual([]);
    }),
  );
});

it('takes a text with a bare carriage return as it stands', () => {
  const text = '// a\rdefinition user {}';
  expect(compareFragments(splitSchema(text), splitSchema(`${text} `))).toEqual(['the text']);
});
