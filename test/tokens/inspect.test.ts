/** Looking at a token without believing it: its normalized form, and all that is wrong with it. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { ReasonCode } from '../../src/model/reasons.js';
import { inspectToken, type TokenInspection } from '../../src/tokens/inspect.js';
import type { IssuerConfig } from '../../src/tokens/issuers.js';
import { encoded, makeKey, NOW, T, type Key } from './keys.js';
import { refusal } from './refused.js';

const KNOWN = 'https://login.example';
const FOREIGN = 'https://stranger.example';

type Claims = Readonly<Record<string, unknown>>;
let key: Key;
let configs: readonly IssuerConfig[];
beforeAll(async () => {
  key = await makeKey('ES256', 'k1');
  configs = [
    {
      issuer: KNOWN,
      jwks: { keys: [key.jwk] },
      audience: 'remit',
      primary: false,
      alias: 'acme',
      shapes: ['act', 'agent'],
      algorithms: ['ES256'],
      token_types: ['at+jwt', 'JWT'],
      scopes: { Read: ['hr.read'] },
    },
    // Never asked for its keys: nothing is verified here.
    { issuer: 'https://other.example', jwks_uri: 'https://127.0.0.1:1/jwks', audience: 'remit', primary: true, shapes: ['act'], algorithms: ['RS256'] },
  ]; // prettier-ignore
});

const HEADER = { alg: 'ES256', typ: 'at+jwt', kid: 'k1' };
const CLAIMS = {
  iss: KNOWN,
  sub: 'alice',
  aud: 'remit',
  iat: T,
  exp: T + 300,
  act: { sub: 'bot' },
  scope: 'Read Write',
};
/** Leaves undefined members out; the signature is not valid. */
const token = (claims: Claims = {}, header: Claims = {}): string =>
  `${encoded({ ...HEADER, ...header })}.${encoded({ ...CLAIMS, ...claims })}.${'A'.repeat(86)}`;
const inspect = (text: string, of = configs): TokenInspection => inspectToken(text, of, [], NOW);
const problem = (code: ReasonCode, message?: string): TokenInspection['problems'][number] => {
  const { step: _, ...said } = refusal(code, message);
  return said;
};

const NORMALIZED: TokenInspection['token'] = {
  format: 'access_token',
  issuer: KNOWN,
  mode: 'delegated',
  user: 'acme|alice',
  actors: [{ iss: KNOWN, sub: 'bot', id: 'acme|bot', profile: undefined, trust: 'current' }],
  clientId: undefined,
  scopes: ['hr.read'],
  authorizationDetails: undefined,
  resources: ['remit'],
  access: 'online',
  purpose: undefined,
  session: undefined,
  txn: undefined,
  transaction: undefined,
  requester: undefined,
  proof: undefined,
  expiresAt: T + 300,
  notBefore: undefined,
  issuedAt: T,
  authenticatedAt: undefined,
  jti: undefined,
  chainComplete: true,
  agentIsClient: false,
  soleSubject: undefined,
};

describe('a token that is good', () => {
  it('has no problems, and is not said to be verified', () => {
    expect(inspect(token())).toStrictEqual({
      verified: false,
      header: HEADER,
      issuerKnown: true,
      token: NORMALIZED,
      problems: [],
    });
  });

  it('is read the same whoever signed it', async () => {
    expect(inspect(await key.sign(HEADER, CLAIMS))).toEqual(inspect(token()));
  });

  it('shows its header as it is', () => {
    expect(inspect(token({}, { jku: 'https://x.example', cty: 'JWT' })).header).toEqual({
      ...HEADER,
      jku: 'https://x.example',
      cty: 'JWT',
    });
  });
});

