/** The verifier: every reason for which a token is not believed, with real keys, and what is never believed at all. */
import { createHmac, generateKeyPairSync } from 'node:crypto';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { SignJWT, type JWK } from 'jose';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Fault } from '../../src/model/faults.js';
import { REASONS, type ReasonCode } from '../../src/model/reasons.js';
import { Issuers, type IssuerConfig } from '../../src/tokens/issuers.js';
import { TokenVerifier, type TokenVerification } from '../../src/tokens/verify.js';
import { encoded, makeKey, NOW, T, type Key } from './keys.js';
import { json, raw, serveKeys, type Answer, type KeyServer } from './server.js';

const PRIMARY = 'https://login.example';
const PARTNER = 'https://partner.example';
const ROBOTS = 'https://robots.example';
const MACHINES = 'https://machines.example';
const PLAIN = 'https://plain.example';

const keys = {} as Record<'k1' | 'k2' | 'partner' | 'partnerEd' | 'robots' | 'encryption' | 'stranger', Key>;
let configs: IssuerConfig[];
let verifier: TokenVerifier;

beforeAll(async () => {
  keys.k1 = await makeKey('ES256', 'k1');
  keys.k2 = await makeKey('ES256', 'k2');
  keys.partner = await makeKey('RS256', 'p1');
  keys.partnerEd = await makeKey('Ed25519', 'p2');
  keys.robots = await makeKey('ES256', 'r1');
  keys.encryption = await makeKey('ES256', 'e1');
  keys.stranger = await makeKey('ES256', 'k1');
  const encryption = { ...keys.encryption.jwk, use: 'enc' };
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' }) as JWK;
  configs = [
    {
      issuer: PRIMARY,
      jwks: { keys: [keys.k1.jwk, keys.k2.jwk, encryption] },
      audience: 'remit',
      primary: true,
      shapes: ['act'],
      algorithms: ['ES256'],
    },
    {
      issuer: PARTNER,
      jwks: { keys: [keys.partner.jwk, keys.partnerEd.jwk] },
      audience: 'remit-for-partners',
      primary: false,
      alias: 'partner',
      shapes: ['act', 'agent'],
      algorithms: ['RS256', 'Ed25519'],
    },
    {
      issuer: ROBOTS,
      jwks: { keys: [keys.robots.jwk] },
      audience: 'remit',
      primary: false,
      alias: 'robots',
      shapes: ['user_claim', 'agent'],
      user_claim: 'on_behalf_of',
      algorithms: ['ES256'],
    },
    {
      issuer: MACHINES,
      jwks: { keys: [keys.robots.jwk] },
      audience: 'remit',
      primary: false,
      alias: 'machines',
      shapes: ['agent'],
      algorithms: ['ES256'],
    },
    {
      issuer: PLAIN,
      jwks: { keys: [keys.robots.jwk, { ...weak, kid: 'weak' }] },
      audience: 'remit',
      primary: false,
      alias: 'plain',
      shapes: ['client_id'],
      algorithms: ['ES256', 'RS256'],
      token_types: ['JWT'],
      actor_profiles: ['ai_agent'],
      authorization_details_types: ['payment'],
      scopes: { 'Employees.Read': ['hr.read', 'hr.list'], 'Employees.List': ['hr.list'], Nothing: [] },
    },
  ];
  verifier = new TokenVerifier(new Issuers(configs));
});

type Object_ = Readonly<Record<string, unknown>>;
/** Everything undefined is left out. */
const claims = (change: Object_ = {}): Object_ => ({
  iss: PRIMARY,
  sub: 'alice',
  aud: 'hr-api',
  iat: T,
  exp: T + 300,
  act: { sub: 'hr-assistant' },
  ...change,
});
const header = (change: Object_ = {}): Object_ => ({ alg: 'ES256', typ: 'at+jwt', kid: 'k1', ...change });

const sign = (change: Object_ = {}, changedHeader: Object_ = {}, key: keyof typeof keys = 'k1'): Promise<string> =>
  keys[key].sign(header(changedHeader), claims(change));
const partner = (change: Object_): Promise<string> =>
  sign({ iss: PARTNER, act: undefined, ...change }, { alg: 'RS256', kid: 'p1' }, 'partner');
const plain = (change: Object_, changedHeader: Object_ = {}): Promise<string> =>
  sign(
    { iss: PLAIN, act: undefined, client_id: 'bot', client_profile: 'ai_agent', scope: '', ...change },
    { kid: 'r1', typ: 'JWT', ...changedHeader },
    'robots',
  );
const robots = (change: Object_): Promise<string> =>
  sign({ iss: ROBOTS, sub: 'bot-7', act: undefined, ...change }, { kid: 'r1' }, 'robots');

const verify = (token: string, audience: string | undefined = 'hr-api', now = NOW): Promise<TokenVerification> =>
  verifier.verify(token, audience, now);
const AUDIENCES = expect.stringMatching(/^The token is for \[.*\]; it must be for ".+"\.$/) as string;
/** The message names the two audiences; every other is the catalogue's unless a test says more. */
const refusedAs = (
  code: ReasonCode,
  message: string = code === 'token_audience_mismatch' ? AUDIENCES : REASONS[code].operators,
  begins = T + 6,
): TokenVerification => ({
  ok: false,
  reason: {
    code,
    step: 'token',
    message,
    ...(code === 'token_not_yet_valid' ? { not_before: new Date(begins * 1000).toISOString() } : {}),
  },
});

