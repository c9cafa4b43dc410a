/** Identity providers: what each really signs, in its normalized form, and what of it is no token to act on. */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { ReasonCode } from '../../src/model/reasons.js';
import type { DelegationToken } from '../../src/model/delegation-token.js';
import { PRESET_NAMES, ISSUER_PRESETS, type PresetName } from '../../src/tokens/presets.js';
import type { TokenVerification } from '../../src/tokens/verify.js';
import { verifyConfigured, type Settings } from './configured.js';
import { makeKey, type Key } from './keys.js';
import { refusal } from './refused.js';
import { json, serveKeys } from './server.js';

type Claims = Readonly<Record<string, unknown>>;
/** The workloads are no preset: their issuers are configured as the examples say. */
type ExampleFile = PresetName | 'workloads';
interface Example {
  readonly name: string;
  /** The members of its issuer's configuration beside the preset, where the provider's tokens need some. */
  readonly issuer?: Settings;
  readonly header: Claims & { readonly kid: string };
  readonly payload: Claims & { readonly iss: string; readonly aud?: string | readonly string[]; readonly iat: number };
  /** Leaves undefined members out, as JSON does. */
  readonly normalized: Claims;
}

const examples = (preset: ExampleFile): readonly Example[] =>
  JSON.parse(readFileSync(new URL(`../../fixtures/tokens/${preset}.json`, import.meta.url), 'utf8')) as Example[];
const EXAMPLES = ([...PRESET_NAMES, 'workloads'] as const).flatMap((preset) =>
  examples(preset).map((example) => ({ preset, ...example })),
);

let key: Key;
beforeAll(async () => {
  key = await makeKey('RS256', 'fresh');
});

/** The example with other claims, signed anew, by the configuration of its issuer alone. */
async function verify(
  preset: ExampleFile,
  name: string,
  claims: Claims = {},
  header: Claims = {},
  more: Settings = {},
): Promise<TokenVerification> {
  const example = examples(preset).find((e) => e.name === name);
  if (example === undefined) throw new Error(`no example "${name}"`);
  const issuer = {
    issuer: example.payload.iss,
    ...(preset === 'workloads' ? {} : { preset }),
    jwks: { keys: [{ ...key.jwk, kid: example.header.kid }] },
    audience: [example.payload.aud].flat()[0],
    primary: true,
    ...example.issuer,
    ...more,
  };
  // Everything undefined is left out.
  const token = { header: { ...example.header, ...header }, payload: { ...example.payload, ...claims } };
  return verifyConfigured([issuer], key, token, { now: new Date((example.payload.iat + 1) * 1000) });
}

const tokenOf = (verification: TokenVerification): DelegationToken | undefined =>
  verification.ok ? verification.token : undefined;
const normalForm = (verification: TokenVerification): unknown => {
  expect(verification).toMatchObject({ ok: true });
  return JSON.parse(JSON.stringify(tokenOf(verification)));
};

describe('the claims of', () => {
  it.each(EXAMPLES)('$preset: $name', async ({ preset, name, normalized }) => {
    expect(normalForm(await verify(preset, name))).toEqual(normalized);
  });
});

it('presets are those of fourteen providers, and none lowers what a configuration has to name', () => {
  expect(PRESET_NAMES).toHaveLength(14);
  expect(Object.keys(ISSUER_PRESETS)).toEqual(PRESET_NAMES);
  for (const { types, shapes, algorithms } of Object.values(ISSUER_PRESETS)) {
    expect(types).toContain('JWT');
    expect(types).not.toContain('txntoken+jwt');
    expect(shapes).not.toContain('user_claim');
    expect(algorithms).toContain('RS256');
  }
});

const TENANT = 'The claim "tid" is not the tenant of the issuer.';
const NO_SCOPE = 'The claim "scope" is required of a JWT.';
const NO_CLIENT = 'The claim "client_id" is required of a JWT.';
const NO_SUB = 'The claim "sub" is not acceptable: is required.';
const LIST = 'The claim "scope" is not acceptable: must be of type string, not array.';
const ENTRA = 'a client for a user, v2.0';
const ENTRA_V1 = 'a client for a user, v1.0';
const ENTRA_APP = 'an application alone, v2.0';
const ENTRA_SERVICE = 'a service for a user, v2.0';
const OKTA = 'a client for a user';
const AUTH0 = 'a client for a user, Auth0 profile';
const AUTH0_ALONE = 'a client alone, Auth0 profile';
const KEYCLOAK = 'a client for a user';
const SERVICE = 'a service account';
const LOGOUT = { events: { 'http://schemas.openid.net/event/backchannel-logout': {} } };

