/** Identifiers: what is accepted, and that the encoding towards SpiceDB loses and confuses nothing. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  completeEncoding,
  decodeId,
  encodeId,
  findIdProblem,
  MAX_ENCODED_ID_BYTES,
  formatRef,
  isForeignId,
  isSameRef,
  parseEncodedId,
  SPICEDB_ID,
  findTypeProblem,
} from '../../src/model/ids.js';

/** Any sequence of Unicode code points, surrogates aside. */
const wellFormed = fc.string({ unit: 'binary', maxLength: 300 });

describe('idProblem', () => {
  it.each([
    ['a plain id', 'alice'],
    ['one character', '0'],
    ['what SpiceDB would read as the wildcard', '*'],
    ['the escape character', '=2A'],
    ['blanks within and around', ' a b '],
    ['punctuation of relationships', 'a:b#c@d[e]'],
    ['an e-mail address', 'alice@acme.example'],
    ['composed letters', 'J\u00fcrgen \u0141'],
    ['a letter outside the basic plane', '\u{1f642}'],
    ["names of JavaScript's own", '__proto__'],
    ['the longest in code points', 'a'.repeat(1024)],
    ['the longest in bytes but one', '\u00e9'.repeat(170) + 'abc'],
    ['the longest in bytes', '\u00e9'.repeat(170) + 'abcd'],
  ])('takes %s', (_, id) => expect(findIdProblem(id)).toBeUndefined());

  it.each([
    ['the empty id', '', 'must not be empty'],
    ['1,025 letters', 'a'.repeat(1025), 'must be at most 1024 bytes long when encoded'],
    ['a megabyte', 'a'.repeat(1 << 20), 'must be at most 1024 bytes long when encoded'],
    ['1,025 bytes once encoded', '\u00e9'.repeat(170) + 'abcde', 'must be at most 1024 bytes long when encoded'],
    ['86 letters of twelve bytes encoded', '\u{1f642}'.repeat(86), 'must be at most 1024 bytes long when encoded'],
    ['a lone high surrogate', 'a\ud800', 'must be well-formed Unicode'],
    ['a lone low surrogate', '\udc00a', 'must be well-formed Unicode'],
    ['surrogates the wrong way round', '\udc00\ud800', 'must be well-formed Unicode'],
    ['NUL', 'a\u0000', 'must not contain control characters'],
    ['a newline at the end', 'a\n', 'must not contain control characters'],
    ['delete', 'a\u007fb', 'must not contain control characters'],
    ['a control character of Latin-1', 'a\u0085b', 'must not contain control characters'],
    ['a decomposed letter', 'e\u0301', 'must be in Unicode normalization form C'],
    ['a letter with a canonical equivalent', '\u212b', 'must be in Unicode normalization form C'],
  ])('refuses %s', (_, id, problem) => expect(findIdProblem(id)).toBe(problem));

  it('accepts nothing that SpiceDB would refuse once encoded', () => {
    fc.assert(
      fc.property(wellFormed, (id) => {
        fc.pre(findIdProblem(id) === undefined);
        expect(encodeId(id)).toMatch(SPICEDB_ID);
        expect(Buffer.byteLength(encodeId(id))).toBeLessThanOrEqual(MAX_ENCODED_ID_BYTES);
      }),
    );
  });
});

describe('typeProblem', () => {
  it.each(['user', 'doc', 'acme/document', 'abc/def/document', 'x_9', `a${'b'.repeat(62)}c`])('takes %s', (type) =>
    expect(findTypeProblem(type)).toBeUndefined(),
  );

  it.each([
    '',
    'ab',
    'User',
    'user ',
    'user\n',
    'user_',
    'us-er',
    '1user',
    '/user',
    'user/',
    'acme//user',
    'user#x',
    '*',
    `a${'b'.repeat(63)}c`,
  ])('refuses %j', (type) => {
    expect(findTypeProblem(type)).toBe('must be a SpiceDB definition name such as "document" or "acme/document"');
  });

  it('refuses one of 129 characters', () => {
    const type = `${'abc/'.repeat(31)}abcde`;
    expect(type).toHaveLength(129);
    expect(findTypeProblem(type)).toBe('must be at most 128 characters long');
    expect(findTypeProblem(type.slice(0, -1))).toBeUndefined();
  });
});

