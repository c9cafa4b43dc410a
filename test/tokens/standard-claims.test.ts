/** Tokens as issuers really write them: understood where the configuration says how, refused where nothing does. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { DelegationToken } from '../../src/model/delegation-token.js';
import type { ReasonCode } from '../../src/model/reasons.js';
import { Issuers } from '../../src/tokens/issuers.js';
import type { TokenVerification } from '../../src/tokens/verify.js';
import { configured, verifyConfigured, type Settings } from './configured.js';
import { makeKey, NOW, T, type Key } from './keys.js';

const TEMPLATE = 'https://login.example/{tenantid}/v2.0';
const [ACME, OTHER] = ['8c1f3b52-6d0e-4f7a-9b51-2f6c0d9f4a10', '00000001-0000-0ff1-ce00-000000000000'];
let key: Key;
beforeAll(async () => {
  key = await makeKey('ES256', 'k1');
});

type Claims = Readonly<Record<string, unknown>>;
const GOOD: Claims = {
  iss: 'https://i',
  sub: 'alice',
  aud: 'remit',
  exp: T + 300,
  iat: T,
  client_id: 'bot',
  scope: 'a b',
};
const issuer = (members: Settings = {}): Settings => ({
  issuer: 'https://i',
  audience: 'remit',
  primary: true,
  jwks: { keys: [key.jwk] },
  ...members,
});
const UNTYPED = { token_types: ['JWT'], shape: 'client_id' };

async function verify(
  members: Settings,
  claims: Claims = {},
  header: Claims = {},
  now = NOW,
): Promise<TokenVerification> {
  const payload = Object.fromEntries(Object.entries({ ...GOOD, ...claims }).filter(([, value]) => value !== undefined));
  const typ = members['token_types'] === undefined && members['preset'] === undefined ? 'at+jwt' : 'JWT';
  return verifyConfigured(
    [issuer(members)],
    key,
    { header: { alg: 'ES256', kid: 'k1', typ, ...header }, payload },
    { now },
  );
}
const code = (verification: TokenVerification): ReasonCode | 'ok' =>
  verification.ok ? 'ok' : verification.reason.code;
const message = (verification: TokenVerification): string | undefined =>
  verification.ok ? undefined : verification.reason.message;
const tokenOf = (verification: TokenVerification): DelegationToken => {
  if (!verification.ok) throw new Error(verification.reason.message);
  return verification.token;
};

describe('scopes', () => {
  it.each<[Claims, readonly string[]]>([
    [{ scope: 'a b' }, ['a', 'b']],
    [{ scope: ['a', 'b'] }, ['a', 'b']],
    [{ scope: undefined, scp: 'a b' }, ['a', 'b']],
    [{ scope: undefined, scp: ['a', 'b'] }, ['a', 'b']],
    [{ scope: 'a b', scp: ['b', 'a'] }, ['a', 'b']],
    [{ scope: '', scp: [] }, []],
  ])('of %j', async (claims, scopes) => {
    expect(tokenOf(await verify(UNTYPED, claims)).scopes).toEqual(scopes);
  });

  it.each<Claims>([
    { scope: 'a', scp: ['a', 'b'] },
    { scope: '', scp: 'a' },
    { scope: 'a b', scp: '' },
  ])('that differ from each other are refused: %j', async (claims) => {
    expect(message(await verify(UNTYPED, claims))).toBe('The claims "scope" and "scp" differ.');
  });

  it('in a list are refused of an issuer that signs the types of RFC 9068 alone, unless it is configured to', async () => {
    const act = { act: { sub: 'x' }, scope: ['a', 'b'] };
    expect(code(await verify({}, act))).toBe('token_claims_invalid');
    expect(code(await verify({ scope_lists: false, ...UNTYPED }, { scope: ['a'] }))).toBe('token_claims_invalid');
    expect(tokenOf(await verify({ scope_lists: true }, act)).scopes).toEqual(['a', 'b']);
    expect(tokenOf(await verify({}, { ...act, scope: undefined, scp: ['a', 'b'] })).scopes).toEqual(['a', 'b']);
  });

  it.each<Claims>([{ scope: [1] }, { scope: { a: 1 } }, { scope: undefined, scp: 7 }, { scope: null }])(
    'that are no words are refused: %j',
    async (claims) => {
      expect(code(await verify(UNTYPED, claims))).toBe('token_claims_invalid');
    },
  );
});

describe('scopes that are assumed', () => {
  const ASSUMED = { ...UNTYPED, assumed_scopes: ['read'] };

  it('are those of a token that carries none', async () => {
    expect(tokenOf(await verify(ASSUMED, { scope: undefined })).scopes).toEqual(['read']);
    // The platform's own names: what an issuer is mapped to has nothing to do with them.
    expect(tokenOf(await verify({ ...ASSUMED, scopes: { a: 'b' } }, { scope: undefined })).scopes).toEqual(['read']);
  });

  it.each<Claims>([
    { scope: '' },
    { scope: ' ' },
    { scope: [] },
    { scope: undefined, scp: '' },
    { scope: undefined, scp: [] },
  ])('are not those of a token that carries an empty one: %j', async (claims) => {
    expect(tokenOf(await verify(ASSUMED, claims)).scopes).toEqual([]);
  });

  it('are never added to others, and none where nothing is said', async () => {
    expect(tokenOf(await verify(ASSUMED, { scope: 'a' })).scopes).toEqual(['a']);
    expect(message(await verify(UNTYPED, { scope: undefined }))).toBe('The claim "scope" is required of a JWT.');
    expect(tokenOf(await verify({ shape: 'client_id' }, { scope: undefined })).scopes).toEqual([]);
  });

  it('let no ID token pass for an access token', async () => {
    const idToken = { scope: undefined, aud: 'bot', client_id: 'bot' };
    expect(code(await verify({ ...ASSUMED, audience: 'bot' }, idToken))).toBe('token_is_id_token');
    const many = { ...idToken, aud: ['remit', 'bot'] };
    expect(code(await verify(ASSUMED, many))).toBe('token_is_id_token');
    const azp = { ...ASSUMED, audience: 'bot', client_claim: 'azp' };
    expect(code(await verify(azp, { ...idToken, client_id: undefined, azp: 'bot' }))).toBe('token_is_id_token');
    expect(code(await verify(ASSUMED, { ...idToken, aud: 'remit', nonce: 'n' }))).toBe('token_is_id_token');
    expect(code(await verify(ASSUMED, { ...idToken, aud: 'remit', at_hash: 'h' }))).toBe('token_is_id_token');
  });
});

describe('the client', () => {
  it.each<[Settings, Claims, string | undefined]>([
    [{ client_claim: 'azp' }, { azp: 'web' }, 'web'],
    // What is configured counts alone: the claim of the standard's name is another's.
    [{ client_claim: 'azp' }, { azp: undefined }, undefined],
    [{ client_claim: 'app.id' }, { app: { id: 'web' } }, 'web'],
    [{ client_claim: 'https://acme.example/app' }, { 'https://acme.example/app': 'web' }, 'web'],
    [{ preset: 'okta', algorithms: ['ES256'], client_claim: 'azp' }, { azp: 'web', cid: 'other' }, 'web'],
    [{}, { azp: 'web' }, 'bot'],
  ])('by %j of %j is %s', async (members, claims, client) => {
    expect(tokenOf(await verify({ shape: 'act', ...members }, { act: { sub: 'x' }, ...claims })).clientId).toBe(client);
  });
});

describe('the agent', () => {
  it.each<[Settings, Claims, readonly string[]]>([
    [{ agent_claim: 'agent_id' }, { agent_id: 'helper' }, ['helper']],
    [{ agent_claim: 'ext.agent' }, { ext: { agent: 'helper' } }, ['helper']],
    [{ agent_claim: 'act.client_id' }, { act: { sub: 'uuid', client_id: 'helper' } }, ['helper']],
    [
      { agent_claim: 'act.client_id' },
      { act: { sub: 'u1', client_id: 'helper', act: { sub: 'u2', client_id: 'planner' } } },
      ['helper', 'planner'],
    ],
    [
      { preset: 'keycloak', algorithms: ['ES256'] },
      { azp: 'web', act: { sub: 'u1', client_id: 'helper' } },
      ['helper'],
    ],
    [{ preset: 'keycloak', algorithms: ['ES256'] }, { azp: 'web', act: { sub: 'helper' } }, ['helper']],
    [{ preset: 'workos', algorithms: ['ES256'], agent_claim: 'act.sub' }, { act: { sub: 'helper' } }, ['helper']],
  ])('by %j of %j is %j', async (members, claims, agents) => {
    const token = tokenOf(await verify(members, claims));
    expect([token.mode, token.user, token.actors.map(({ id }) => id)]).toEqual(['delegated', 'alice', agents]);
  });

  it.each<[string, Settings, Claims, ReasonCode | 'unknown']>([
    ['that the claim does not name is none', { agent_claim: 'agent_id' }, {}, 'unknown'],
    ['that names the user alone is none', { agent_claim: 'agent_id' }, { agent_id: 'alice' }, 'unknown'],
    ['that is no id', { agent_claim: 'agent_id' }, { agent_id: ['helper'] }, 'token_actor_invalid'],
    ['that is null', { agent_claim: 'agent_id' }, { agent_id: null }, 'token_actor_invalid'],
    ['in act where only another claim is read', { agent_claim: 'agent_id' }, { act: { sub: 'x' } }, 'token_actor_invalid'],
    ['in act.sub where act.client_id is read', { agent_claim: 'act.client_id' }, { act: { sub: 'x' } }, 'token_actor_invalid'],
    ['that is an application of people', { agent_claim: 'agent_id', user_clients: ['web'] }, { agent_id: 'web' }, 'unknown'],
    ['beside a subject that is none', { agent_claim: 'agent_id' }, { agent_id: 'helper', sub_profile: 'ai_agent' }, 'token_chain_inverted'],
    ['that impersonates as a person, by WorkOS', { preset: 'workos', algorithms: ['ES256'] }, { act: { sub: 'admin@acme.example' } }, 'token_actor_invalid'],
  ])('%s', async (_, members, claims, outcome) => {
    const verification = await verify(members, claims);
    expect(verification.ok ? verification.token.mode : verification.reason.code).toBe(outcome);
  }); // prettier-ignore
});

describe('the audience of a token without aud', () => {
  const NO_AUD = { aud: undefined };
  it.each<[string, Settings, Claims, ReasonCode | 'ok']>([
    ['is nothing where nothing is configured', {}, NO_AUD, 'token_claims_invalid'],
    ['is nothing where nothing is configured, whatever else names it', {}, { ...NO_AUD, resource: 'remit', client_id: 'remit' }, 'token_claims_invalid'],
    ['is nothing by a preset alone', { preset: 'cognito', algorithms: ['ES256'] }, { ...NO_AUD, token_use: 'access' }, 'token_claims_invalid'],
    ['is the client', { audience: 'bot', audience_from: 'client_id' }, NO_AUD, 'ok'],
    ['is the client of the claim that names it', { audience: 'web', audience_from: 'client_id', client_claim: 'azp' }, { ...NO_AUD, azp: 'web' }, 'ok'],
    ['is the resource', { audience_from: 'resource' }, { ...NO_AUD, resource: 'remit' }, 'ok'],
    ['is one of several resources', { audience_from: 'resource' }, { ...NO_AUD, resource: ['else', 'remit'] }, 'ok'],
    ['is what an empty list leaves open', { audience: 'bot', audience_from: 'client_id' }, { aud: [] }, 'ok'],
    ['is another client', { audience_from: 'client_id' }, NO_AUD, 'token_audience_mismatch'],
    ['is another resource', { audience_from: 'resource' }, { ...NO_AUD, resource: 'else' }, 'token_audience_mismatch'],
    ['is not the client where the resource is asked for', { audience: 'bot', audience_from: 'resource' }, NO_AUD, 'token_claims_invalid'],
    ['is not in scopes, but for Cognito', { audience: 'https://hr', audience_from: 'resource' }, { ...NO_AUD, scope: 'https://hr/read' }, 'token_claims_invalid'],
    ['is not what the claim says beside an aud', { audience: 'bot', audience_from: 'client_id' }, { aud: 'else' }, 'token_audience_mismatch'],
    ['is not what the claim says beside an aud of null', { audience: 'bot', audience_from: 'client_id' }, { aud: null }, 'token_claims_invalid'],
  ])('%s', async (_, members, claims, outcome) => {
    expect(code(await verify({ shape: 'client_id', ...members }, claims))).toBe(outcome);
  }); // prettier-ignore

  it('is in the scopes of Cognito, of which other resources’ count for nothing', async () => {
    const cognito = { preset: 'cognito', algorithms: ['ES256'], audience: 'https://hr', audience_from: 'resource' };
    const claims = { aud: undefined, token_use: 'access' };
    expect(code(await verify(cognito, { ...claims, scope: 'openid https://hr/read' }))).toBe('ok');
    expect(code(await verify(cognito, { ...claims, scope: 'openid https://hr.evil/read' }))).toBe('token_audience_mismatch');
    expect(code(await verify(cognito, { ...claims, scope: 'openid https://hr/v2/read' }))).toBe('token_audience_mismatch');
    expect(code(await verify(cognito, { ...claims, scope: 'openid aws.cognito.signin.user.admin' }))).toBe('token_claims_invalid');
  }); // prettier-ignore
});

describe('audiences', () => {
  it('may be several on both sides, of which one must be the same', async () => {
    const both = { audience: ['remit', 'hr-api'] };
    const verification = await verify({ shape: 'client_id', ...both }, { aud: ['else', 'hr-api'] });
    expect(verification).toMatchObject({ ok: true, accepted: { audience: 'hr-api' } });
    expect(message(await verify(both, { aud: 'else', act: { sub: 'x' } }))).toBe(
      'The token is for ["else"]; it must be for "remit" or "hr-api".',
    );
  });

  it('are as many as the issuer is configured to name', async () => {
    const aud = ['remit', ...Array.from({ length: 299 }, (_, i) => `api-${i}`)];
    const shape = { shape: 'client_id', max_token_bytes: 32_768 };
    expect(code(await verify({ ...shape, max_audiences: 300 }, { aud }))).toBe('ok');
    expect(message(await verify(shape, { aud }))).toBe(
      'The claim "aud" is not acceptable: must have 256 items or fewer.',
    );
    expect(code(await verify({ ...shape, max_audiences: 1 }, { aud: aud.slice(0, 2) }))).toBe('token_claims_invalid');
    expect(code(await verify({ ...shape, max_audiences: 1 }, { aud: ['remit'] }))).toBe('ok');
  });
});

describe('the clock', () => {
  const at = (seconds: number): Date => new Date((T + seconds) * 1000);
  it.each<[Settings, number, ReasonCode | 'ok']>([
    // exp is at 300, iat and nbf at 0.
    [{}, 299.999, 'ok'],
    [{}, 300, 'token_expired'],
    [{}, -5, 'ok'],
    [{}, -5.001, 'token_not_yet_valid'],
    [{ clock_tolerance_s: 60 }, 359.999, 'ok'],
    [{ clock_tolerance_s: 60 }, 360, 'token_expired'],
    [{ clock_tolerance_s: 60 }, -60, 'ok'],
    [{ clock_tolerance_s: 60 }, -60.001, 'token_not_yet_valid'],
    [{ clock_tolerance_s: 0 }, 300, 'token_expired'],
    [{ clock_tolerance_s: 0 }, -0.001, 'token_not_yet_valid'],
  ])('of an issuer with %j, at second %d: %s', async (members, seconds, outcome) => {
    for (const claims of [{ nbf: T }, { iat: undefined, nbf: T }, { iat: T }])
      expect(code(await verify({ shape: 'client_id', ...members }, claims, {}, at(seconds)))).toBe(outcome);
  });

  it('is one issuer’s own: the furthest that any token’s may be ahead is the widest of all', () => {
    const [a, b] = [issuer({ clock_tolerance_s: 30 }), issuer({ issuer: 'https://b', primary: false, alias: 'b' })];
    expect(new Issuers(configured(a, b)).clockLeeway).toBe(30);
    expect(new Issuers(configured(b)).clockLeeway).toBe(5);
  });
});

describe('a length', () => {
  const long = { pad: 'x'.repeat(12_000) };
  it('is limited for each issuer by itself', async () => {
    const other = issuer({
      issuer: 'https://b',
      primary: false,
      alias: 'b',
      shape: 'client_id',
      max_token_bytes: 32_768,
    });
    const settings = [issuer({ shape: 'client_id' }), other];
    const outcome = async (claims: Claims): Promise<string | undefined> =>
      message(
        await verifyConfigured(settings, key, {
          header: { alg: 'ES256', kid: 'k1', typ: 'at+jwt' },
          payload: { ...GOOD, ...claims },
        }),
      );
    expect(await outcome({ ...long, iss: 'https://b' })).toBeUndefined();
    expect(await outcome(long)).toBe('The token is longer than 8192 bytes.');
    expect(await outcome({ ...long, iss: 'https://stranger' })).toBe('The token is longer than 8192 bytes.');
    expect(await outcome({ pad: 'x'.repeat(30_000), iss: 'https://b' })).toBe('The token is longer than 32768 bytes.');
  });

  it('may be less than that of others', async () => {
    expect(code(await verify({ shape: 'client_id', max_token_bytes: 256 }))).toBe('token_malformed');
  });
});

describe('claims of Remit’s own names', () => {
  const foreign = { access: { roles: ['admin'] }, purpose: 'access_token' };
  it('are another’s where the configuration says so, and by a preset', async () => {
    for (const members of [
      { shape: 'client_id', foreign_claims: ['access', 'purpose'] },
      { preset: 'okta', algorithms: ['ES256'] },
      { preset: 'curity', algorithms: ['ES256'] },
    ])
      expect(tokenOf(await verify(members, foreign))).toMatchObject({ access: 'online', purpose: undefined });
    const background = { foreign_claims: ['access'], shape: 'client_id' };
    expect(tokenOf(await verify(background, { access: 'background', purpose: 'payroll' }))).toMatchObject({
      access: 'online',
      purpose: 'payroll',
    });
  });

  it('are Remit’s own otherwise, and beside a preset where the configuration says so', async () => {
    expect(code(await verify({ shape: 'client_id' }, { access: { roles: [] } }))).toBe('token_claims_invalid');
    expect(code(await verify({ shape: 'client_id' }, { access: 'full' }))).toBe('token_claims_invalid');
    const own = { preset: 'okta', algorithms: ['ES256'], foreign_claims: [] };
    expect(tokenOf(await verify(own, { access: 'background', purpose: 'payroll' }))).toMatchObject({
      access: 'background',
      purpose: 'payroll',
    });
  });

  it('can be told to be no access token', async () => {
    const curity = { preset: 'curity', algorithms: ['ES256'] };
    expect(code(await verify(curity, { purpose: 'id' }))).toBe('token_is_id_token');
    expect(code(await verify(curity, { purpose: 'refresh_token' }))).toBe('token_type_invalid');
    const cognito = { preset: 'cognito', algorithms: ['ES256'] };
    expect(code(await verify(cognito, { token_use: 'id' }))).toBe('token_is_id_token');
    expect(code(await verify(cognito, {}))).toBe('token_type_invalid');
    // Its ID token has no uid: the nonce tells it.
    const authentik = { preset: 'authentik', algorithms: ['ES256'], assumed_scopes: ['a'], audience: 'bot' };
    const own = { azp: 'bot', aud: 'bot', nonce: 'n', scope: undefined };
    expect(code(await verify(authentik, { ...own, uid: 'u' }))).toBe('ok');
    expect(code(await verify(authentik, own))).toBe('token_is_id_token');
    expect(code(await verify(authentik, { ...own, nonce: undefined }))).toBe('token_is_id_token');
    expect(code(await verify(authentik, { ...own, uid: 'u', at_hash: 'h' }))).toBe('token_is_id_token');
  });
});

describe('claims for policies', () => {
  const claims = { region: 'act.agent_region', plan: 'https://acme.example/plan', level: 'level', gone: 'gone' };
  it('are what the paths lead to, null and nothing left out', async () => {
    const payload = { act: { sub: 'x', agent_region: 'eu' }, 'https://acme.example/plan': ['gold'], level: null };
    expect(tokenOf(await verify({ claims }, payload)).claims).toEqual({ region: 'eu', plan: ['gold'] });
  });

  it('are nothing else of the token', async () => {
    const payload = { act: { sub: 'x' }, claims: { region: 'eu' }, region: 'eu' };
    expect(tokenOf(await verify({ claims }, payload)).claims).toBeUndefined();
    expect(tokenOf(await verify({}, payload)).claims).toBeUndefined();
  });
});

describe('an issuer of many tenants', () => {
  const settings = (members: Settings): Settings => issuer({ issuer: TEMPLATE, shape: 'client_id', ...members });
  const of = (tenant: string, claims: Claims = {}): Claims => ({
    ...GOOD,
    iss: TEMPLATE.replace('{tenantid}', tenant),
    ...claims,
  });
  const judge = async (members: Settings, payload: Claims, typ = 'at+jwt'): Promise<TokenVerification> =>
    verifyConfigured([settings(members)], key, { header: { alg: 'ES256', kid: 'k1', typ }, payload });

  it.each<[string, Settings, Claims, ReasonCode | 'ok']>([
    ['a tenant that is listed', { tenants: [ACME] }, of(ACME), 'ok'],
    ['a tenant that is listed, which the token names as well', { tenants: [ACME] }, of(ACME, { tid: ACME }), 'ok'],
    ['another tenant', { tenants: [ACME] }, of(OTHER), 'token_issuer_unknown'],
    ['another tenant that says it is this one', { tenants: [ACME] }, of(OTHER, { tid: ACME }), 'token_issuer_unknown'],
    ['the name with its placeholder', { tenants: [ACME] }, { ...GOOD, iss: TEMPLATE }, 'token_issuer_unknown'],
    ['the name with its placeholder, of any', { tenants: 'any' }, { ...GOOD, iss: TEMPLATE }, 'token_issuer_unknown'],
    [
      'a tenant that the token contradicts',
      { tenants: [ACME, OTHER] },
      of(ACME, { tid: OTHER }),
      'token_claims_invalid',
    ],
    ['any tenant', { tenants: 'any' }, of(OTHER), 'ok'],
    ['any tenant that the token contradicts', { tenants: 'any' }, of(OTHER, { tid: ACME }), 'token_claims_invalid'],
    ['a tenant of a name that is none', { tenants: 'any' }, of('a/b'), 'token_issuer_unknown'],
  ])('takes or refuses %s', async (_, members, payload, outcome) => {
    expect(code(await judge(members, payload))).toBe(outcome);
  });

  it('names its users with their tenant, so that none passes for another tenant’s', async () => {
    const userOf = async (members: Settings, tenant: string): Promise<string | undefined> =>
      tokenOf(await judge({ tenants: 'any', ...members }, of(tenant))).user;
    expect(await userOf({}, ACME)).toBe(`${ACME}|alice`);
    expect(await userOf({}, OTHER)).toBe(`${OTHER}|alice`);
    expect(await userOf({ primary: false, alias: 'corp' }, ACME)).toBe(`corp|${ACME}|alice`);
    expect(tokenOf(await judge({ tenants: [ACME] }, of(ACME))).issuer).toBe(TEMPLATE.replace('{tenantid}', ACME));
  });

  it('names those of Entra as Microsoft does, whose ids no tenant chooses', async () => {
    const entra = { preset: 'entra', shape: undefined, algorithms: ['ES256'], tenants: 'any' };
    const payload = of(ACME, { oid: 'object-1', tid: ACME, azp: 'app-1', scp: 'a', scope: undefined });
    const token = tokenOf(await judge(entra, payload, 'JWT'));
    expect([token.user, token.actors[0]?.id]).toEqual(['object-1', 'app-1']);
    expect(code(await judge(entra, { ...payload, tid: undefined }, 'JWT'))).toBe('token_claims_invalid');
    expect(code(await judge(entra, { ...payload, tid: OTHER }, 'JWT'))).toBe('token_claims_invalid');
  });

  it('may name agents of one tenant for another only where the configuration says so', async () => {
    const act = { act: { sub: 'bot', iss: TEMPLATE.replace('{tenantid}', OTHER) } };
    const own = { act: { sub: 'bot', iss: TEMPLATE.replace('{tenantid}', ACME) } };
    const shape = { shape: 'act', tenants: [ACME, OTHER] };
    expect(code(await judge(shape, of(ACME, own)))).toBe('ok');
    expect(code(await judge(shape, of(ACME, act)))).toBe('actor_forbidden');
    expect(code(await judge({ ...shape, actors_from: [TEMPLATE] }, of(ACME, act)))).toBe('ok');
  });

  it('leaves a tenant to the issuer that has its very name, and a name of two to neither', () => {
    const keyed = (members: Settings): Settings => ({ ...issuer(members), primary: false });
    const own = keyed({ issuer: TEMPLATE.replace('{tenantid}', ACME), alias: 'own' });
    const all = keyed({ issuer: TEMPLATE, tenants: 'any', alias: 'all' });
    const overlapping = keyed({ issuer: TEMPLATE.replace('{', 'x{'), tenants: 'any', alias: 'x' });
    const aliasOf = (name: string, ...settingsOf: Settings[]): string | undefined =>
      new Issuers(configured(...settingsOf)).find(TEMPLATE.replace('{tenantid}', name))?.alias;
    expect(aliasOf(ACME, all, own)).toBe('own');
    expect(aliasOf(OTHER, all, own)).toBe('all');
    expect(aliasOf('acme', all, overlapping)).toBe('all');
    expect(aliasOf('xacme', all, overlapping)).toBeUndefined();
  });
});

describe('whatever a token says', () => {
  it('an issuer that is configured no further takes none of it for something else', async () => {
    const foreign = fc.record(
      { scp: fc.constantFrom('z', ['z']), azp: fc.constant('z'), cid: fc.constant('z'), agent_id: fc.constant('z'), resource: fc.constant('z'), tid: fc.constant('z'), claims: fc.constant({ z: 'z' }), uid: fc.constant('z'), token_use: fc.constant('z'), session_id: fc.constant('z') },
      { requiredKeys: [] },
    ); // prettier-ignore
    await fc.assert(
      fc.asyncProperty(foreign, async (claims) => {
        const plain = { act: { sub: 'bot' }, sid: 's1' };
        const scopes = claims.scp === undefined ? {} : { scope: 'z' };
        const [extended, without] = await Promise.all([
          verify({}, { ...plain, ...scopes, ...claims }),
          verify({}, { ...plain, ...scopes }),
        ]);
        expect(extended).toEqual(without);
      }),
      { numRuns: 60 },
    );
  });
});