describe('a token that is believed', () => {
  it('says who acts for whom, on what grant and until when', async () => {
    const details = [{ type: 'hr', actions: ['read'], identifier: 'erin' }];
    const token = await sign({
      aud: ['other', 'hr-api'],
      scope: 'a  b a',
      authorization_details: details,
      client_id: 'web',
      jti: 'j1',
      nbf: T - 1,
      act: { sub: 'hr-assistant', act: { sub: 'planner', act: { sub: 'scheduler', extra: 1 } } },
    });
    const of = { iss: PRIMARY, profile: undefined };
    expect(await verify(token)).toStrictEqual({
      ok: true,
      token: {
        format: 'access_token',
        issuer: PRIMARY,
        mode: 'delegated',
        user: 'alice',
        actors: [
          { ...of, sub: 'hr-assistant', id: 'hr-assistant', trust: 'current' },
          { ...of, sub: 'planner', id: 'planner', trust: 'history' },
          { ...of, sub: 'scheduler', id: 'scheduler', trust: 'history' },
        ],
        clientId: 'web',
        scopes: ['a', 'b'],
        authorizationDetails: details,
        resources: ['other', 'hr-api'],
        access: 'online',
        purpose: undefined,
        session: undefined,
        txn: undefined,
        transaction: undefined,
        requester: undefined,
        proof: undefined,
        expiresAt: T + 300,
        notBefore: T - 1,
        issuedAt: T,
        authenticatedAt: undefined,
        jti: 'j1',
        chainComplete: true,
        agentIsClient: false,
        soleSubject: undefined,
      },
      accepted: { audience: 'hr-api', detailTypes: [] },
    });
  });

  it('says as much of a transaction token', async () => {
    const token = await sign(
      {
        scope: 'a',
        txn: 't1',
        tctx: { purpose: 'payroll', amount: 5 },
        rctx: { req_ip: '192.0.2.1' },
        sid: 's1',
        access: 'background',
        cnf: { jkt: 'A'.repeat(43), 'x5t#S256': 'B'.repeat(43) },
      },
      { typ: 'txntoken+jwt' },
    );
    expect(await verify(token)).toStrictEqual({
      ok: true,
      token: {
        format: 'transaction_token',
        issuer: PRIMARY,
        mode: 'delegated',
        user: 'alice',
        actors: [{ iss: PRIMARY, sub: 'hr-assistant', id: 'hr-assistant', profile: undefined, trust: 'current' }],
        clientId: undefined,
        scopes: ['a'],
        authorizationDetails: undefined,
        resources: ['hr-api'],
        access: 'background',
        purpose: 'payroll',
        session: 's1',
        txn: 't1',
        transaction: { purpose: 'payroll', amount: 5 },
        requester: { req_ip: '192.0.2.1' },
        proof: { jkt: 'A'.repeat(43), x5t: 'B'.repeat(43) },
        expiresAt: T + 300,
        notBefore: undefined,
        issuedAt: T,
        authenticatedAt: undefined,
        jti: undefined,
        chainComplete: true,
        agentIsClient: false,
        soleSubject: undefined,
      },
      accepted: { audience: 'hr-api', detailTypes: [] },
    });
  });

  it('says as much of one without a type of its own, on the terms of its issuer', async () => {
    expect(
      await verify(await plain({ scope: 'Employees.Read Nothing other constructor Employees.List' })),
    ).toStrictEqual({
      ok: true,
      token: {
        format: 'jwt',
        issuer: PLAIN,
        mode: 'delegated',
        user: 'plain|alice',
        actors: [{ iss: PLAIN, sub: 'bot', id: 'plain|bot', profile: 'ai_agent', trust: 'current' }],
        clientId: 'bot',
        // In the platform's own words, each once; what it has no word for counts for nothing.
        scopes: ['hr.read', 'hr.list'],
        authorizationDetails: undefined,
        resources: ['hr-api'],
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
        chainComplete: false,
        agentIsClient: true,
        // No client is called so, and only a client logs in by its own name.
        soleSubject: 'alice',
      },
      accepted: { audience: 'hr-api', detailTypes: ['payment'] },
    });
  });

  it.each([
    ['its own', { purpose: 'hiring' }, 'hiring'],
    ["the transaction's", { tctx: { purpose: 'payroll' } }, 'payroll'],
    ["its own before the transaction's", { purpose: 'hiring', tctx: { purpose: 'payroll' } }, 'hiring'],
    ['none', { tctx: { for: 'payroll' } }, undefined],
  ])('has a purpose: %s', async (_, change, purpose) => {
    const token = await sign({ txn: 't1', scope: '', ...change }, { typ: 'txntoken+jwt' });
    expect(await verify(token)).toMatchObject({ ok: true, token: { purpose } });
  });

  it('has nothing of a transaction where it is no transaction token', async () => {
    const token = await sign({ txn: 't1', tctx: { purpose: 'payroll' }, rctx: { req_ip: '192.0.2.1' } });
    expect(await verify(token)).toMatchObject({
      ok: true,
      token: { purpose: undefined, txn: 't1', transaction: undefined, requester: undefined },
    });
  });

  it('may be one that jose made', async () => {
    const { privateKey, publicKey } = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
      'sign',
      'verify',
    ]);
    const jwk = await crypto.subtle.exportKey('jwk', publicKey);
    const own = new TokenVerifier(new Issuers([{ ...configs[0], jwks: { keys: [jwk] } } as IssuerConfig]));
    const token = await new SignJWT({ act: { sub: 'hr-assistant' } })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt' })
      .setIssuer(PRIMARY)
      .setSubject('alice')
      .setAudience('hr-api')
      .setExpirationTime(T + 300)
      .sign(privateKey);
    expect(await own.verify(token, 'hr-api', NOW)).toMatchObject({ ok: true, token: { user: 'alice' } });
  });

  it.each([
    ['one key', {}, 'k1'],
    ['another', { kid: 'k2' }, 'k2'],
    ['the first, not saying which', { kid: undefined }, 'k1'],
    ['the second, not saying which', { kid: undefined }, 'k2'],
  ] as const)('is signed by %s', async (_, changed, key) => {
    expect(await verify(await sign({}, changed, key))).toMatchObject({ ok: true });
  });

  it.each([
    ['RS256', { alg: 'RS256', kid: 'p1' }, 'partner'],
    ['Ed25519', { alg: 'Ed25519', kid: 'p2' }, 'partnerEd'],
  ] as const)('is signed by %s where its issuer signs so', async (_, changed, key) => {
    expect(await verify(await sign({ iss: PARTNER }, changed, key))).toMatchObject({ ok: true });
  });

  it("pays no heed to keys of the header's own", async () => {
    const jwk = keys.stranger.jwk;
    expect(
      await verify(await sign({}, { jwk, jku: 'http://127.0.0.1:1/jwks', x5c: ['x'], x5u: 'http://x' })),
    ).toMatchObject({
      ok: true,
    });
  });
});