/** The case, the provider, the token's base and claims (and header), the code, the message. */
type Refused = [string, PresetName, string, Claims, ReasonCode, (string | undefined)?, Claims?];
// prettier-ignore
const REFUSED: Refused[] = [
  ['an ID token', 'entra', ENTRA, { scp: undefined, azp: undefined, nonce: 'n' }, 'token_is_id_token'],
  ['an ID token without a nonce', 'entra', ENTRA, { scp: undefined, azp: undefined }, 'token_claims_invalid', NO_CLIENT],
  ['a token without a client', 'entra', ENTRA_V1, { appid: undefined }, 'token_claims_invalid', NO_CLIENT],
  ['a token of another tenant', 'entra', ENTRA, { tid: '00000001-0000-0ff1-ce00-000000000000' }, 'token_claims_invalid', TENANT],
  ['a token of no tenant', 'entra', ENTRA, { tid: undefined }, 'token_claims_invalid', TENANT],
  ['a token of an empty tenant', 'entra', ENTRA, { tid: '' }, 'token_claims_invalid', TENANT],
  ['a token of a part of the tenant', 'entra', ENTRA, { tid: '8c1f3b52' }, 'token_claims_invalid', TENANT],
  ['a token of a list of tenants', 'entra', ENTRA, { tid: ['8c1f3b52-6d0e-4f7a-9b51-2f6c0d9f4a10'] }, 'token_claims_invalid', TENANT],
  ['an application without a role', 'entra', ENTRA_APP, { roles: undefined }, 'token_claims_invalid', NO_SCOPE],
  ['an application that does not say it is one', 'entra', ENTRA_APP, { idtyp: undefined }, 'token_claims_invalid', NO_SCOPE],
  ['a user without an oid', 'entra', ENTRA, { oid: undefined }, 'token_claims_invalid', NO_SUB],
  ['roles that are no words', 'entra', ENTRA_APP, { roles: [1] }, 'token_claims_invalid', LIST],
  ['an act, which Entra does not state', 'entra', ENTRA, { act: { sub: 'x' } }, 'token_actor_invalid', 'The token has an `act`, and its issuer is not configured to state one.'],
  ['a signed HTTP request, whose key goes unproven', 'entra', ENTRA, { cnf: { kid: 'k', xms_ksl: 'sw' } }, 'proof_invalid', 'The claim "cnf" has no thumbprint of a key (jkt) or a certificate (x5t#S256).'],
  ['a type that Entra does not sign', 'entra', ENTRA, {}, 'token_type_invalid', undefined, { typ: 'at+jwt' }],
  ['another algorithm', 'entra', ENTRA, {}, 'token_algorithm_forbidden', 'The algorithm "PS256" is not one that the issuer is configured to use: RS256.', { alg: 'PS256' }],
  ['an ID token', 'okta', OKTA, { at_hash: 'x', scp: undefined }, 'token_is_id_token'],
  ["a token of the organization's own server", 'okta', OKTA, {}, 'token_type_invalid', undefined, { typ: 'application/okta-internal-at+jwt' }],
  ['a token without a client', 'okta', OKTA, { cid: undefined }, 'token_claims_invalid', NO_CLIENT],
  ['a token without scopes', 'okta', OKTA, { scp: undefined }, 'token_claims_invalid', NO_SCOPE],
  ['scopes that are no words', 'okta', OKTA, { scp: ['hr.read', 7] }, 'token_claims_invalid', LIST],
  ['delegated_through nobody', 'okta', OKTA, { delegated_through: [{}] }, 'token_actor_invalid', 'The claim "act.sub" is not the id of an agent.'],
  ['delegated_through null', 'okta', OKTA, { delegated_through: null }, 'token_actor_invalid', 'An entry of `delegated_through` is not an object.'],
  ['an ID token', 'auth0', AUTH0, { nonce: 'n', scope: undefined, azp: undefined }, 'token_is_id_token'],
  ['an ID token without a nonce', 'auth0', AUTH0, { scope: undefined, azp: undefined }, 'token_claims_invalid', NO_CLIENT],
  ['a client alone that does not say who it is', 'auth0', AUTH0_ALONE, { azp: undefined, sub: 'undefined@clients' }, 'token_claims_invalid', NO_SUB],
  ['a client alone without scopes', 'auth0', AUTH0_ALONE, { scope: undefined }, 'token_claims_invalid', NO_SCOPE],
  ['an ID token', 'keycloak', KEYCLOAK, { typ: 'ID', aud: 'chat', scope: undefined }, 'token_is_id_token'],
  ['an ID token with scopes', 'keycloak', KEYCLOAK, { typ: 'ID' }, 'token_is_id_token'],
  ['a refresh token', 'keycloak', KEYCLOAK, { typ: 'Refresh' }, 'token_type_invalid'],
  ['a refresh token as it is signed', 'keycloak', KEYCLOAK, { typ: 'Refresh' }, 'token_type_invalid', undefined, { alg: 'HS512' }],
  ['an offline token', 'keycloak', KEYCLOAK, { typ: 'Offline' }, 'token_type_invalid'],
  ['a logout token', 'keycloak', KEYCLOAK, { typ: 'Logout', ...LOGOUT }, 'token_is_logout_token'],
  ['a logout token by its events', 'keycloak', KEYCLOAK, { typ: undefined, ...LOGOUT }, 'token_is_logout_token'],
  ['a token without a client', 'keycloak', KEYCLOAK, { azp: undefined }, 'token_claims_invalid', NO_CLIENT],
  ['a token without a client', 'ping', 'a client for a user, PingOne', { client_id: undefined }, 'token_claims_invalid', NO_CLIENT],
  ['a token of no subject and no client', 'duende', 'a client alone', { client_id: undefined }, 'token_claims_invalid', NO_SUB],
  ['an ID token', 'duende', 'a client for a user', { scope: undefined, at_hash: 'x' }, 'token_is_id_token', undefined, { typ: 'JWT' }],
  ['an ID token', 'spring', 'a client for a user', { scope: undefined, azp: 'hr-assistant', sid: 's' }, 'token_claims_invalid', NO_SCOPE],
  ['an ID token', 'curity', 'a client for a user', { purpose: 'id' }, 'token_is_id_token'],
  ['an ID token', 'cognito', 'a client for a user, bound to a resource', { token_use: 'id' }, 'token_is_id_token'],
  ['an ID token', 'zitadel', 'an agent for a user by exchange', { at_hash: 'x', jti: undefined }, 'token_is_id_token'],
  ['an ID token', 'supabase', 'a client for a user', { nonce: 'n', aud: 'authenticated' }, 'token_is_id_token'],
  ['a token without scopes', 'workos', 'a client for a user', { scope: undefined }, 'token_claims_invalid', NO_SCOPE],
  ['a token with different scopes', 'hydra', 'a client for a user, with the scopes in both claims', { scope: 'openid hr.read hr.write' }, 'token_claims_invalid', 'The claims "scope" and "scp" differ.'],
  ['a token of another tenant', 'entra', 'a client for a user, of one of many tenants', { tid: '00000001-0000-0ff1-ce00-000000000000' }, 'token_claims_invalid', TENANT],
];