describe('encodeId and decodeId', () => {
  it.each([
    ['alice', 'alice'],
    ['a/b|c+d-e_F9', 'a/b|c+d-e_F9'],
    ['*', '=2A'],
    ['=2A', '=3D2A'],
    ['a b', 'a=20b'],
    ['team:core#member@x', 'team=3Acore=23member=40x'],
    ['\u00fc', '=C3=BC'],
    ['\u{1f642}', '=F0=9F=99=82'],
    ['\ufeffa', '=EF=BB=BFa'],
  ])('writes %j as %j, and reads it back', (id, encoded) => {
    expect(encodeId(id)).toBe(encoded);
    expect(decodeId(encoded)).toBe(id);
  });

  const NOT_ENCODED: readonly (readonly [string, string])[] = [
    ['lower-case digits', '=c3=bc'],
    ['an escape that was not needed', '=41'],
    ['a lone escape', 'a='],
    ['half an escape', 'a=4'],
    ['no digits', '=ZZ'],
    ['a sign instead of a digit', '=+1'],
    ['half of a UTF-8 sequence', '=C3'],
    ['an overlong UTF-8 sequence', '=C0=80'],
    ['a surrogate in UTF-8', '=ED=A0=80'],
    ['base64', 'YWJj=='],
  ];
  it.each<readonly [string, string]>([
    ...NOT_ENCODED,
    ['what should have been escaped', 'a b'],
    ['the wildcard', '*'],
    ['a letter beyond ASCII', '\u00fc'],
    // Its code ends in the byte of "A".
    ['a letter whose code is cut to a plain one', '\u0141'],
  ])('does not read %s', (_, encoded) => {
    const written = completeEncoding(encoded);
    expect(() => parseEncodedId(encoded)).toThrow(
      new TypeError(`"${encoded}" is not an encoded id; encoded it is "${written}"`),
    );
    // Each has a spelling that is read; the wildcard and blanks are characters then, as any.
    expect(parseEncodedId(written)).toBe(encoded);
  });

  it.each<readonly [string, string]>([
    ...NOT_ENCODED,
    ['a control character', '=0A'],
    ['the mark of foreign ids itself', '=1AYWJj=3D=3D'],
    ['a decomposed letter', 'e=CC=81'],
  ])('keeps %s of another application as it is', (_, foreign) => {
    const id = decodeId(foreign);
    expect(isForeignId(id)).toBe(true);
    expect(encodeId(id)).toBe(foreign);
    expect(findIdProblem(id)).toBe('must not contain control characters');
    expect(() => parseEncodedId(foreign)).toThrow(TypeError);
  });

  it('never makes a wildcard, or another id, of what only looks foreign', () => {
    for (const id of ['\u001a*', '\u001aalice', '\u001a', '\u001a=41 ', '\u001a\u001aYWJj==']) {
      expect(isForeignId(id)).toBe(false);
      expect(encodeId(id)).toMatch(/^=1A/);
    }
  });

  it('gives each id that SpiceDB may hold one reading, its own, and confuses no two', () => {
    const character = fc.constantFrom(...Array.from('=0123456789ABCDEFabcx/|+-_'));
    const almostEncoded = fc.string({ unit: character, minLength: 1, maxLength: 8 });
    const encodedParts = fc
      .array(fc.oneof(almostEncoded, fc.constantFrom('=1A', '=C3=BC', '=C3', '=3D', '=0A', 'e=CC=81', '==', '=2a')), {
        minLength: 1,
        maxLength: 5,
      })
      .map((parts) => parts.join(''));
    const spicedbId = fc.oneof(
      almostEncoded,
      encodedParts,
      fc.string({ unit: character, minLength: 1000, maxLength: 1024 }),
    );
    fc.assert(
      fc.property(spicedbId, spicedbId, (a, b) => {
        fc.pre(SPICEDB_ID.test(a) && SPICEDB_ID.test(b));
        const [idOfA, idOfB] = [decodeId(a), decodeId(b)];
        expect(encodeId(idOfA)).toBe(a);
        expect(idOfA === idOfB).toBe(a === b);
        expect(isForeignId(idOfA)).toBe(findIdProblem(idOfA) !== undefined);
      }),
      { numRuns: 2000 },
    );
  });

  it('loses nothing, and writes what SpiceDB takes', () => {
    fc.assert(
      fc.property(wellFormed, (id) => {
        fc.pre(findIdProblem(id) === undefined);
        expect(decodeId(encodeId(id))).toBe(id);
        expect(isForeignId(id)).toBe(false);
        expect(encodeId(id)).toMatch(SPICEDB_ID);
      }),
    );
  });

  it('gives each text one reading only: what is read is written the same', () => {
    const almostEncoded = fc.string({
      unit: fc.constantFrom(...Array.from('=0123456789ABCDEFabcx/|+-_*')),
      maxLength: 12,
    });
    fc.assert(
      fc.property(almostEncoded, (text) => {
        let id: string;
        try {
          id = parseEncodedId(text);
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError);
          return;
        }
        expect(encodeId(id)).toBe(text);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('references', () => {
  it('are written with the id encoded', () => {
    expect(formatRef({ type: 'user', id: 'alice' })).toBe('user:alice');
    expect(formatRef({ type: 'acme/doc', id: 'a:b *' })).toBe('acme/doc:a=3Ab=20=2A');
  });

  it.each([
    [{ type: 'user', id: 'a' }, { type: 'user', id: 'a' }, true],
    [{ type: 'user', id: 'a' }, { type: 'user', id: 'b' }, false],
    [{ type: 'user', id: 'a' }, { type: 'agent', id: 'a' }, false],
    [{ type: 'user', id: 'a' }, { type: 'user', id: 'A' }, false],
  ])('%j and %j are the same: %s', (a, b, same) => expect(isSameRef(a, b)).toBe(same));
});
