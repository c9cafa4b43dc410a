/** The formats of tokens: each known by its type, everything else refused by its own name, disguised or not. */
import { describe, expect, it } from 'vitest';
import type { ReasonCode } from '../../src/model/reasons.js';
import {
  DEFAULT_TYPES,
  detectFormat,
  requireFormatClaims,
  TOKEN_TYPES,
  type TokenFormat,
  type TokenType,
} from '../../src/tokens/formats.js';
import { Issuers, type IssuerConfig } from '../../src/tokens/issuers.js';
import { ISSUER_PRESETS } from '../../src/tokens/presets.js';
import { reasonOf, refusal } from './refused.js';

const CLAIMS = { iss: 'https://login.example', sub: 'alice', aud: 'hr-api', exp: 1, client_id: 'web', scope: 'a' };
type Claims = Readonly<Record<string, unknown>>;

const judge = (typ: string | undefined, accepted: readonly TokenType[] = TOKEN_TYPES, payload: Claims = CLAIMS) =>
  detectFormat({ header: { alg: 'ES256', ...(typ === undefined ? {} : { typ }) }, payload }, accepted);

const FORMATS: Readonly<Record<TokenType, TokenFormat>> = {
  'at+jwt': { name: 'access_token', type: 'at+jwt', requires: [], credential: true },
  JWT: { name: 'jwt', type: 'JWT', requires: ['client_id', 'scope'], credential: true },
  'txntoken+jwt': { name: 'transaction_token', type: 'txntoken+jwt', requires: ['txn', 'scope'], credential: false },
};
/** Every way to write each type. */
const SPELLINGS: readonly [string | undefined, TokenType][] = [
  ['at+jwt', 'at+jwt'],
  ['AT+JWT', 'at+jwt'],
  ['application/at+jwt', 'at+jwt'],
  ['Application/At+Jwt', 'at+jwt'],
  ['JWT', 'JWT'],
  ['jwt', 'JWT'],
  ['application/jwt', 'JWT'],
  [undefined, 'JWT'],
  ['txntoken+jwt', 'txntoken+jwt'],
  ['TXNTOKEN+JWT', 'txntoken+jwt'],
  ['application/txntoken+jwt', 'txntoken+jwt'],
];
const SUBSETS: readonly (readonly TokenType[])[] = [
  [],
  ['at+jwt'],
  ['JWT'],
  ['txntoken+jwt'],
  ['at+jwt', 'JWT'],
  DEFAULT_TYPES,
  ['JWT', 'txntoken+jwt'],
  TOKEN_TYPES,
];

describe('the type', () => {
  it.each(SPELLINGS)('%j is that of a format, taken from exactly the issuers that sign it', (typ, type) => {
    for (const accepted of SUBSETS) {
      if (accepted.includes(type)) expect(judge(typ, accepted)).toEqual(FORMATS[type]);
      else
        expect(
          reasonOf(() => judge(typ, accepted)),
          accepted.join(),
        ).toEqual(refusal('token_type_invalid'));
    }
  });

  it.each([
    '',
    ' ',
    'at+jwt ',
    ' at+jwt',
    'at+jwt;v=1',
    'at jwt',
    'at',
    'text/at+jwt',
    'application/application/at+jwt',
    'application/',
    'id_token',
    'id+jwt',
    'JOSE',
    'JWS',
    'JWE',
    'kb+jwt',
    'dc+sd-jwt',
    'token-introspection+jwt',
    'application/okta-internal-at+jwt',
    // Members that every object inherits.
    'constructor',
    '__proto__',
    'toString',
    'hasOwnProperty',
  ])('%j is that of nothing', (typ) => {
    expect(reasonOf(() => judge(typ))).toEqual(refusal('token_type_invalid'));
  });

  it.each<[string, ReasonCode]>([
    ['oauth-id-jag+jwt', 'token_is_id_jag'],
    ['logout+jwt', 'token_is_logout_token'],
    ['secevent+jwt', 'token_is_security_event'],
    ['dpop+jwt', 'token_is_dpop_proof'],
    ['oauth-client-attestation+jwt', 'token_is_client_attestation'],
    ['oauth-client-attestation-pop+jwt', 'token_is_client_attestation'],
  ])('%s is refused by its own name', (typ, code) => {
    for (const spelling of [typ, typ.toUpperCase(), `application/${typ}`, `Application/${typ.toUpperCase()}`])
      expect(
        reasonOf(() => judge(spelling)),
        spelling,
      ).toEqual(refusal(code));
  });
});