describe('refused is', () => {
  it.each(REFUSED)('%s of %s', async (_, preset, name, claims, code, message, header) => {
    expect(await verify(preset, name, claims, header)).toEqual({ ok: false, reason: refusal(code, message) });
  });
});

describe('a client', () => {
  it.each<[string, PresetName, string, Claims]>([
    ['of Auth0, in the other place,', 'auth0', AUTH0, { azp: undefined, client_id: 'Kx7mPq2RvT9sYb4NcZ1LwD6e' }],
    ['of Auth0, in both places,', 'auth0', AUTH0, { client_id: 'Kx7mPq2RvT9sYb4NcZ1LwD6e' }],
    ['of Auth0, alone by its id,', 'auth0', AUTH0_ALONE, { gty: undefined }],
    ['of Keycloak, in the other place,', 'keycloak', KEYCLOAK, { azp: undefined, client_id: 'chat' }],
  ])('%s is the same', async (_, preset, name, claims) => {
    const wanted = examples(preset).find((e) => e.name === name)?.normalized;
    expect(normalForm(await verify(preset, name, claims))).toEqual(wanted);
  });

  it('of Auth0 is alone only by its own id', async () => {
    const other = await verify('auth0', AUTH0, { sub: 'someone-else@clients' });
    expect(other).toMatchObject({
      ok: false,
      reason: { code: 'token_actor_invalid', message: 'The user (`sub`) is a client.' },
    });
  });

  it("of Keycloak is no service account by another's name", async () => {
    const other = await verify('keycloak', SERVICE, { preferred_username: 'service-account-other' });
    const message = 'The user (`preferred_username`) is the service account of a client.';
    expect(other).toMatchObject({ ok: false, reason: { code: 'token_actor_invalid', message } });
  });

  it('of Keycloak is never taken for a user by its id', async () => {
    // A service account's token that another client exchanged: `azp` is that one, `client_id` still the account's.
    const exchanged = tokenOf(await verify('keycloak', SERVICE, { azp: 'relay' }));
    expect(exchanged?.user).not.toBe('hr-assistant');
  });
});