describe('who acts', () => {
  const NOT_AN_ID = 'The claim "act.sub" is not the id of an agent.';
  /** The ids of the parties; actors.test.ts checks them whole. */
  const actingOf = (verification: TokenVerification): object => {
    if (!verification.ok) throw new Error(inspect(verification));
    const { mode, user, actors } = verification.token;
    const [agent, ...chain] = actors.map((a) => a.id);
    return { mode, user, agent, chain };
  };
  const NOBODY = { mode: 'unknown', agent: undefined, chain: [] };
  const nested = (...subs: string[]): Object_ | undefined =>
    subs.reduceRight<Object_ | undefined>((act, sub) => ({ sub, ...(act === undefined ? {} : { act }) }), undefined);
  const names = (n: number): string[] => Array.from({ length: n }, (_, i) => `agent-${i}`);

  it.each<[string, () => Promise<string>, object]>([
    [
      'act: the user in sub, the agent in act',
      () => sign(),
      { mode: 'delegated', user: 'alice', agent: 'hr-assistant', chain: [] },
    ],
    [
      "act: another issuer's go by its alias",
      () => partner({ act: nested('bot', 'other') }),
      { mode: 'delegated', user: 'partner|alice', agent: 'partner|bot', chain: ['partner|other'] },
    ],
    [
      'act: earlier actors of other issuers',
      () => sign({ act: { sub: 'bot', iss: PRIMARY, act: { sub: 'relay', iss: PARTNER, act: { sub: 'planner' } } } }),
      { mode: 'delegated', user: 'alice', agent: 'bot', chain: ['partner|relay', 'planner'] },
    ],
    [
      "act: an earlier actor of the primary's within a token of another",
      () => partner({ act: { sub: 'bot', act: { sub: 'planner', iss: PRIMARY } } }),
      { mode: 'delegated', user: 'partner|alice', agent: 'partner|bot', chain: ['planner'] },
    ],
    [
      'act: the longest chain',
      () => sign({ act: nested(...names(8)) }),
      { mode: 'delegated', user: 'alice', agent: 'agent-0', chain: names(8).slice(1) },
    ],
    [
      'act: two agents of one name and two issuers',
      () => sign({ act: { sub: 'bot', act: { sub: 'bot', iss: PARTNER } } }),
      { mode: 'delegated', user: 'alice', agent: 'bot', chain: ['partner|bot'] },
    ],
    [
      'user_claim: the agent in sub, the user in the claim',
      () => robots({ on_behalf_of: 'bob' }),
      { mode: 'delegated', user: 'robots|bob', agent: 'robots|bot-7', chain: [] },
    ],
    [
      'user_claim: beside agents alone',
      () => robots({ client_id: 'bot-7' }),
      { mode: 'direct', user: undefined, agent: 'robots|bot-7', chain: [] },
    ],
    [
      'agent: alone',
      () => sign({ iss: MACHINES, sub: 'm1', act: undefined }, { kid: 'r1' }, 'robots'),
      { mode: 'direct', user: undefined, agent: 'machines|m1', chain: [] },
    ],
    [
      'agent: where the issuer also delegates, by client_id',
      () => partner({ sub: 'bot', client_id: 'bot' }),
      { mode: 'direct', user: undefined, agent: 'partner|bot', chain: [] },
    ],
    [
      "an id with a bar, of an issuer's own",
      () => partner({ sub: 'acme|alice', client_id: 'acme|alice' }),
      { mode: 'direct', user: undefined, agent: 'partner|acme|alice', chain: [] },
    ],
    [
      'client_id: the user in sub, the agent in the client',
      () => plain({}),
      { mode: 'delegated', user: 'plain|alice', agent: 'plain|bot', chain: [] },
    ],
    // These name no agent: credentials.ts refuses them to agents, a user may still present their own.
    ['nothing, where there always is an act', () => sign({ act: undefined }), { ...NOBODY, user: 'alice' }],
    [
      'nothing, though the client is the subject',
      () => sign({ act: undefined, client_id: 'alice' }),
      { ...NOBODY, user: undefined },
    ],
    [
      'nothing: a user alone, of an issuer of agents',
      () => partner({ sub: 'alice', client_id: 'web' }),
      { ...NOBODY, user: 'partner|alice' },
    ],
    ['nothing: a user alone, without a client', () => partner({ sub: 'alice' }), { ...NOBODY, user: 'partner|alice' }],
    ['nothing: no user in the claim', () => robots({ client_id: 'web' }), { ...NOBODY, user: undefined }],
  ])('is read from %s', async (_, token, acting) => {
    expect(actingOf(await verify(await token()))).toEqual(acting);
  });

  it.each<[string, () => Promise<string>, string, ReasonCode?]>([
    ['act without sub', () => sign({ act: {} }), NOT_AN_ID],
    ['act.sub a number', () => sign({ act: { sub: 7 } }), NOT_AN_ID],
    ['act.sub empty', () => sign({ act: { sub: '' } }), NOT_AN_ID],
    ['act.sub a list', () => sign({ act: { sub: ['hr-assistant'] } }), NOT_AN_ID],
    ['act.sub with a control character', () => sign({ act: { sub: 'bot\nx' } }), NOT_AN_ID],
    ['an inner act without sub', () => sign({ act: { sub: 'a', act: { act: { sub: 'b' } } } }), NOT_AN_ID],
    [
      'an inner act that is a list',
      () => sign({ act: { sub: 'a', act: [{ sub: 'b' }] } }),
      'An `act` is not an object.',
    ],
    ['an inner act that is a string', () => sign({ act: { sub: 'a', act: 'b' } }), 'An `act` is not an object.'],
    ['an inner act that is null', () => sign({ act: { sub: 'a', act: null } }), 'An `act` is not an object.'],
    [
      'an act of an unknown issuer',
      () => sign({ act: { sub: 'a', iss: 'https://evil.example' } }),
      'An `act.iss` is not a configured issuer.',
    ],
    [
      'an acting agent of another issuer',
      () => sign({ act: { sub: 'bot', iss: PARTNER } }),
      `The acting agent is of "${PARTNER}", for which "${PRIMARY}" may not speak.`,
      'actor_forbidden',
    ],
    [
      "an acting agent who is said to be the primary's",
      () => partner({ act: { sub: 'hr-assistant', iss: PRIMARY } }),
      `The acting agent is of "${PRIMARY}", for which "${PARTNER}" may not speak.`,
      'actor_forbidden',
    ],
    [
      'an act whose issuer is no string',
      () => sign({ act: { sub: 'a', iss: [PARTNER] } }),
      'An `act.iss` is not a configured issuer.',
    ],
    [
      'an inner act of an unknown issuer',
      () => sign({ act: { sub: 'a', act: { sub: 'b', iss: '' } } }),
      'An `act.iss` is not a configured issuer.',
    ],
    ['a chain of nine', () => sign({ act: nested(...names(9)) }), 'The chain has more than 8 agents.'],
    [
      'a chain of fourteen with a loop',
      () => sign({ act: nested(...names(13), 'agent-0') }),
      'The chain has more than 8 agents.',
    ],
    ['an agent that called itself', () => sign({ act: nested('a', 'a') }), 'The chain names an agent twice.'],
    ['a loop over others', () => sign({ act: nested('a', 'b', 'c', 'b') }), 'The chain names an agent twice.'],
    [
      'a loop by way of the issuer',
      () => sign({ act: { sub: 'a', act: { sub: 'a', iss: PRIMARY } } }),
      'The chain names an agent twice.',
    ],
    [
      'an act of an issuer that states none',
      () => robots({ on_behalf_of: 'bob', act: { sub: 'bot-7' } }),
      'The token has an `act`, and its issuer is not configured to state one.',
    ],
  ])('is refused for %s', async (_, token, message, code = 'token_actor_invalid') => {
    expect(await verify(await token())).toEqual(refusedAs(code, message));
  });

  const PASSES = 'An id begins with the alias of another issuer.';
  const NO_USER = 'The claim "on_behalf_of" is not the id of a user.';
  it.each<[string, () => Promise<string>, string | RegExp]>([
    ["a primary user who would pass for a partner's", () => sign({ sub: 'partner|alice' }), PASSES],
    ["a primary agent who would pass for a partner's", () => sign({ act: { sub: 'partner|bot' } }), PASSES],
    ['one further back in the chain', () => sign({ act: nested('a', 'robots|b') }), PASSES],
    [
      'one that another issuer says is the primary’s',
      () => partner({ act: { sub: 'bot', act: { sub: 'robots|b', iss: PRIMARY } } }),
      PASSES,
    ],
    ['a user in the claim who is a number', () => robots({ on_behalf_of: 5 }), NO_USER],
    ['a user in the claim who is null', () => robots({ on_behalf_of: null }), NO_USER],
    ['a user in the claim who is empty', () => robots({ on_behalf_of: '' }), NO_USER],
    [
      'an id that is too long once it carries the alias',
      () => partner({ sub: 'a'.repeat(1020), client_id: 'a'.repeat(1020) }),
      /1024 bytes/,
    ],
  ])('is refused for %s', async (_, token, message) => {
    const verification = await verify(await token());
    expect(verification).toMatchObject({ ok: false, reason: { code: 'token_claims_invalid', step: 'token' } });
    if (!verification.ok) expect(verification.reason.message).toMatch(message);
  });
});