const AUDIENCE = 'The token is for ["hr-api"]; it must be for "remit".';
const NO_AGENT = 'The token names no agent, so no agent can act with it.';
describe('what is wrong with one that can be read', () => {
  // prettier-ignore
  it.each<[string, Claims, Claims, [ReasonCode, string?][]]>([
    ['its end has passed', { exp: T }, {}, [['token_expired']]],
    ['it begins later', { nbf: T + 60 }, {}, [['token_not_yet_valid']]],
    ['it is from the future', { iat: T + 60 }, {}, [['token_not_yet_valid']]],
    ['it is for somebody else', { aud: 'hr-api' }, {}, [['token_audience_mismatch', AUDIENCE]]],
    ['it is for somebody else, and past its end', { aud: 'hr-api', exp: T - 1 }, {}, [['token_audience_mismatch', AUDIENCE], ['token_expired']]],
    ['its algorithm is not one of the issuer’s', {}, { alg: 'RS256' }, [['token_algorithm_forbidden', 'The algorithm "RS256" is not one that the issuer is configured to use: ES256.']]],
    ['its algorithm is none', {}, { alg: 'none' }, [['token_algorithm_forbidden', 'The algorithm "none" is not one that the issuer is configured to use: ES256.']]],
    ['it names no agent', { act: undefined }, {}, [['token_actor_invalid', NO_AGENT]]],
    ['everything', { act: undefined, exp: 0 }, { alg: 'HS256' }, [['token_algorithm_forbidden', 'The algorithm "HS256" is not one that the issuer is configured to use: ES256.'], ['token_actor_invalid', NO_AGENT], ['token_expired']]],
  ])('is said: %s', (_, claims, header, problems) => {
    const inspected = inspect(token(claims, header));
    expect(inspected).toMatchObject({ verified: false, issuerKnown: true });
    expect(inspected.token).toBeDefined();
    expect(inspected.problems).toEqual(problems.map(([code, message]) => problem(code, message)));
  });

  it('leaves the rest of it readable', () => {
    expect(inspect(token({ exp: T - 1, aud: ['a', 'b'] })).token).toEqual({
      ...NORMALIZED,
      resources: ['a', 'b'],
      expiresAt: T - 1,
    });
  });
});

describe('what can not be read', () => {
  // prettier-ignore
  it.each<[string, string, ReasonCode, string]>([
    ['nothing', '', 'token_malformed', 'The token is not a compact JWS of three parts.'],
    ['words', 'a token', 'token_malformed', 'The token is not a compact JWS of three parts.'],
    ['an encrypted token', 'a.b.c.d.e', 'token_malformed', 'The token is encrypted (JWE); a signed one (JWS) is needed.'],
    ['JSON', '{}', 'token_malformed', 'The JSON serialization is not accepted, only the compact one.'],
    ['a claim twice', `${encoded(HEADER)}.${encoded('{"sub":"a","sub":"b"}')}.AA`, 'token_malformed', 'In the token\'s payload, "sub" is given twice.'],
  ])('is nothing but a problem: %s', (_, text, code, message) => {
    expect(inspect(text)).toStrictEqual({
      verified: false,
      header: undefined,
      issuerKnown: false,
      token: undefined,
      problems: [problem(code, message)],
    });
  });

  // prettier-ignore
  it.each<[string, Claims, Claims, ReasonCode, string?]>([
    ['a claim of another type', { exp: 'soon' }, {}, 'token_claims_invalid', 'The claim "exp" is not acceptable: must be of type number, not string.'],
    ['a chain that loops', { act: { sub: 'a', act: { sub: 'a' } } }, {}, 'token_actor_invalid', 'The chain names an agent twice.'],
    ['a person who acts', { act: { sub: 'bob', sub_profile: 'user' } }, {}, 'token_chain_inverted', 'The acting party is a person: a user does not act for an agent.'],
    ['a binding to nothing', { cnf: {} }, {}, 'proof_invalid', 'The claim "cnf" has no thumbprint of a key (jkt) or a certificate (x5t#S256).'],
    ['an ID token', { nonce: 'n' }, { typ: 'JWT' }, 'token_is_id_token'],
    ['a logout token', {}, { typ: 'logout+jwt' }, 'token_is_logout_token'],
    ['a DPoP proof', {}, { typ: 'dpop+jwt' }, 'token_is_dpop_proof'],
    ['a type that is none', {}, { typ: 'x+jwt' }, 'token_type_invalid'],
    ['a type by the name of a method', {}, { typ: 'constructor' }, 'token_type_invalid'],
    ['a type that this issuer does not sign', {}, { typ: 'txntoken+jwt' }, 'token_type_invalid'],
  ])('keeps its header: %s', (_, claims, header, code, message) => {
    expect(inspect(token(claims, header))).toEqual({
      verified: false,
      header: { ...HEADER, ...header },
      issuerKnown: true,
      token: undefined,
      claims: expect.objectContaining(claims) as object,
      problems: [problem(code, message)],
    });
  });
});