describe('a key of Entra', () => {
  const MANY = 'a client for a user, of one of many tenants';
  const tenantOf = (name: string): string => {
    const iss = examples('entra').find((e) => e.name === name)?.payload.iss ?? '';
    return iss.split('/')[3] ?? '';
  };
  const verifyWith = async (name: string, stated: unknown, preset: 'entra' | 'okta' = 'entra') => {
    const kid = examples(preset).find((e) => e.name === name)?.header.kid;
    return verify(preset, name, {}, {}, { jwks: { keys: [{ ...key.jwk, kid, issuer: stated }] } });
  };
  const HOST = 'https://login.microsoftonline.com';

  it.each([ENTRA, MANY])('signs for its own tenant, and one that is for all of them for each: %s', async (name) => {
    for (const stated of [undefined, `${HOST}/${tenantOf(name)}/v2.0`, `${HOST}/{tenantid}/v2.0`])
      expect(await verifyWith(name, stated), String(stated)).toMatchObject({ ok: true });
  });

  it.each([ENTRA, MANY])('signs for no other: %s', async (name) => {
    const others = ['9188040d-6c67-4c5b-b112-36a304b66dad/v2.0', '{tenantid}/v1.0', '', tenantOf(name), '{tenantid}/'];
    for (const stated of [...others.map((other) => `${HOST}/${other}`), HOST, 'https://evil.example/{tenantid}/v2.0', '', null, 7, [`${HOST}/{tenantid}/v2.0`]])
      expect(await verifyWith(name, stated), String(stated)).toMatchObject({ ok: false, reason: { code: 'token_key_unknown' } });
  }); // prettier-ignore

  it('is found beside another tenant’s of the same id', async () => {
    const kid = examples('entra').find((e) => e.name === ENTRA)?.header.kid;
    const other = { ...(await makeKey('RS256', 'other')).jwk, kid, issuer: `${HOST}/other/v2.0` };
    const own = { ...key.jwk, kid, issuer: `${HOST}/${tenantOf(ENTRA)}/v2.0` };
    expect(await verify('entra', ENTRA, {}, {}, { jwks: { keys: [other, own] } })).toMatchObject({ ok: true });
  });

  it('is held to its issuer where it is fetched', async () => {
    const server = await serveKeys();
    onTestFinished(() => server.close());
    const kid = examples('entra').find((e) => e.name === MANY)?.header.kid;
    const fetchFor = (tenant: string): Promise<TokenVerification> => {
      server.answer = json({ keys: [{ ...key.jwk, kid, issuer: `${HOST}/${tenant}/v2.0` }] });
      return verify('entra', MANY, {}, {}, { jwks: undefined, jwks_uri: server.url });
    };
    expect(await fetchFor(tenantOf(MANY))).toMatchObject({ ok: true });
    expect(await fetchFor('other')).toMatchObject({ ok: false, reason: { code: 'token_key_unknown' } });
  });

  it('is the only one whose issuer counts', async () => {
    expect(await verifyWith(OKTA, 'https://elsewhere.example', 'okta')).toMatchObject({ ok: true });
  });
});

/** Examples whose tokens a client has for itself, of providers that name the client by a claim of its own. */
const ALONE = EXAMPLES.filter(({ preset, normalized }) => normalized['mode'] === 'direct' && preset !== 'spring');

