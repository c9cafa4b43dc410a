/** Tokens of identity providers at a running Remit: tenants that are others', tokens that are too long, and what ends them. */
import { beforeAll, describe, expect, it } from 'vitest';
import { collectCleanups } from '../support/cleanups.js';
import { clientNamed, codes, startWith, type Answer, type Running } from '../support/sample.js';
import { makeKey, T, type Key } from '../tokens/keys.js';

const TEMPLATE = 'https://login.example/{tenantid}/v2.0';
const ACME = 'https://login.example/acme/v2.0';
const BETA = 'https://login.example/beta/v2.0';

let key: Key;
let remit: Running;
const onSuiteFinished = collectCleanups();
beforeAll(async () => {
  key = await makeKey('ES256', 'k1');
  const jwks = { keys: [key.jwk] };
  remit = await startWith({
    issuers: [
      { issuer: 'https://corp.example', audience: 'remit', primary: true, jwks },
      { issuer: TEMPLATE, tenants: ['acme', 'beta'], audience: 'remit', alias: 'login', jwks },
      { issuer: 'https://any.example/{tenantid}', tenants: 'any', audience: 'remit', alias: 'any', jwks },
      { issuer: 'https://long.example', audience: 'remit', alias: 'long', jwks, max_token_bytes: 32_768 },
      { issuer: 'https://late.example', audience: 'remit', alias: 'late', jwks, clock_tolerance_s: 60 },
    ],
    clients: [clientNamed('hr-api', 'remit', 'evaluate'), clientNamed('admin', 'admin', 'admin')],
  });
  onSuiteFinished(() => remit.stop());
  const names = ['login|acme', 'login|beta', 'long', 'late'];
  const updates = names.flatMap((name) =>
    [`employee:erin#manager@user:${name}|alice`, `agent:${name}|bot#delegator@user:${name}|alice`].map((relationship) => ({ operation: 'touch', relationship })),
  ); // prettier-ignore
  expect((await remit.request('POST', '/v1/relationships', { updates }, 'admin-key')).statusCode).toBe(200);
  for (const name of names) {
    const attributes = { name, kind: 'assistant', suspended: false };
    const stored = await remit.request('PUT', `/v1/entities/agent/${encodeURIComponent(`${name}|bot`)}`, { attributes }, 'admin-key');
    expect(stored.statusCode).toBe(200);
  } // prettier-ignore
});

const mint = (iss: string, claims: object = {}): Promise<string> =>
  key.sign(
    { alg: 'ES256', kid: 'k1', typ: 'at+jwt' },
    { iss, sub: 'alice', aud: 'remit', iat: T - 1, exp: T + 300, scope: 'hr.employees.read', act: { sub: 'bot' }, ...claims },
  ); // prettier-ignore
const readErin = (user: string, context: object = {}): object => ({
  subject: { type: 'user', id: user },
  action: { name: 'read' },
  resource: { type: 'employee', id: 'erin' },
  context,
});
async function ask(user: string, token: string): Promise<string> {
  const response = await remit.request('POST', '/access/v1/evaluation', readErin(user, { token }), 'hr-api-key');
  if (response.statusCode !== 200) return String(response.statusCode);
  const answer = response.json<Answer>();
  return answer.decision ? 'allow' : (codes(answer)[0] ?? 'deny');
}