describe('a token of an issuer that is not configured', () => {
  const UNKNOWN = problem('token_issuer_unknown', 'The `iss` of the token is not a configured issuer.');
  const foreign = (claims: Claims = {}, header: Claims = {}): TokenInspection =>
    inspect(token({ iss: FOREIGN, ...claims }, header));

  it('is read as the standards have it, for whomever it is and by whatever algorithm', () => {
    expect(foreign({ aud: 'somebody' }, { alg: 'PS512' })).toStrictEqual({
      verified: false,
      header: { ...HEADER, alg: 'PS512' },
      issuerKnown: false,
      token: {
        ...NORMALIZED,
        issuer: FOREIGN,
        user: 'alice',
        actors: [{ iss: FOREIGN, sub: 'bot', id: 'bot', profile: undefined, trust: 'current' }],
        scopes: ['Read', 'Write'],
        resources: ['somebody'],
      },
      problems: [UNKNOWN],
    });
  });

  // prettier-ignore
  it.each<[string, Claims, Claims, object]>([
    ['an agent alone', { act: undefined, sub: 'bot', client_id: 'bot' }, {}, { mode: 'direct', actors: [{ id: 'bot' }] }],
    ['a client that may be an agent', { act: undefined, client_id: 'web' }, {}, { mode: 'delegated', actors: [{ id: 'web' }], agentIsClient: true }],
    ['a token without a type of its own', { client_id: 'web' }, { typ: undefined }, { format: 'jwt' }],
    ['a transaction token', { txn: 't1' }, { typ: 'txntoken+jwt' }, { format: 'transaction_token', txn: 't1' }],
    ['a chain with an agent of a known issuer', { act: { sub: 'a', act: { sub: 'b', iss: KNOWN } } }, {}, { actors: [{ id: 'a' }, { id: 'acme|b' }] }],
  ])('may be %s', (_, claims, header, wanted) => {
    const inspected = foreign(claims, header);
    expect(inspected).toMatchObject({ issuerKnown: false, token: wanted });
    expect(inspected.problems).toEqual([UNKNOWN]);
  });

  // prettier-ignore
  it.each<[string, Claims, [ReasonCode, string?]]>([
    ['its end has passed', { exp: T - 1 }, ['token_expired']],
    ['it names no agent', { act: undefined }, ['token_actor_invalid', NO_AGENT]],
    ['its id would pass for that of a known issuer', { sub: 'acme|alice' }, ['token_claims_invalid', 'An id begins with the alias of another issuer.']],
    ['it has no issuer at all', { iss: undefined }, ['token_claims_invalid', 'The claim "iss" is not acceptable: is required.']],
    ['its issuer is a list', { iss: [KNOWN] }, ['token_claims_invalid', 'The claim "iss" is not acceptable: must be of type string, not array.']],
  ])('has more problems than that: %s', (_, claims, [code, message]) => {
    expect(foreign(claims).problems).toEqual([UNKNOWN, problem(code, message)]);
  });

  it('is all that there is where no issuer is configured', () => {
    expect(inspect(token(), [])).toMatchObject({ issuerKnown: false, token: { issuer: KNOWN }, problems: [UNKNOWN] });
  });
});
