/** A token's text, before anything is believed: one spelling, one reading. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_TOKEN_BYTES, parseJwsHeader, parseToken, TokenRejectedError } from '../../src/tokens/jws.js';
import { encoded, T, type Part } from './keys.js';
import { reasonOf, refusal } from './refused.js';

const HEADER = { alg: 'ES256', typ: 'at+jwt', kid: 'k1' };
const CLAIMS = { iss: 'https://login.example', sub: 'alice', aud: 'hr-api', exp: T + 300 };
const SIGNATURE = Buffer.alloc(64, 7).toString('base64url');

const token = (header: Part = HEADER, payload: Part = CLAIMS, signature = SIGNATURE): string =>
  `${encoded(header)}.${encoded(payload)}.${signature}`;

/** The same bytes as the part of this object has, but for bits at the end that no decoder looks at. */
function withTrailingBits(object: object): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  let part = encoded({ ...object });
  for (let x = ''; part.length % 4 === 0; x += 'x') part = encoded({ ...object, x });
  const changed = part.slice(0, -1) + (alphabet[alphabet.indexOf(part.at(-1) ?? '') + 1] ?? '');
  expect(Buffer.from(changed, 'base64url').toString()).toBe(Buffer.from(part, 'base64url').toString());
  return changed;
}

describe('readToken', () => {
  it('reads header and payload', () => {
    expect(parseToken(token())).toEqual({ header: HEADER, payload: CLAIMS });
    expect(parseToken(token({ alg: 'ES256', typ: 'at+jwt' })).header.kid).toBeUndefined();
    expect(parseToken(token(HEADER, '{ "é🙂": [1, {"a": null}] }')).payload).toEqual({ 'é🙂': [1, { a: null }] });
  });

  const [head, body, signature] = [encoded(HEADER), encoded(CLAIMS), SIGNATURE];
  const PARTS = 'The token is not a compact JWS of three parts.';
  const BASE64 = 'The token is not base64url throughout.';
  const JWE = 'The token is encrypted (JWE); a signed one (JWS) is needed.';
  const JSON_FORM = 'The JSON serialization is not accepted, only the compact one.';
  it.each([
    ['nothing', '', PARTS],
    ['one part', head, PARTS],
    ['two parts', `${head}.${body}`, PARTS],
    ['four parts', `${head}.${body}.${signature}.`, PARTS],
    ['six parts', `${head}.${body}.${body}.${body}.${body}.${signature}`, PARTS],
    ['an encrypted token', `${head}.${body}.${body}.${body}.${signature}`, JWE],
    ['five empty parts', '....', JWE],
    ['the JSON serialization', JSON.stringify({ protected: head, payload: body, signature }), JSON_FORM],
    ['the general JSON serialization', JSON.stringify({ payload: body, signatures: [{ protected: head }] }), JSON_FORM],
    ['an empty header', `.${body}.${signature}`, BASE64],
    ['an empty payload', `${head}..${signature}`, BASE64],
    ['an empty signature', `${head}.${body}.`, BASE64],
    ['a blank before', ` ${token()}`, BASE64],
    ['a blank after', `${token()} `, BASE64],
    ['a newline after', `${token()}\n`, BASE64],
    ['a newline between', `${head}.\n${body}.${signature}`, BASE64],
    ['a NUL after', `${token()}\u0000`, BASE64],
    ['padding', `${head}.${body}.${signature}==`, BASE64],
    ['the alphabet of plain base64', `${head}.${body}.${signature.slice(0, -4)}+/+/`, BASE64],
    ['a letter beyond ASCII', `${head}.${body}.${signature}é`, BASE64],
    ['a lone surrogate', `${head}.${body}.${signature}\ud800`, BASE64],
    ['a single letter over', `${head}.${body}.${signature}AAA`, BASE64],
    ['trailing bits in the header', `${withTrailingBits(HEADER)}.${body}.${signature}`, BASE64],
    ['trailing bits in the payload', `${head}.${withTrailingBits(CLAIMS)}.${signature}`, BASE64],
    ['trailing bits in the signature', `${head}.${body}.${signature.slice(0, -1)}x`, BASE64],
    ['9 KiB', token() + 'A'.repeat(9 * 1024), 'The token is longer than 8192 bytes.'],
    ['a megabyte of dots', '.'.repeat(1 << 20), 'The token is longer than 8192 bytes.'],
    ['a header that is no JSON', token('{"alg":"ES256",}'), "The token's header is not a JSON object."],
    ['a header that is a list', token('[]'), "The token's header is not a JSON object."],
    ['a header that is a string', token('"ES256"'), "The token's header is not a JSON object."],
    ['a header that is null', token('null'), "The token's header is not a JSON object."],
    [
      'a header with a byte order mark',
      token(`\ufeff${JSON.stringify(HEADER)}`),
      "The token's header is not a JSON object.",
    ],
    ['a header that is not UTF-8', token(Buffer.from([0x7b, 0xff, 0x7d])), "The token's header is not a JSON object."],
    ['a payload that is no JSON', token(HEADER, 'iss=x'), "The token's payload is not a JSON object."],
    ['a payload that is a list', token(HEADER, '[]'), "The token's payload is not a JSON object."],
    ['a payload that is a number', token(HEADER, '1'), "The token's payload is not a JSON object."],
    [
      'a payload that is not UTF-8',
      token(HEADER, Buffer.from('7b2261223a22ff227d', 'hex')),
      "The token's payload is not a JSON object.",
    ],
    ['a payload with two values', token(HEADER, '{}{}'), "The token's payload is not a JSON object."],
    [
      'a member of the header given twice',
      token('{"alg":"none","typ":"at+jwt","alg":"ES256"}'),
      'In the token\'s header, "alg" is given twice.',
    ],
    [
      'a claim given twice',
      token(HEADER, '{"sub":"alice","iss":"x","sub":"bob"}'),
      'In the token\'s payload, "sub" is given twice.',
    ],
    [
      'a claim given twice, once escaped',
      token(HEADER, '{"sub":"alice","s\\u0075b":"bob"}'),
      'In the token\'s payload, "sub" is given twice.',
    ],
    [
      'a number that reading would change',
      token(HEADER, '{"authorization_details":[{"type":"pay","equals":1234567890123456789}]}'),
      'In the token\'s payload, "authorization_details[0].equals" is a number that reading would change: write it as a text, in quotes, or as a whole number within ±(2^53 − 1), which a Long is.',
    ],
    [
      'a number too large in the header',
      token('{"alg":"ES256","x":1e400}'),
      'In the token\'s header, "x" is a number that reading would change: write it as a text, in quotes, or as a whole number within ±(2^53 − 1), which a Long is.',
    ],
    [
      'a claim given twice within another',
      token(HEADER, '{"act":{"sub":"a","act":{"sub":"b","sub":"c"}}}'),
      'In the token\'s payload, "act.act.sub" is given twice.',
    ],
    [
      '__proto__',
      token(HEADER, '{"__proto__":{"sub":"root"}}'),
      'In the token\'s payload, "__proto__" is not an acceptable member name.',
    ],
    [
      'a lone surrogate in a claim',
      token(HEADER, '{"sub":"\\ud800"}'),
      'In the token\'s payload, "sub" must be well-formed Unicode.',
    ],
    [
      '33 levels',
      token(HEADER, `{"a":${'['.repeat(32)}${']'.repeat(32)}}`),
      'In the token\'s payload, "a[0][0][0][0][0][0][0]" is nested more than 32 levels deep.',
    ],
    ['crit', token({ ...HEADER, crit: ['exp'] }), 'The header member "crit" is not accepted.'],
    ['an empty crit', token({ ...HEADER, crit: [] }), 'The header member "crit" is not accepted.'],
    ['b64', token({ ...HEADER, b64: false }), 'The header member "b64" is not accepted.'],
    ['zip', token({ ...HEADER, zip: null }), 'The header member "zip" is not accepted.'],
  ])('refuses %s', (_, text, message) => {
    expect(reasonOf(() => parseToken(text))).toEqual(refusal('token_malformed', message));
  });

  it.each([
    ['alg', { typ: 'at+jwt' }],
    ['alg', { ...HEADER, alg: '' }],
    ['alg', { ...HEADER, alg: ['ES256'] }],
    ['alg', { ...HEADER, alg: 'x'.repeat(33) }],
    ['typ', { ...HEADER, typ: 1 }],
    ['typ', { ...HEADER, typ: null }],
    ['typ', { ...HEADER, typ: ['at+jwt'] }],
    ['typ', { ...HEADER, typ: 'x'.repeat(65) }],
    ['kid', { ...HEADER, kid: 1 }],
    ['kid', { ...HEADER, kid: 'x'.repeat(1025) }],
  ])('refuses a wrong %s in %j', (member, header) => {
    const { code, message } = reasonOf(() => parseToken(token(header)));
    expect(code).toBe('token_malformed');
    expect(message).toMatch(new RegExp(`^The header's "${member}" is not acceptable: .+\\.$`));
  });

  // Which types are taken is for formats.ts to say.
  it.each(['at+jwt', 'Application/At+Jwt', 'JWT', 'dpop+jwt', '', 'at jwt', '__proto__'])(
    'reads the type %j as it is written',
    (typ) => {
      expect(parseToken(token({ ...HEADER, typ })).header.typ).toBe(typ);
    },
  );

  it('keeps what it does not know of the header, and looks at none of it', () => {
    const more = { jku: 'https://evil.example/jwks', jwk: { kty: 'EC' }, x5c: ['x'], x5u: 'x', cty: 'JWT' };
    expect(parseToken(token({ ...HEADER, ...more })).header).toEqual({ ...HEADER, ...more });
  });

  it('takes 8 KiB and not a byte more', () => {
    const filled = (length: number): string =>
      token(HEADER, CLAIMS, 'A'.repeat(length - token(HEADER, CLAIMS, '').length));
    expect(filled(MAX_TOKEN_BYTES)).toHaveLength(8192);
    expect(parseToken(filled(MAX_TOKEN_BYTES)).payload).toEqual(CLAIMS);
    expect(reasonOf(() => parseToken(filled(MAX_TOKEN_BYTES + 1))).message).toBe(
      'The token is longer than 8192 bytes.',
    );
  });

  it('reads each token from one text only', () => {
    const good = token();
    const any = fc.oneof(
      fc.constantFrom(...Array.from('ABab01-_.=+/ \n')),
      fc.string({ unit: 'binary', maxLength: 2 }),
    );
    fc.assert(
      fc.property(fc.nat({ max: good.length }), fc.nat({ max: 2 }), any, (at, removed, inserted) => {
        const text = good.slice(0, at) + inserted + good.slice(at + removed);
        let read;
        try {
          read = parseToken(text);
        } catch (error) {
          expect(error).toBeInstanceOf(TokenRejectedError);
          return;
        }
        // Each part must be the only spelling of its bytes.
        const bytes = text.split('.').map((part) => Buffer.from(part, 'base64url').toString('base64url'));
        expect(bytes.join('.')).toBe(text);
        expect(read.payload).toEqual(JSON.parse(Buffer.from(text.split('.')[1] ?? '', 'base64url').toString()));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('readJws', () => {
  it.each<[string, Part]>([
    ['JSON', CLAIMS],
    ['text', 'Payload'],
    ['bytes that are no text', Buffer.from([0xff, 0x00, 0x80])],
    ['JSON that a token could not be', '{"sub":"alice","sub":"bob"}'],
    ['nothing', ''],
    ['more than a token can have', 'x'.repeat(9000)],
  ])('reads the header before a payload of %s', (_, payload) => {
    expect(parseJwsHeader(token(HEADER, payload))).toEqual(HEADER);
  });

  it.each([
    ['no signature', token(HEADER, 'x', ''), 'The token is not base64url throughout.'],
    ['two parts', `${encoded(HEADER)}.${SIGNATURE}`, 'The token is not a compact JWS of three parts.'],
    ['an unencoded payload', token({ ...HEADER, b64: false }, 'x'), 'The header member "b64" is not accepted.'],
    ['a header that is none', token('null', 'x'), "The token's header is not a JSON object."],
    ['more than a mebibyte', token(HEADER, 'x'.repeat(800_000)), 'The token is longer than 1048576 bytes.'],
  ])('refuses %s', (_, text, message) => {
    expect(reasonOf(() => parseJwsHeader(text))).toEqual(refusal('token_malformed', message));
  });
});