const LOGOUT = 'http://schemas.openid.net/event/backchannel-logout';
const DISGUISED: readonly [string, Claims, ReasonCode][] = [
  ['an ID token, by its nonce', { nonce: 'n' }, 'token_is_id_token'],
  ['an ID token, by a nonce of null', { nonce: null }, 'token_is_id_token'],
  ['an ID token, by at_hash', { at_hash: 'x' }, 'token_is_id_token'],
  ['an ID token, by c_hash', { c_hash: 'x' }, 'token_is_id_token'],
  ['an ID token, by s_hash', { s_hash: 'x' }, 'token_is_id_token'],
  ['an ID token of Keycloak', { typ: 'ID' }, 'token_is_id_token'],
  ['an ID token of Cognito', { token_use: 'id' }, 'token_is_id_token'],
  ['a logout token', { events: { [LOGOUT]: {} } }, 'token_is_logout_token'],
  ['a logout token of null', { events: { [LOGOUT]: null } }, 'token_is_logout_token'],
  ['a logout token with a nonce', { events: { [LOGOUT]: {} }, nonce: 'n' }, 'token_is_logout_token'],
  [
    'a logout token among other events',
    { events: { 'https://x.example/e': {}, [LOGOUT]: {} } },
    'token_is_logout_token',
  ],
  ['a logout token of Keycloak', { typ: 'Logout' }, 'token_is_logout_token'],
  ['a security event', { events: { 'https://x.example/e': {} } }, 'token_is_security_event'],
  ['a security event without any', { events: {} }, 'token_is_security_event'],
  ['a security event as a list', { events: [LOGOUT] }, 'token_is_security_event'],
  ['a security event as a text', { events: LOGOUT }, 'token_is_security_event'],
  ['a security event of null', { events: null }, 'token_is_security_event'],
  ['a security event by a name that every object has', { events: { toString: {} } }, 'token_is_security_event'],
  ['a DPoP proof', { htm: 'POST', htu: 'https://x.example' }, 'token_is_dpop_proof'],
  ['a DPoP proof with a nonce', { htm: 'POST', htu: 'https://x.example', nonce: 'n' }, 'token_is_dpop_proof'],
  ['a refresh token of Keycloak', { typ: 'Refresh' }, 'token_type_invalid'],
  ['an offline token of Keycloak', { typ: 'Offline' }, 'token_type_invalid'],
  ['a claim typ of other letters', { typ: 'bearer' }, 'token_type_invalid'],
  ['an empty claim typ', { typ: '' }, 'token_type_invalid'],
];

describe('where the type says nothing', () => {
  it.each(DISGUISED)('%s is found by its claims', (_, more, code) => {
    for (const typ of [undefined, 'JWT', 'jwt', 'application/JWT']) {
      const payload = { ...CLAIMS, ...more };
      expect(
        reasonOf(() => judge(typ, TOKEN_TYPES, payload)),
        typ,
      ).toEqual(refusal(code));
      // With a reason of its own, even where the issuer signs nothing without a type.
      expect(
        reasonOf(() => judge(typ, DEFAULT_TYPES, payload)),
        typ,
      ).toEqual(refusal(code));
    }
  });

  it.each(DISGUISED)('%s is no disguise of what states its type', (_, more) => {
    const payload = { ...CLAIMS, ...more };
    expect(judge('at+jwt', TOKEN_TYPES, payload)).toEqual(FORMATS['at+jwt']);
    expect(judge('txntoken+jwt', TOKEN_TYPES, payload)).toEqual(FORMATS['txntoken+jwt']);
  });

  it.each<[string, Claims]>([
    ['nothing special', {}],
    ['the claim typ Bearer', { typ: 'Bearer' }],
    ['the claim typ DPoP', { typ: 'DPoP' }],
    ['token_use access', { token_use: 'access' }],
    ['half of what a proof has', { htm: 'POST' }],
    ['the other half', { htu: 'https://x.example' }],
  ])('an access token with %s is one', (_, more) => {
    expect(judge('JWT', TOKEN_TYPES, { ...CLAIMS, ...more })).toEqual(FORMATS.JWT);
    expect(judge(undefined, TOKEN_TYPES, { ...CLAIMS, ...more })).toEqual(FORMATS.JWT);
  });
});

describe('what a format must have', () => {
  it.each<[TokenType, Claims, string | undefined]>([
    ['at+jwt', {}, undefined],
    ['JWT', { client_id: 'web', scope: 'a' }, undefined],
    ['JWT', { client_id: 'web', scope: '' }, undefined],
    ['JWT', { scope: 'a' }, 'The claim "client_id" is required of a JWT.'],
    ['JWT', { client_id: 'web' }, 'The claim "scope" is required of a JWT.'],
    ['JWT', { client_id: undefined, scope: undefined }, 'The claim "client_id" is required of a JWT.'],
    ['txntoken+jwt', { txn: 't1', scope: 'a' }, undefined],
    ['txntoken+jwt', { scope: 'a' }, 'The claim "txn" is required of a txntoken+jwt.'],
    ['txntoken+jwt', { txn: 't1' }, 'The claim "scope" is required of a txntoken+jwt.'],
    // Another's claims do not do.
    ['txntoken+jwt', { client_id: 'web', scope: 'a' }, 'The claim "txn" is required of a txntoken+jwt.'],
  ])('%s with %j', (type, claims, message) => {
    const check = (): void => requireFormatClaims(judge(type), claims);
    if (message === undefined) expect(check).not.toThrow();
    else expect(reasonOf(check)).toEqual(refusal('token_claims_invalid', message));
  });
});

describe("an issuer's types", () => {
  const typesOf = (more: Partial<IssuerConfig>): readonly TokenType[] | undefined =>
    new Issuers([
      {
        issuer: 'https://a',
        jwks: { keys: [] },
        audience: 'remit',
        primary: true,
        shapes: ['act'],
        algorithms: ['ES256'],
        ...more,
      },
    ]).find('https://a')?.rules.types;

  it.each<[string, Partial<IssuerConfig>, readonly TokenType[]]>([
    ['are what the standards say', {}, ['at+jwt', 'txntoken+jwt']],
    ['are those of its preset', { preset: 'entra' }, ISSUER_PRESETS.entra.types],
    ['are its own where it says so', { token_types: ['JWT'] }, ['JWT']],
    ['are its own beside a preset', { preset: 'okta', token_types: ['at+jwt'] }, ['at+jwt']],
    ['are its own where it could say nothing worse', { token_types: ['txntoken+jwt'] }, ['txntoken+jwt']],
  ])('%s', (_, more, types) => {
    expect(typesOf(more)).toEqual(types);
  });
});