describe('a client alone', () => {
  it.each(ALONE)('of $preset is its own subject: $name', async ({ preset, name, normalized }) => {
    const own = tokenOf(await verify(preset, name));
    expect(own?.soleSubject).toBe(normalized['clientId']);
    expect(own?.soleSubject).toBe(own?.clientId);
  });

  it.each(EXAMPLES.filter((example) => !ALONE.includes(example)))(
    'is not whom another token of $preset is for: $name',
    async ({ preset, name }) => {
      const token = tokenOf(await verify(preset, name));
      expect(token?.soleSubject === undefined || token.soleSubject !== token.clientId).toBe(true);
    },
  );

  it.each<[string, PresetName, string, Claims]>([
    ['a user’s id, of Okta', 'okta', 'a client alone', { uid: '00u1' }],
    ['a sign-in, of Okta', 'okta', 'a client alone', { auth_time: 1893664740 }],
    ['delegated scopes, of Entra', 'entra', ENTRA_APP, { scp: 'Employees.Read' }],
    ['a username, of Cognito', 'cognito', 'a client alone', { username: 'alice' }],
    ['an actor, of Auth0', 'auth0', AUTH0_ALONE, { act: { sub: 'x' } }],
    ['another’s username, of Keycloak', 'keycloak', SERVICE, { preferred_username: 'alice' }],
    ['another client, of Auth0', 'auth0', AUTH0_ALONE, { sub: 'x@clients', gty: undefined }],
    ['a person, of Hydra', 'hydra', 'a client alone, for no audience', { sub_profile: 'user' }],
  ])('is none with %s', async (_, preset, name, claims) => {
    const token = tokenOf(await verify(preset, name, claims));
    expect(token?.soleSubject === undefined || token.soleSubject !== token.clientId).toBe(true);
  });

  it('of Entra that does not say it is one has its own object as subject', async () => {
    const claims = { idtyp: undefined };
    const token = tokenOf(await verify('entra', ENTRA_APP, claims, {}, { assumed_scopes: ['x'] }));
    expect(token?.soleSubject).toBe(examples('entra').find((e) => e.name === ENTRA_APP)?.payload['oid']);
  });

  it('is not told by an audience or a subject that is taken for the client', async () => {
    expect(tokenOf(await verify('spring', 'a client alone'))).toMatchObject({ mode: 'direct' });
    for (const client_claim of ['aud', 'sub'])
      expect(tokenOf(await verify('hydra', 'a client for a user', { aud: 'alice' }, {}, { client_claim, audience: 'alice' }))?.soleSubject).toBeUndefined(); // prettier-ignore
  });
});

describe('what Entra says that its agents are', () => {
  it.each<[string, Claims, boolean]>([
    ['an agent for a user, v2.0', {}, true],
    ['an agent alone, v1.0', {}, true],
    ["an agent's user account, v2.0", {}, true],
    [ENTRA_SERVICE, {}, false],
    [ENTRA, {}, false],
    [ENTRA_APP, {}, false],
    // A facet is a number, not a part of one.
    [ENTRA_SERVICE, { xms_act_fct: '111 3' }, false],
    [ENTRA_SERVICE, { xms_act_fct: ['11'] }, false],
    // The user's facets are not the agent's.
    [ENTRA_SERVICE, { xms_sub_fct: '11' }, false],
  ])('counts where profiles are wanted: %s with %j', async (name, claims, ok) => {
    const verification = await verify('entra', name, claims, {}, { actor_profiles: ['ai_agent'] });
    expect(verification).toMatchObject(ok ? { ok } : { ok, reason: { code: 'actor_forbidden' } });
  });

  it.each([
    ['13 3', 'background'],
    ['3 13', 'background'],
    ['3 1', 'online'],
    ['113', 'online'],
    [13, 'online'],
  ])('says whether the user is there: %j', async (facets, access) => {
    expect(tokenOf(await verify('entra', ENTRA, { xms_sub_fct: facets }))?.access).toBe(access);
  });
});

// prettier-ignore
const SCOPES: [string, PresetName, string, Claims, readonly string[]][] = [
  ['of an application are its roles', 'entra', ENTRA_APP, { scp: 'Employees.Write' }, ['Reports.Create']],
  ["of a user's client are not the user's roles", 'entra', ENTRA, { roles: ['Admin'] }, ['Employees.Read', 'Employees.Write']],
  ['of Okta may be words already', 'okta', OKTA, { scp: 'a b' }, ['a', 'b']],
  ['of Okta may be none', 'okta', OKTA, { scp: [] }, []],
  ['that are not held count for nothing', 'auth0', AUTH0, { permissions: [] }, []],
  ['that are held and were not asked for count for nothing', 'auth0', AUTH0, { scope: 'openid', permissions: ['read:employees'] }, []],
  ['of Auth0, of a client alone, are what it holds', 'auth0', AUTH0_ALONE, { scope: undefined, permissions: ['read:employees'] }, ['read:employees']],
  ['are what was asked for where nothing is said of what is held', 'auth0', AUTH0, { permissions: 'none' }, ['openid', 'profile', 'read:employees']],
];

describe('scopes', () => {
  it.each(SCOPES)('%s', async (_, preset, name, claims, scopes) => {
    expect(tokenOf(await verify(preset, name, claims))?.scopes).toEqual(scopes);
  });

  it('that nobody asked for are not granted for being held', async () => {
    // Auth0 lists all of the user's permissions there, whatever the client was given.
    const claims = { scope: undefined, permissions: ['read:employees', 'delete:employees'] };
    expect(tokenOf(await verify('auth0', AUTH0, claims))?.scopes ?? []).toEqual([]);
  });
});