describe('a tenant', () => {
  it.each([
    ['is allowed what is its own user’s', 'login|acme|alice', ACME, {}, 'allow'],
    ['is another’s for the same sub', 'login|acme|alice', BETA, {}, 'subject_mismatch'],
    ['that is not listed', 'login|acme|alice', 'https://login.example/evil/v2.0', {}, 'token_issuer_unknown'],
    ['that is not listed and says it is one that is', 'login|acme|alice', 'https://login.example/evil/v2.0', { tid: 'acme' }, 'token_issuer_unknown'],
    ['that contradicts itself', 'login|acme|alice', ACME, { tid: 'beta' }, 'token_claims_invalid'],
    ['that names an agent of another’s', 'login|acme|alice', ACME, { act: { sub: 'bot', iss: BETA } }, 'actor_forbidden'],
    ['of any, with the name of a user of another issuer', 'login|acme|alice', 'https://any.example/login', { sub: 'acme|alice' }, 'subject_mismatch'],
    ['of any that contradicts itself', 'any|x|alice', 'https://any.example/x', { tid: 'y' }, 'token_claims_invalid'],
    ['of the primary issuer, with the name of a tenant’s user', 'login|acme|alice', 'https://corp.example', { sub: 'login|acme|alice' }, 'token_claims_invalid'],
  ])('%s', async (_, user, iss, claims, outcome) => {
    expect(await ask(user, await mint(iss, claims))).toBe(outcome);
  }); // prettier-ignore

  it('is named where agents learn who issues tokens, and the placeholder never', async () => {
    const { authorization_servers: servers } = (
      await remit.request('GET', '/.well-known/oauth-protected-resource')
    ).json<{ authorization_servers: string[] }>();
    expect(servers).toEqual(['https://corp.example', ACME, BETA, 'https://long.example', 'https://late.example']);
  });

  it('can have its tokens revoked by its own name, and not by that of all', async () => {
    const token = await mint(BETA);
    const [revoked, all, foreign] = await Promise.all(
      [BETA, TEMPLATE, 'https://login.example/evil/v2.0'].map((issuer) =>
        remit.request('POST', '/v1/revocations', { issuer }, 'admin-key'),
      ),
    );
    expect([revoked?.statusCode, all?.statusCode, foreign?.statusCode]).toEqual([201, 400, 400]);
    expect(await ask('login|beta|alice', token)).toBe('token_revoked');
    expect(await ask('login|acme|alice', await mint(ACME))).toBe('allow');
  });
});

describe('a token', () => {
  const pad = (characters: number): object => ({ pad: 'x'.repeat(characters) });

  it.each([
    ['of 20 KiB of the issuer that may', 'long|alice', 'https://long.example', pad(15_000), 'allow'],
    ['of 20 KiB of another', 'alice', 'https://corp.example', pad(15_000), 'token_malformed'],
    ['longer than any may be', 'long|alice', 'https://long.example', pad(25_000), '400'],
    ['that expired a moment ago by the clock of an issuer with leeway', 'late|alice', 'https://late.example', { exp: T - 59 }, 'allow'],
    ['that expired before that', 'late|alice', 'https://late.example', { exp: T - 60 }, 'token_expired'],
    ['that expired a moment ago by another’s', 'long|alice', 'https://long.example', { exp: T }, 'token_expired'],
  ])('%s', async (_, user, iss, claims, outcome) => {
    expect(await ask(user, await mint(iss, claims))).toBe(outcome);
  }); // prettier-ignore

  it('that is ahead by the leeway of its issuer is revoked with its user’s', async () => {
    const ahead = await mint('https://late.example', { iat: T + 55 });
    expect(await ask('late|alice', ahead)).toBe('allow');
    const revocation = { user: 'late|alice' };
    expect((await remit.request('POST', '/v1/revocations', revocation, 'admin-key')).statusCode).toBe(201);
    expect(await ask('late|alice', ahead)).toBe('token_revoked');
  });

  it('that is long is one in a header too, and what is longer is refused by its length', async () => {
    // A real listener, which limits the headers.
    const address = await remit.app.listen({ port: 0, host: '127.0.0.1' });
    const post = async (token: string): Promise<Response> =>
      fetch(`${address}/access/v1/evaluation`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(readErin('long|alice')),
      });
    const taken = await post(await mint('https://long.example', pad(20_000)));
    expect([taken.status, await taken.json()]).toMatchObject([200, { decision: true }]);
    const refused = await post('x'.repeat(70_000));
    expect([refused.status, await refused.json()]).toMatchObject([
      431,
      { error: { message: 'The headers must be at most 57344 bytes long.' } },
    ]);
  });
});