/** A good token but for its signature. */
async function signedWith(signature: string): Promise<string> {
  const [head, body] = (await sign()).split('.');
  return [head, body, signature].join('.');
}

const UNPROVABLE = 'The claim "cnf" has no thumbprint of a key (jkt) or a certificate (x5t#S256).';

/** The message names what the issuer takes, so that its operator needn't look it up. */
const unlisted = (algorithm: string): string =>
  `The algorithm "${algorithm}" is not one that the issuer is configured to use: ES256.`;

/** Refused for what they are: what, the token, the code, and the message where it is a particular one. */
type Refused = [string, () => string | Promise<string>, ReasonCode, string?];
// prettier-ignore
const REFUSED: Refused[] = [
  ['no token at all', () => '', 'token_malformed', 'The token is not a compact JWS of three parts.'],
  ['a newline after', async () => `${await sign()}\n`, 'token_malformed', 'The token is not base64url throughout.'],
  ['blanks around', async () => ` ${await sign()} `, 'token_malformed', 'The token is not base64url throughout.'],
  ['a prefix as in the header', async () => `Bearer ${await sign()}`, 'token_malformed', 'The token begins with its scheme (Bearer or DPoP); send the token alone.'],
  ['9 KiB', () => sign({ x: 'x'.repeat(7000) }), 'token_malformed', 'The token is longer than 8192 bytes.'],
  ['duplicate claims', () => keys.k1.sign(header(), JSON.stringify(claims()).replace('{', '{"sub":"bob",')), 'token_malformed', 'In the token\'s payload, "sub" is given twice.'],
  ['an unknown critical extension', () => sign({}, { crit: ['exp'], exp: 1 }), 'token_malformed', 'The header member "crit" is not accepted.'],
  ['an unencoded payload', () => sign({}, { crit: ['b64'], b64: false }), 'token_malformed', 'The header member "crit" is not accepted.'],
  ['an encrypted token', async () => `${await sign()}.AA.AA`, 'token_malformed', 'The token is encrypted (JWE); a signed one (JWS) is needed.'],
  ['the JSON serialization', async () => JSON.stringify({ token: await sign() }), 'token_malformed', 'The JSON serialization is not accepted, only the compact one.'],
  ['the type of an ID token', () => sign({}, { typ: 'JWT' }), 'token_type_invalid'],
  ['no type', () => sign({}, { typ: undefined }), 'token_type_invalid'],
  ['a type by the name of a method', () => sign({}, { typ: 'constructor' }), 'token_type_invalid'],
  ['a type that its issuer does not sign', () => plain({}, { typ: 'at+jwt' }), 'token_type_invalid'],
  ['an ID token', () => plain({ nonce: 'n' }), 'token_is_id_token'],
  ['an ID token, where no token goes without a type', () => sign({ nonce: 'n' }, { typ: 'JWT' }), 'token_is_id_token'],
  ['an ID-JAG', () => sign({}, { typ: 'oauth-id-jag+jwt' }), 'token_is_id_jag'],
  ['a logout token', () => sign({}, { typ: 'logout+jwt' }), 'token_is_logout_token'],
  ['a security event', () => sign({}, { typ: 'secevent+jwt' }), 'token_is_security_event'],
  ['a security event without a type', () => plain({ events: {} }), 'token_is_security_event'],
  ['a DPoP proof', () => sign({}, { typ: 'dpop+jwt' }), 'token_is_dpop_proof'],
  ["a stranger's DPoP proof", () => sign({ iss: undefined }, { typ: 'dpop+jwt' }), 'token_is_dpop_proof'],
  ['a client attestation', () => sign({}, { typ: 'oauth-client-attestation+jwt' }), 'token_is_client_attestation'],
  ['an unknown issuer', () => sign({ iss: 'https://evil.example' }), 'token_issuer_unknown'],
  ['an issuer with a slash more', () => sign({ iss: `${PRIMARY}/` }), 'token_issuer_unknown'],
  ['no issuer', () => sign({ iss: undefined }), 'token_issuer_unknown'],
  ['an issuer in a list', () => sign({ iss: [PRIMARY] }), 'token_issuer_unknown'],
  ['an issuer by the name of a method', () => sign({ iss: 'constructor' }), 'token_issuer_unknown'],
  ['alg none', () => sign({}, { alg: 'none' }), 'token_algorithm_forbidden', unlisted('none')],
  ['alg None', () => sign({}, { alg: 'None' }), 'token_algorithm_forbidden', unlisted('None')],
  ['alg none, unsigned', () => `${encoded(header({ alg: 'none' }))}.${encoded(claims())}.`, 'token_malformed', 'The token is not base64url throughout.'],
  ['the public key as a shared secret', () => hmac(JSON.stringify(keys.k1.jwk)), 'token_algorithm_forbidden', unlisted('HS256')],
  ["an algorithm that is not this issuer's", () => sign({}, { alg: 'RS256', kid: 'p1' }, 'partner'), 'token_algorithm_forbidden', unlisted('RS256')],
  ['an algorithm in lower case', () => sign({}, { alg: 'es256' }), 'token_algorithm_forbidden', unlisted('es256')],
  ['an unknown key', () => sign({}, { kid: 'k9' }), 'token_key_unknown', 'The issuer has no key "k9" that fits the header; it has "k1", "k2", "e1".'],
  ["another issuer's key", () => sign({}, { kid: 'r1' }, 'robots'), 'token_key_unknown', 'The issuer has no key "r1" that fits the header; it has "k1", "k2", "e1".'],
  ['a key of another type', () => sign({ iss: PARTNER }, { alg: 'RS256', kid: 'p2' }, 'partner'), 'token_key_unknown', 'The issuer has no key "p2" that fits the header; it has "p1", "p2".'],
  ['a key that is for encryption', () => sign({}, { kid: 'e1' }, 'encryption'), 'token_key_unknown', 'The issuer has no key "e1" that fits the header; it has "k1", "k2", "e1".'],
  ['a key that is too short', () => plain({}, { alg: 'RS256', kid: 'weak' }), 'token_key_unusable', 'The key is an RSA key of less than 2,048 bits.'],
  ["a stranger's signature", () => sign({}, {}, 'stranger'), 'token_signature_invalid'],
  ["a stranger's signature, with its key enclosed", () => sign({}, { jwk: keys.stranger.jwk }, 'stranger'), 'token_signature_invalid'],
  ["a stranger's signature, with a way to its key", () => sign({}, { jku: jwks.url, kid: 'k1' }, 'stranger'), 'token_signature_invalid'],
  ["a stranger's signature, not saying by which key", () => sign({}, { kid: undefined }, 'stranger'), 'token_signature_invalid'],
  ['the signature of the other key', () => sign({}, { kid: 'k2' }, 'k1'), 'token_signature_invalid'],
  ["another issuer's signature", () => sign({ iss: PRIMARY }, { kid: 'k1' }, 'robots'), 'token_signature_invalid'],
  ["another token's signature", async () => signedWith((await sign({ sub: 'bob' })).split('.')[2] ?? ''), 'token_signature_invalid'],
  ['a signature cut short', () => signedWith('AQID'.repeat(15)), 'token_signature_invalid'],
  ['a signature in DER', () => signedWith(Buffer.from('3006020101020101', 'hex').toString('base64url')), 'token_signature_invalid'],
  ['a signature of zeros', () => signedWith('A'.repeat(86)), 'token_signature_invalid'],
  ['no end', () => sign({ exp: undefined }), 'token_claims_invalid', 'The claim "exp" is not acceptable: is required.'],
  ['an end as a string', () => sign({ exp: String(T + 300) }), 'token_claims_invalid', 'The claim "exp" is not acceptable: must be of type number, not string.'],
  ['a subject that is a number', () => sign({ sub: 7 }), 'token_claims_invalid', 'The claim "sub" is not acceptable: must be of type string, not number.'],
  ['an empty subject', () => sign({ sub: '' }), 'token_claims_invalid', 'The claim "sub" is not acceptable: must not be empty.'],
  ['a list as act', () => sign({ act: [{ sub: 'hr-assistant' }] }), 'token_claims_invalid', 'The claim "act" is not acceptable: must be of type object, not array.'],
  ['no audience', () => sign({ aud: undefined }), 'token_claims_invalid', 'The claim "aud" is not acceptable: is required.'],
  ['a broken actor', () => sign({ act: { sub: '' } }), 'token_actor_invalid', 'The claim "act.sub" is not the id of an agent.'],
  ["another issuer's agent", () => sign({ act: { sub: 'bot', iss: PARTNER } }), 'actor_forbidden', `The acting agent is of "${PARTNER}", for which "${PRIMARY}" may not speak.`],
  ['a client of another profile', () => plain({ client_profile: 'service' }), 'actor_forbidden', 'The acting agent\'s sub_profile is "service"; this issuer\'s must be ai_agent.'],
  ['a person who acts', () => sign({ act: { sub: 'bob', sub_profile: 'user' } }), 'token_chain_inverted', 'The acting party is a person: a user does not act for an agent.'],
  ['no client where the type says nothing', () => plain({ client_id: undefined }), 'token_claims_invalid', 'The claim "client_id" is required of a JWT.'],
  ['no scope where the type says nothing', () => plain({ scope: undefined }), 'token_claims_invalid', 'The claim "scope" is required of a JWT.'],
  ['a transaction token without a transaction', () => sign({ scope: 'a' }, { typ: 'txntoken+jwt' }), 'token_claims_invalid', 'The claim "txn" is required of a txntoken+jwt.'],
  ['a binding to nothing', () => sign({ cnf: {} }), 'proof_invalid', UNPROVABLE],
  ['a binding to a key that is enclosed', () => sign({ cnf: { jwk: keys.stranger.jwk } }), 'proof_invalid', UNPROVABLE],
  ['a binding to a key by its name', () => sign({ cnf: { kid: 'k1' } }), 'proof_invalid', UNPROVABLE],
  ['another audience', () => sign({ aud: 'payroll' }), 'token_audience_mismatch'],
  ['an audience that only begins the same', () => sign({ aud: ['hr-api-2', 'hr'] }), 'token_audience_mismatch'],
  ['an audience in other letters', () => sign({ aud: 'HR-API' }), 'token_audience_mismatch'],
  ["the issuer's audience where the client has its own", () => sign({ aud: 'remit' }), 'token_audience_mismatch'],
  ['an end that has passed', () => sign({ exp: T - 1 }), 'token_expired'],
  ['an end that is now', () => sign({ exp: T }), 'token_expired'],
  ['an end in 1970', () => sign({ exp: 0 }), 'token_expired'],
  ['a beginning that lies ahead', () => sign({ nbf: T + 6 }), 'token_not_yet_valid'],
  ['an issue that lies ahead', () => sign({ iat: T + 6 }), 'token_not_yet_valid'],
];

