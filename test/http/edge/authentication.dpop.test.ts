/** Proof of possession over HTTP: agents that call directly, clients that pass proofs and certificates on. */
import { createHash, randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { codes, start, step, T, type Answer, type Running } from '../../support/sample.js';
import { makeKey, type Key } from '../../tokens/keys.js';

const API = 'https://hr.example/employees/erin';
const URL_ = '/access/v1/evaluation';
const BASE = 'http://127.0.0.1:7480';

let remit: Running;
let key: Key;
let jkt: string;
let data: string;
beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), 'remit-proofs-'));
  remit = await start(undefined, data);
  key = await makeKey('ES256', 'holder');
  jkt = await calculateJwkThumbprint(key.jwk);
  return () => remit.stop();
});

const bound = (more: object = {}): Promise<string> =>
  remit.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read', jkt, ...more });

interface Proof {
  readonly url?: string;
  readonly method?: string;
  readonly jti?: string;
  readonly iat?: number;
  readonly by?: Key;
}

async function proofFor(token: string, { url = API, method = 'GET', jti, iat = T, by = key }: Proof = {}) {
  const { kty, crv, x, y } = by.jwk as JWK & { kty: string };
  const ath = createHash('sha256').update(token).digest('base64url');
  return by.sign(
    { typ: 'dpop+jwt', alg: 'ES256', jwk: { kty, crv, x, y } },
    { jti: jti ?? randomUUID(), htm: method, htu: url, iat, ath },
  );
}

const question = (context: object): object => ({
  subject: { type: 'user', id: 'alice' },
  action: { name: 'read' },
  resource: { type: 'employee', id: 'erin' },
  context,
});
const passed = async (token: string, proof?: object): Promise<Answer> =>
  (await remit.post(URL_, question({ token, ...(proof === undefined ? {} : { proof }) }))).json();

describe('a client passes a proof on', () => {
  it('and it counts, once', async () => {
    const token = await bound();
    const proof = { jwt: await proofFor(token), method: 'GET', url: `${API}?fields=name#top` };
    const answer = await passed(token, proof);
    expect(codes(answer)).toEqual([]);
    expect(answer.decision).toBe(true);
    expect(step(answer, 'token')?.evidence['proof']).toEqual(['dpop']);
    const again = await passed(token, proof);
    expect(codes(again)).toEqual(['proof_replayed']);
    expect(again.context?.remedies).toEqual([{ type: 'token', challenge: 'DPoP error="invalid_dpop_proof"' }]);
  });

  it('and it counts for every part of the request that it came with, and for no other', async () => {
    const token = await bound();
    const context = { token, proof: { jwt: await proofFor(token), method: 'GET', url: API } };
    const evaluations = [{}, {}, {}];
    const body = { ...question(context), evaluations };
    const decisions = async (): Promise<boolean[]> =>
      (await remit.post('/access/v1/evaluations', body))
        .json<{ evaluations: Answer[] }>()
        .evaluations.map((answer) => answer.decision);
    expect(await decisions()).toEqual([true, true, true]);
    expect(await decisions()).toEqual([false, false, false]);
  });

  it.each<[string, (token: string) => Promise<object | undefined>, string]>([
    ['none', async () => undefined, 'proof_missing'],
    ['for another method', async (t) => ({ jwt: await proofFor(t), method: 'DELETE', url: API }), 'proof_invalid'],
    ['for another URL', async (t) => ({ jwt: await proofFor(t), method: 'GET', url: `${API}2` }), 'proof_invalid'],
    ['too old', async (t) => ({ jwt: await proofFor(t, { iat: T - 61 }), method: 'GET', url: API }), 'proof_invalid'],
    ['of tomorrow', async (t) => ({ jwt: await proofFor(t, { iat: T + 86_400 }), method: 'GET', url: API }), 'proof_invalid'],
    ['for another token', async () => ({ jwt: await proofFor(await bound({ ttlSeconds: 60 })), method: 'GET', url: API }), 'proof_invalid'],
    ["with a thief's key", async (t) => ({ jwt: await proofFor(t, { by: await makeKey('ES256', 'thief') }), method: 'GET', url: API }), 'proof_invalid'],
    ['that is the token itself', async (t) => ({ jwt: t, method: 'GET', url: API }), 'proof_invalid'],
    ['that is none', async () => ({ jwt: 'proof', method: 'GET', url: API }), 'proof_invalid'],
  ])('%s: denied', async (_name, make, code) => {
    const token = await bound();
    const answer = await passed(token, await make(token));
    expect([answer.decision, codes(answer)]).toEqual([false, [code]]);
  }); // prettier-ignore

  it('for a token that needs none: somebody expects a safety that is not there', async () => {
    const token = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read' });
    expect(codes(await passed(token, { jwt: await proofFor(token), method: 'GET', url: API }))).toEqual([
      'proof_invalid',
    ]);
  });

  it('for a dry run leaves it for the real one, and is no good after that', async () => {
    const token = await bound();
    const proof = { jwt: await proofFor(token), method: 'GET', url: API };
    const dry = async (): Promise<Answer> => (await remit.post(URL_, question({ token, proof, dry_run: true }))).json();
    expect([(await dry()).decision, (await dry()).decision, (await passed(token, proof)).decision]).toEqual([
      true,
      true,
      true,
    ]);
    expect(codes(await dry())).toEqual(['proof_replayed']);
  });

  it('twice under one jti in one batch: the second is a replay', async () => {
    const token = await bound();
    const proof = async () => ({ jwt: await proofFor(token, { jti: 'same' }), method: 'GET', url: API });
    const evaluations = [{ context: { token, proof: await proof() } }, { context: { token, proof: await proof() } }];
    const response = await remit.post('/access/v1/evaluations', { ...question({}), evaluations });
    const all = response.json<{ evaluations: Answer[] }>().evaluations.map((answer) => codes(answer));
    expect(all.sort()).toEqual([[], ['proof_replayed']]);
  });

  it('incompletely: 400 names the place', async () => {
    const token = await bound();
    for (const proof of [{ jwt: await proofFor(token) }, { method: 'GET', url: API }]) {
      const response = await remit.post(URL_, question({ token, proof }));
      expect([response.statusCode, response.json<{ error: { at: string } }>().error.at]).toEqual([
        400,
        'context.proof',
      ]);
    }
  });

  it('which a restart does not make new', async () => {
    const token = await bound();
    const proof = { jwt: await proofFor(token), method: 'GET', url: API };
    expect((await passed(token, proof)).decision).toBe(true);
    await remit.stop({ keep: true });
    remit = await start(undefined, data);
    expect(codes(await passed(token, proof))).toEqual(['proof_replayed']);
  });
});

