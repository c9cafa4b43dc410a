/** A token's text, before anything is believed: one spelling, one reading, claims of the right types. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_TOKEN_BYTES, readClaims, readToken, TokenRefused } from '../../src/tokens/claims.js';
import { REASONS, type Reason } from '../../src/model/reasons.js';
import { encoded, T, type Part } from './keys.js';

const HEADER = { alg: 'ES256', typ: 'at+jwt', kid: 'k1' };
const CLAIMS = { iss: 'https://login.example', sub: 'alice', aud: 'hr-api', exp: T + 300 };
const SIGNATURE = Buffer.alloc(64, 7).toString('base64url');

const token = (header: Part = HEADER, payload: Part = CLAIMS, signature = SIGNATURE): string =>
  `${encoded(header)}.${encoded(payload)}.${signature}`;

function reasonOf(read: () => unknown): Reason {
  try {
    read();
  } catch (error) {
    if (error instanceof TokenRefused) {
      expect(error.message).toBe(error.reason.message);
      return error.reason;
    }
    throw error;
  }
  throw new Error('not refused');
}

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
    expect(readToken(token())).toEqual({ header: HEADER, payload: CLAIMS });
    expect(readToken(token({ alg: 'ES256', typ: 'at+jwt' })).header.kid).toBeUndefined();
    expect(readToken(token(HEADER, '{ "é🙂": [1, {"a": null}] }')).payload).toEqual({ 'é🙂': [1, { a: null }] });
  });

  const [head, body, signature] = [encoded(HEADER), encoded(CLAIMS), SIGNATURE];
  const PARTS = 'The token is not a compact JWS of three parts.';
  const BASE64 = 'The token is not base64url throughout.';
  it.each([
    ['nothing', '', PARTS],
    ['one part', head, PARTS],
    ['two parts', `${head}.${body}`, PARTS],
    ['four parts', `${head}.${body}.${signature}.`, PARTS],
    ['an encrypted token', `${head}.${body}.${body}.${body}.${signature}`, PARTS],
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
    expect(reasonOf(() => readToken(text))).toEqual({ code: 'token_malformed', step: 'token', message });
  });

  it.each([
    ['alg', { typ: 'at+jwt' }],
    ['alg', { ...HEADER, alg: '' }],
    ['alg', { ...HEADER, alg: ['ES256'] }],
    ['alg', { ...HEADER, alg: 'x'.repeat(33) }],
    ['typ', { ...HEADER, typ: 1 }],
    ['typ', { ...HEADER, typ: null }],
    ['kid', { ...HEADER, kid: 1 }],
    ['kid', { ...HEADER, kid: 'x'.repeat(1025) }],
  ])('refuses a wrong %s in %j', (member, header) => {
    const { code, message } = reasonOf(() => readToken(token(header)));
    expect(code).toBe('token_malformed');
    expect(message).toMatch(new RegExp(`^The header's "${member}" is not acceptable: .+\\.$`));
  });

  it.each(['at+jwt', 'AT+JWT', 'application/at+jwt', 'Application/At+Jwt'])('takes the type %s', (typ) => {
    expect(readToken(token({ ...HEADER, typ })).header.typ).toBe(typ);
  });

  it.each([
    undefined,
    '',
    'JWT',
    'jwt',
    'at+jwt ',
    ' at+jwt',
    'at+jwt;v=1',
    'id_token',
    'dpop+jwt',
    'text/at+jwt',
    'at jwt',
  ])('refuses the type %s', (typ) => {
    expect(reasonOf(() => readToken(token({ ...HEADER, typ })))).toEqual({
      code: 'token_type_invalid',
      step: 'token',
      message: REASONS.token_type_invalid.operators,
    });
  });

  it('takes 8 KiB and not a byte more', () => {
    const filled = (length: number): string =>
      token(HEADER, CLAIMS, 'A'.repeat(length - token(HEADER, CLAIMS, '').length));
    expect(filled(MAX_TOKEN_BYTES)).toHaveLength(8192);
    expect(readToken(filled(MAX_TOKEN_BYTES)).payload).toEqual(CLAIMS);
    expect(reasonOf(() => readToken(filled(MAX_TOKEN_BYTES + 1))).message).toBe('The token is longer than 8192 bytes.');
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
          read = readToken(text);
        } catch (error) {
          expect(error).toBeInstanceOf(TokenRefused);
          return;
        }
        // What is read must be what is written: each part is the only spelling of its bytes.
        const bytes = text.split('.').map((part) => Buffer.from(part, 'base64url').toString('base64url'));
        expect(bytes.join('.')).toBe(text);
        expect(read.payload).toEqual(JSON.parse(Buffer.from(text.split('.')[1] ?? '', 'base64url').toString()));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('readClaims', () => {
  it('takes the least that a token needs', () => {
    expect(readClaims(CLAIMS)).toEqual(CLAIMS);
  });

  it('takes everything that a token can say, and keeps what it does not know', () => {
    const full = {
      ...CLAIMS,
      aud: ['hr-api', 'other'],
      nbf: T,
      iat: T - 0.5,
      jti: 'j1',
      client_id: 'hr-assistant',
      scope: 'hr.employees.read  hr.employees.write',
      authorization_details: [{ type: 'hr', actions: ['read'], identifier: 'erin', custom: { a: 1 } }],
      act: { sub: 'hr-assistant', act: { sub: 'planner' } },
      own: ['x'],
    };
    expect(readClaims(full)).toEqual(full);
  });

  it.each<[string, Record<string, unknown>]>([
    ['iss', { iss: undefined }],
    ['iss', { iss: 1 }],
    ['iss', { iss: '' }],
    ['iss', { iss: ['https://login.example'] }],
    ['sub', { sub: undefined }],
    ['sub', { sub: '' }],
    ['sub', { sub: 7 }],
    ['sub', { sub: null }],
    ['sub', { sub: ['alice'] }],
    ['sub', { sub: { id: 'alice' } }],
    ['sub', { sub: 'a'.repeat(257) }],
    ['sub', { sub: 'alice\n' }],
    ['sub', { sub: 'e\u0301' }],
    ['aud', { aud: undefined }],
    ['aud', { aud: '' }],
    ['aud', { aud: [] }],
    ['aud', { aud: ['hr-api', 1] }],
    ['aud', { aud: { 0: 'hr-api' } }],
    ['aud', { aud: Array.from({ length: 33 }, String) }],
    ['exp', { exp: undefined }],
    ['exp', { exp: String(T + 300) }],
    ['exp', { exp: null }],
    ['exp', { exp: true }],
    ['exp', { exp: -1 }],
    ['exp', { exp: 1e300 }],
    // In milliseconds, as some issuers write it by mistake: far beyond the year 9999 it would never end.
    ['exp', { exp: 1000 * (T + 300) }],
    ['nbf', { nbf: String(T) }],
    ['nbf', { nbf: null }],
    ['iat', { iat: 'now' }],
    ['iat', { iat: [T] }],
    ['jti', { jti: 1 }],
    ['jti', { jti: '' }],
    ['client_id', { client_id: 1 }],
    ['scope', { scope: ['a', 'b'] }],
    ['scope', { scope: 'x'.repeat(4097) }],
    ['authorization_details', { authorization_details: { type: 'hr' } }],
    ['authorization_details', { authorization_details: '[]' }],
    ['authorization_details', { authorization_details: Array.from({ length: 33 }, () => ({ type: 'hr' })) }],
    ['authorization_details[0]', { authorization_details: ['hr'] }],
    ['authorization_details[1].type', { authorization_details: [{ type: 'hr' }, { actions: ['read'] }] }],
    ['authorization_details[0].actions', { authorization_details: [{ type: 'hr', actions: 'read' }] }],
    ['authorization_details[0].actions[0]', { authorization_details: [{ type: 'hr', actions: [1] }] }],
    ['authorization_details[0].locations', { authorization_details: [{ type: 'hr', locations: null }] }],
    ['authorization_details[0].identifier', { authorization_details: [{ type: 'hr', identifier: 5 }] }],
    ['authorization_details[0].resources', { authorization_details: [{ type: 'hr', resources: {} }] }],
    ['act', { act: null }],
    ['act', { act: 'hr-assistant' }],
    ['act', { act: [{ sub: 'hr-assistant' }] }],
  ])('refuses %s in %j', (claim, change) => {
    const reason = reasonOf(() => readClaims({ ...CLAIMS, ...change }));
    expect(reason).toMatchObject({ code: 'token_claims_invalid', step: 'token' });
    expect(reason.message).toContain(`The claim "${claim}" is not acceptable: `);
  });
});