/** A token that is signed by HMAC, with whatever is public as the secret. */
function hmac(secret: string): string {
  const signed = `${encoded(header({ alg: 'HS256' }))}.${encoded(claims())}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

describe('a token is refused with', () => {
  it.each<Refused>(REFUSED)('%s', async (_, token, code, message) => {
    const text = await token();
    // Twice, for what is kept of a token must not change the answer.
    expect(await verify(text)).toEqual(refusedAs(code, message));
    expect(await verify(text)).toEqual(refusedAs(code, message));
  });

  it('every code that the verifier can give', () => {
    const ofTheStep = Object.entries(REASONS).filter(([, { steps }]) => steps.some((step) => step === 'token'));
    // The step gives the first two itself: there is no token then. The others are credentials.ts's, of a good token.
    const without = [
      'token_missing',
      'subject_assertion_forbidden',
      'token_is_transaction_token',
      'token_revoked',
      'proof_missing',
      'proof_replayed',
    ];
    const expected = ofTheStep.map(([code]) => code).filter((code) => !without.includes(code));
    expect([...new Set(REFUSED.map(([, , code]) => code))].sort()).toEqual(expected.sort());
  });
});

describe('time', () => {
  const at = (seconds: number): Date => new Date(seconds * 1000);

  it.each([
    [
      'exp',
      { exp: T + 300 },
      [
        [T, true],
        [T + 299.999, true],
        [T + 300, 'token_expired'],
        [T + 301, 'token_expired'],
      ],
    ],
    [
      'exp with a fraction',
      { exp: T + 0.5 },
      [
        [T + 0.499, true],
        [T + 0.5, 'token_expired'],
      ],
    ],
    [
      'nbf',
      { nbf: T + 60 },
      [
        [T, 'token_not_yet_valid'],
        [T + 54.999, 'token_not_yet_valid'],
        [T + 55, true],
        [T + 60, true],
      ],
    ],
    [
      'iat',
      { iat: T + 60 },
      [
        [T, 'token_not_yet_valid'],
        [T + 54.999, 'token_not_yet_valid'],
        [T + 55, true],
        [T + 60, true],
      ],
    ],
  ] as const)('counts by %s, on a token that is kept as on a new one', async (_, change, moments) => {
    const token = await sign(change);
    // Kept from the first moment at which it is read.
    for (const [seconds, expected] of [...moments, ...[...moments].reverse()]) {
      const wanted = expected === true ? { ok: true } : refusedAs(expected, undefined, T + 60);
      expect(await verify(token, 'hr-api', at(seconds)), `kept, at T + ${seconds - T}`).toMatchObject(wanted);
      const fresh = new TokenVerifier(new Issuers(configs));
      expect(await fresh.verify(token, 'hr-api', at(seconds)), `new, at T + ${seconds - T}`).toMatchObject(wanted);
    }
  });
});

describe('a token that is kept', () => {
  it('is the same one, and still held against each audience', async () => {
    const token = await sign({ aud: ['hr-api', 'remit'] });
    const [first, second] = [await verify(token), await verify(token)];
    expect(first.ok && second.ok && second.token === first.token).toBe(true);
    expect(await verify(token, 'payroll')).toEqual(refusedAs('token_audience_mismatch'));
    expect(await verify(token, 'remit')).toMatchObject({ ok: true });
    expect(await verify(token)).toMatchObject({ ok: true });
  });

  it("is held against its issuer's audience where the caller has none", async () => {
    // An agent that presents its own token.
    const ours = await sign({ aud: 'remit' });
    expect(await verifier.verify(ours, undefined, NOW)).toMatchObject({ ok: true });
    expect(await verifier.verify(await sign(), undefined, NOW)).toEqual(refusedAs('token_audience_mismatch'));
    const partners = await partner({ aud: 'remit', sub: 'bot', client_id: 'bot' });
    expect(await verifier.verify(partners, undefined, NOW)).toEqual(refusedAs('token_audience_mismatch'));
    expect(await verifier.verify(partners, 'remit', NOW)).toMatchObject({ ok: true });
  });

  it('expires all the same', async () => {
    const token = await sign({ exp: T + 10 });
    expect(await verify(token)).toMatchObject({ ok: true });
    expect(await verify(token, 'hr-api', new Date(NOW.getTime() + 10_000))).toEqual(refusedAs('token_expired'));
    expect(await verify(token, 'payroll', new Date(NOW.getTime() + 10_000))).toEqual(
      refusedAs('token_audience_mismatch'),
    );
  });

  it('lends its name to no other', async () => {
    const token = await sign();
    expect(await verify(token)).toMatchObject({ ok: true });
    const [head = '', , signature = ''] = token.split('.');
    const forged = `${head}.${encoded(claims({ sub: 'bob' }))}.${signature}`;
    expect(await verify(forged)).toEqual(refusedAs('token_signature_invalid'));
    for (const text of [`${token}\n`, ` ${token}`, `${token}=`, `${token}.`]) {
      expect(await verify(text)).toMatchObject({ ok: false, reason: { code: 'token_malformed' } });
    }
  });
});

describe('any other text', () => {
  it('than that of a valid token is refused', async () => {
    const token = await sign();
    expect(await verify(token)).toMatchObject({ ok: true });
    const at = fc.nat({ max: token.length });
    const ascii = fc.string({ unit: fc.constantFrom(...Array.from('ABCabc019-_.=+/ \n\t\u0000"{}')), maxLength: 3 });
    const texts = fc.oneof(
      // Something put in place of something else
      fc.tuple(at, fc.nat({ max: 3 }), ascii).map(([i, n, text]) => token.slice(0, i) + text + token.slice(i + n)),
      // One bit flipped
      fc.tuple(at, fc.nat({ max: 6 })).map(([i, bit]) => {
        const flipped = String.fromCharCode(token.charCodeAt(i % token.length) ^ (1 << bit));
        return token.slice(0, i % token.length) + flipped + token.slice((i % token.length) + 1);
      }),
      // Other cases of letters, a piece said twice, parts in another order
      at.map((i) => token.slice(0, i) + token.slice(i).toLowerCase()),
      fc.tuple(at, at).map(([i, j]) => token.slice(0, Math.max(i, j)) + token.slice(Math.min(i, j))),
      fc.shuffledSubarray(token.split('.'), { minLength: 1 }).map((parts) => parts.join('.')),
      // One bit of the decoded bytes flipped, so that it is always base64url
      fc.tuple(fc.nat({ max: 2 }), fc.nat(), fc.nat({ max: 7 })).map(([part, i, bit]) => {
        const parts = token.split('.').map((p) => Buffer.from(p, 'base64url'));
        const bytes = parts[part] ?? Buffer.alloc(1);
        bytes[i % bytes.length] = (bytes[i % bytes.length] ?? 0) ^ (1 << bit);
        return parts.map((p) => p.toString('base64url')).join('.');
      }),
      // One claim more or another value
      fc.tuple(fc.constantFrom('sub', 'exp', 'aud', 'x', 'scope'), fc.jsonValue()).map(([name, value]) => {
        const parts = token.split('.');
        return [parts[0], encoded(claims({ [name]: value })), parts[2]].join('.');
      }),
    );
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        const verification = await verify(text);
        expect(verification.ok).toBe(text === token);
      }),
      { numRuns: 3000 },
    );
  });
});

let jwks: KeyServer;
beforeAll(async () => {
  jwks = await serveKeys();
  return () => {
    jwks.close();
  };
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe('the keys of a server', () => {
  const remote = (url = jwks.url): TokenVerifier => {
    jwks.hits = 0;
    return new TokenVerifier(new Issuers([{ ...(configs[0] as IssuerConfig), jwks: undefined, jwks_uri: url }]));
  };
  const faultOf = async (verification: Promise<TokenVerification>): Promise<Fault> => {
    const thrown: unknown = await verification.then(
      (v) => v,
      (error: unknown) => error,
    );
    if (thrown instanceof Fault) return thrown;
    throw new Error(`no fault: ${inspect(thrown)}`);
  };

  it('are fetched once for many tokens at a time', async () => {
    jwks.answer = json({ keys: [keys.k1.jwk, keys.k2.jwk] });
    const own = remote();
    const tokens = await Promise.all(Array.from({ length: 20 }, (_, i) => sign({ jti: String(i) })));
    const all = await Promise.all(tokens.map((token) => own.verify(token, 'hr-api', NOW)));
    expect(all.every((v) => v.ok)).toBe(true);
    expect(jwks.hits).toBe(1);
    expect(await own.verify(await sign({}, { kid: 'k9' }), 'hr-api', NOW)).toEqual(refusedAs('token_key_unknown'));
  });

  it.each<[string, Answer]>([
    ['that answers with an error', (r) => r.writeHead(500).end('{"keys":[]}')],
    ['that is not there any more', (r) => r.writeHead(404).end()],
    ['that sends elsewhere', (r) => r.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()],
    ['that hangs up', (r) => r.destroy()],
    ['that hangs up within its answer', raw('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"keys":[')],
    ['that does not speak HTTP', raw('SSH-2.0-OpenSSH\r\n\r\n')],
    ['that answers with no JSON', json('<html>')],
    ['that answers with something else', json({ kids: [] })],
    ['that answers with null', json('null')],
    ['that never answers', () => undefined],
    ['that never ends its answer', (r) => r.writeHead(200, { 'content-type': 'application/json' }).write('{"keys":[')],
  ])('are wanted of one %s: a fault, no denial, and not for long', async (_, answer) => {
    jwks.answer = answer;
    const own = remote();
    const token = await sign();
    const fault = await faultOf(own.verify(token, 'hr-api', NOW));
    expect(fault).toMatchObject({ code: 'keys_unavailable', message: "The issuer's keys could not be fetched." });
    expect(fault.detail).toMatch(new RegExp(`^${PRIMARY}: `));
    expect(fault.detail).not.toContain(token.slice(-20));

    // Not asked again by every token that comes: see keys.test.ts.
    jwks.answer = json({ keys: [keys.k1.jwk] });
    vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 1001);
    expect(await own.verify(token, 'hr-api', NOW), 'once it is well again').toMatchObject({ ok: true });
  });

  it('are wanted of one where nothing listens', async () => {
    const own = remote('http://127.0.0.1:1/jwks');
    expect((await faultOf(own.verify(await sign(), 'hr-api', NOW))).code).toBe('keys_unavailable');
  });

  const EARLY = ['token_malformed', 'token_type_invalid', 'token_issuer_unknown', 'token_algorithm_forbidden'];
  it.each(REFUSED.filter(([, , code]) => EARLY.includes(code) || code.startsWith('token_is_')))(
    'are not asked for by %s, which is refused without them',
    async (_, token, code) => {
      jwks.answer = json({ keys: [keys.k1.jwk] });
      jwks.hits = 0;
      const own = new TokenVerifier(
        new Issuers(configs.map((config) => ({ ...config, jwks: undefined, jwks_uri: jwks.url }))),
      );
      expect(await own.verify(await token(), 'hr-api', NOW)).toMatchObject({ ok: false, reason: { code } });
      expect(jwks.hits).toBe(0);
    },
  );

  it.each([
    ['the only one', false],
    ['one of two, and the token does not say which', true],
  ])('that cannot be used are no fault, for no waiting mends them: %s', async (_, two) => {
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });
    jwks.answer = json({ keys: two ? [weak, weak] : [weak] });
    jwks.hits = 0;
    const own = new TokenVerifier(
      new Issuers([{ ...(configs[1] as IssuerConfig), jwks: undefined, jwks_uri: jwks.url }]),
    );
    const token = await sign({ iss: PARTNER }, { alg: 'RS256', kid: undefined }, 'partner');
    expect(await own.verify(token, 'hr-api', NOW)).toEqual(
      refusedAs('token_key_unusable', 'The key is an RSA key of less than 2,048 bits.'),
    );
  });

  it('end the tokens of a key that is withdrawn, within two minutes', async () => {
    jwks.answer = json({ keys: [keys.k1.jwk, keys.k2.jwk] });
    const own = remote();
    const token = await sign();
    expect(await own.verify(token, 'hr-api', NOW)).toMatchObject({ ok: true });

    jwks.answer = json({ keys: [keys.k2.jwk] });
    const now = performance.now();
    vi.useFakeTimers({ toFake: ['Date'], now: new Date().getTime() + 120_000 });
    vi.spyOn(performance, 'now').mockReturnValue(now + 120_000);
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await own.verify(token, 'hr-api', NOW)).toEqual(refusedAs('token_key_unknown'));
  });
});

describe('a reading of a token', () => {
  it('verifies the token once, for however many parts of the request ask', async () => {
    const own = new TokenVerifier(new Issuers(configs));
    const reading = own.read(await sign());
    expect(await own.verify(reading, 'hr-api', NOW)).toMatchObject({ ok: true });
    const { hits, misses } = own.cache;
    expect(await own.verify(reading, 'hr-api', NOW)).toMatchObject({ ok: true });
    expect(own.cache).toMatchObject({ hits, misses });
  });

  it('still has its audience and its validity checked each time', async () => {
    const reading = verifier.read(await sign());
    expect(await verifier.verify(reading, 'hr-api', NOW)).toMatchObject({ ok: true });
    expect(await verifier.verify(reading, 'another', NOW)).toEqual(refusedAs('token_audience_mismatch'));
    expect(await verifier.verify(reading, 'hr-api', new Date(NOW.getTime() + 24 * 3_600_000))).toEqual(
      refusedAs('token_expired'),
    );
  });

  it('of a long request asks again whether the key still stands', async () => {
    jwks.answer = json({ keys: [keys.k1.jwk] });
    const own = new TokenVerifier(
      new Issuers([{ ...(configs[0] as IssuerConfig), jwks: undefined, jwks_uri: jwks.url }]),
    );
    const reading = own.read(await sign());
    expect(await own.verify(reading, 'hr-api', NOW)).toMatchObject({ ok: true });
    jwks.answer = json({ keys: [keys.k2.jwk] });
    const now = performance.now();
    vi.useFakeTimers({ toFake: ['Date'], now: new Date().getTime() + 120_000 });
    vi.spyOn(performance, 'now').mockReturnValue(now + 120_000);
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await own.verify(reading, 'hr-api', NOW)).toEqual(refusedAs('token_key_unknown'));
  });

  it('that failed for want of keys is made again, one that was rejected is not', async () => {
    const own = new TokenVerifier(new Issuers(configs));
    const reading = own.read(await sign());
    const issuer = { ...(configs[0] as IssuerConfig), jwks: undefined, jwks_uri: 'http://127.0.0.1:1/jwks' };
    const away = new TokenVerifier(new Issuers([{ ...issuer, jwks_network: 'private' }]));
    const failing = away.read(await sign());
    const first = failing.token();
    await expect(first).rejects.toThrow(Fault);
    const second = failing.token();
    await expect(second).rejects.toThrow(Fault);
    expect(second).not.toBe(first);
    expect(reading.token()).toBe(reading.token());
    const rejected = own.read('no.token');
    const refused = rejected.token();
    await expect(refused).rejects.toThrow();
    expect(rejected.token()).toBe(refused);
  });

  it('doesn’t outlive the issuers and keys that it was verified by', async () => {
    const issuers = new Issuers(configs);
    const own = new TokenVerifier(issuers);
    const reading = own.read(await sign());
    expect(await own.verify(reading, 'hr-api', NOW)).toMatchObject({ ok: true });
    issuers.replace([]);
    own.clearCache();
    expect(await own.verify(reading, 'hr-api', NOW)).toMatchObject(refusedAs('token_issuer_unknown'));
  });
});