describe('an agent that calls directly', () => {
  const call = (token: string, headers: Record<string, string>) =>
    remit.post(URL_, question({}), { authorization: `DPoP ${token}`, ...headers });

  it('proves its token for the URL of Remit', async () => {
    const token = await bound();
    const dpop = await proofFor(token, { url: `${BASE}${URL_}`, method: 'POST' });
    const answer = await call(token, { dpop });
    expect(answer.statusCode, answer.body).toBe(200);
    expect(answer.json<Answer>().decision).toBe(true);
    expect((await call(token, { dpop })).statusCode).toBe(401);
  });

  it.each<[string, (token: string) => Promise<Record<string, string>>]>([
    ['no proof', async () => ({})],
    ['a proof for the API', async (t) => ({ dpop: await proofFor(t) })],
    ['a bound token as a mere bearer', async (t) => ({ authorization: `Bearer ${t}` })],
    ['a bound token as a bearer, with a proof', async (t) => ({ authorization: `Bearer ${t}`, dpop: await proofFor(t, { url: `${BASE}${URL_}`, method: 'POST' }) })],
    ['two proofs', async (t) => ({ dpop: `${await proofFor(t, { url: `${BASE}${URL_}`, method: 'POST' })}, ${await proofFor(t, { url: `${BASE}${URL_}`, method: 'POST' })}` })],
  ])('with %s is 401', async (_name, headers) => {
    const token = await bound();
    const response = await call(token, await headers(token));
    expect(response.statusCode).toBe(401);
    expect(response.json()).toEqual({ error: { code: 'unauthorized', message: 'The token is not valid.' } });
    expect(response.headers['www-authenticate']).toMatch(/DPoP .*algs="ES256 /);
  }); // prettier-ignore

  it('does not use a proof up where it asks too often', async () => {
    const token = await bound({ agent: 'payroll-exporter' });
    const dpop = await proofFor(token, { url: `${BASE}${URL_}`, method: 'POST' });
    const plain = await remit.mint({ user: 'alice', agent: 'payroll-exporter', scope: 'hr.employees.read' });
    // Time stands still while the agent uses up its rate, by what costs least: a question that is none.
    let now = performance.now();
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now);
    onTestFinished(() => clock.mockRestore());
    let status = 0;
    for (let i = 0; i < 2 * remit.service.config.limits.agentRate && status !== 429; i += 1)
      ({ statusCode: status } = await remit.post(URL_, {}, { authorization: `Bearer ${plain}` }));
    expect(status).toBe(429);
    expect((await call(token, { dpop })).statusCode).toBe(429);
    now += 1000;
    // A slow machine may not decide in time; that the proof is taken is all that counts here.
    expect([200, 503]).toContain((await call(token, { dpop })).statusCode);
  });

  it('is told what scope to ask for', async () => {
    const token = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: 'code.read' });
    const response = await remit.post(URL_, question({}), { authorization: `Bearer ${token}` });
    expect(response.json<Answer>().decision).toBe(false);
    expect(response.headers['www-authenticate']).toBe(
      `Bearer error="insufficient_scope", scope="hr.employees.read", resource_metadata="${BASE}/.well-known/oauth-protected-resource", DPoP algs="ES256 ES384 ES512 PS256 PS384 PS512 RS256 RS384 RS512 EdDSA Ed25519"`,
    );
  });

  it('can read what is needed to call', async () => {
    const metadata = await remit.app.inject({
      url: '/.well-known/oauth-protected-resource',
      headers: { host: '127.0.0.1:7480' },
    });
    expect(metadata.json()).toMatchObject({
      resource: BASE,
      bearer_methods_supported: ['header'],
      authorization_details_types_supported: ['remit'],
      dpop_bound_access_tokens_required: false,
    });
    expect(metadata.json<{ scopes_supported: string[] }>().scopes_supported).toContain('hr.employees.write');
    const scopes = await remit.request('GET', '/v1/scopes');
    expect(scopes.json<{ scopes: object[] }>().scopes).toContainEqual({
      scope: 'hr.employees.write',
      access: 'online',
      actions: [
        { name: 'delete', resource_types: ['employee'], title: "Delete an employee's record" },
        { name: 'update', resource_types: ['employee'], title: "Update an employee's record" },
      ],
    });
  });
});
