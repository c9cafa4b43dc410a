/** Clients that log in with a token of an issuer's: only with one that is theirs, for Remit, and good at this moment. */
import { createHash, createHmac, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { calculateJwkThumbprint } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { collectCleanups } from '../support/cleanups.js';
import { clientNamed, codes, startWith, type Answer, type Running } from '../support/sample.js';
import { encoded, makeKey, T, type Key, type Part } from '../tokens/keys.js';

const CORP = 'https://corp.example';
const OTHER = 'https://other.example';
const URL_ = '/access/v1/evaluation';

let key: Key;
let otherKey: Key;
let holder: Key;
let remit: Running;
const onSuiteFinished = collectCleanups();
beforeAll(async () => {
  [key, otherKey, holder] = await Promise.all([makeKey('RS256', 'k1'), makeKey('RS256', 'k2'), makeKey('ES256', 'h')]);
  const issuer = { audience: 'remit', token_types: ['at+jwt', 'JWT'], shape: ['act', 'client_id', 'agent'], algorithms: ['RS256'] }; // prettier-ignore
  remit = await startWith({
    issuers: [
      { ...issuer, issuer: CORP, primary: true, user_clients: ['portal'], jwks: { keys: [key.jwk] } },
      { ...issuer, issuer: OTHER, alias: 'other', jwks: { keys: [otherKey.jwk] } },
    ],
    clients: [
      clientNamed('admin', 'admin', 'admin', 'read_values'),
      {
        id: 'hr-api',
        audience: 'hr-api',
        supported_obligations: ['mask', 'notification'],
        may: ['evaluate', 'asserts_subject'],
        token: { issuer: CORP, client_id: 'hr' },
      },
      { id: 'portal', may: ['evaluate', 'asserts_subject'], token: { issuer: CORP, client_id: 'portal' } },
      { id: 'named', may: ['evaluate', 'asserts_subject'], token: { issuer: CORP, client_id: 'svc', subject: '4711' } },
      { id: 'searcher', may: ['search'], token: { issuer: CORP, client_id: 'searcher' } },
    ],
  });
  onSuiteFinished(() => remit.stop());
});

const OWN = { iss: CORP, sub: 'hr', client_id: 'hr', aud: 'remit', iat: T - 1, exp: T + 300, scope: 'api' };
const HEADER = { alg: 'RS256', kid: 'k1', typ: 'at+jwt' };
const mint = (claims: object = {}, header: object = {}, by = key): Promise<string> =>
  by.sign({ ...HEADER, ...header }, { ...OWN, ...claims });
const question = {
  subject: { type: 'user', id: 'alice' },
  action: { name: 'read' },
  resource: { type: 'employee', id: 'erin' },
  context: { mode: 'human' },
};
const ask = (token: string, scheme = 'Bearer', headers: Record<string, string> = {}) =>
  remit.post(URL_, question, { authorization: `${scheme} ${token}`, ...headers });
/** The client that a question by this credential is recorded for, or the status. */
async function nameClient(token: string): Promise<string | number> {
  const response = await ask(token);
  if (response.statusCode !== 200) return response.statusCode;
  const { context } = response.json<{ context: { id: string } }>();
  const record = await remit.request('GET', `/v1/decisions/${context.id}?values=true`, undefined, 'admin-key');
  return record.json<{ client: string }>().client;
}

describe('a client', () => {
  it.each<[string, object, string]>([
    ['by its own token', {}, 'hr-api'],
    ['by one for several services', { aud: ['https://mail.example', 'remit'] }, 'hr-api'],
    ['that is an application of people, by its own', { sub: 'portal', client_id: 'portal' }, 'portal'],
    ['that its issuer names otherwise', { sub: '4711', client_id: 'svc' }, 'named'],
    ['in a session that goes on', { sid: 's-live', jti: 'j-live' }, 'hr-api'],
  ])('is let in %s', async (_, claims, client) => {
    expect(await nameClient(await mint(claims))).toBe(client);
  });

  it('is let in by a token without a type that has a scope', async () => {
    expect(await nameClient(await mint({}, { typ: 'JWT' }))).toBe('hr-api');
  });

  it('may no more than with a key', async () => {
    const response = await ask(await mint({ sub: 'searcher', client_id: 'searcher' }));
    expect([response.statusCode, response.body]).toEqual([403, expect.stringContaining('may not')]);
    const admin = await remit.request('GET', '/v1/revocations', undefined, await mint());
    expect(admin.statusCode).toBe(403);
  });

  it('passes agents’ tokens on as before, each for its own audience', async () => {
    const agent = { sub: 'alice', client_id: 'hr-assistant', act: { sub: 'hr-assistant' }, scope: 'hr.employees.read' };
    const [forClient, forRemit] = await Promise.all([mint({ ...agent, aud: 'hr-api' }), mint(agent)]);
    const decide = async (token: string): Promise<string> => {
      const asking = { authorization: `Bearer ${await mint()}` };
      const answer = (await remit.post(URL_, { ...question, context: { token } }, asking)).json<Answer>();
      return answer.decision ? 'allow' : codes(answer).join();
    };
    expect(await decide(forClient)).toBe('allow');
    expect(await decide(forRemit)).toBe('token_audience_mismatch');
  });
});

describe('no client is let in', () => {
  it.each<[string, object]>([
    ['a token for another service', { aud: 'hr-api' }],
    ['a token for its own client', { aud: 'hr' }],
    ['an expired token', { exp: T - 1 }],
    ['a token of tomorrow', { nbf: T + 86_400 }],
    ['a token without an end', { exp: undefined }],
    ['a token longer than may be', { pad: 'x'.repeat(9000) }],
    ['a token bound to a key, without its proof', { cnf: { jkt: 'x'.repeat(43) } }],
    ['a token bound to a certificate, without it', { cnf: { 'x5t#S256': 'x'.repeat(43) } }],
    ['a token bound to what is unknown', { cnf: { kid: 'k' } }],
  ])('by %s', async (_, claims) => {
    expect(await nameClient(await mint(claims))).toBe(401);
  });

  it.each<[string, object]>([
    ['a user’s token of the same client', { sub: 'alice' }],
    ['a user’s token of an application of people', { sub: 'alice', client_id: 'portal' }],
    ['a user’s sign-in, by the client’s own name', { auth_time: T - 5 }],
    ['a sign-in by password', { amr: ['pwd'] }],
    ['a person', { sub_profile: 'user' }],
    ['a delegation to the client', { sub: 'alice', act: { sub: 'hr' } }],
    ['an agent that acts for the client', { act: { sub: 'hr-assistant' } }],
    ['an agent’s own token', { sub: 'hr-assistant', client_id: 'hr-assistant' }],
    ['another client of the issuer', { sub: 'mail', client_id: 'mail' }],
    ['the client’s id, where its subject is another', { sub: 'svc', client_id: 'svc' }],
    ['the subject of another client', { sub: '4711', client_id: 'hr' }],
    ['no client', { client_id: undefined }],
  ])('by a token of %s', async (_, claims) => {
    // Such a token may be good for its own party, which isn't the one that is asked about without a token.
    const name = await nameClient(await mint(claims));
    expect(String(name)).toMatch(/^(401|403|agent:.+)$/);
  });

  it('by a token of another issuer, with whichever key and name', async () => {
    expect(await nameClient(await mint({ iss: OTHER }, { kid: 'k2' }, otherKey))).toBe('agent:other|hr');
    expect(await nameClient(await mint({}, { kid: 'k2' }, otherKey))).toBe(401);
    expect(await nameClient(await mint({}, {}, otherKey))).toBe(401);
    expect(await nameClient(await mint({ iss: 'https://evil.example' }))).toBe(401);
  });

  it('by a token that nothing signs, or the public key as a secret does', async () => {
    const unsigned = (header: Part): string => `${encoded(header)}.${encoded(OWN)}`;
    expect(await nameClient(`${unsigned({ alg: 'none', typ: 'at+jwt' })}.`)).toBe(401);
    const text = unsigned({ alg: 'HS256', kid: 'k1', typ: 'at+jwt' });
    for (const secret of [JSON.stringify(key.jwk), key.jwk.n ?? ''])
      expect(await nameClient(`${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`)).toBe(401);
    const [header, , signature] = (await mint()).split('.');
    expect(await nameClient(`${header}.${encoded({ ...OWN, exp: T + 999 })}.${signature}`)).toBe(401);
  });

  it('by an ID token, or a token that travels between services', async () => {
    expect(await nameClient(await mint({ scope: undefined }, { typ: 'JWT' }))).toBe(401);
    expect(await nameClient(await mint({ txn: 't' }, { typ: 'txntoken+jwt' }))).toBe(401);
  });

  it.each<[string, object, object]>([
    ['token', { jti: 'j-stolen' }, { issuer: CORP, jti: 'j-stolen' }],
    ['session', { sid: 's-stolen' }, { session: 's-stolen' }],
  ])('once its %s is revoked', async (_, claims, revocation) => {
    const token = await mint(claims);
    expect(await nameClient(token)).toBe('hr-api');
    const revoked = await remit.request('POST', '/v1/revocations', revocation, 'admin-key');
    expect(revoked.statusCode).toBe(201);
    expect(await nameClient(token)).toBe(401);
  });
});

it('a client is let in by a token with nothing wrong, and by none with anything', async () => {
  const faults = [{ aud: 'hr-api' }, { exp: T - 1 }, { sub: 'alice' }, { client_id: 'mail' }, { act: { sub: 'bot' } }, { amr: ['pwd'] }, { iss: OTHER }]; // prettier-ignore
  await fc.assert(
    fc.asyncProperty(fc.subarray(faults), async (wrong) => {
      const name = await nameClient(await mint(Object.assign({}, ...wrong) as object));
      expect(name === 'hr-api').toBe(wrong.length === 0);
    }),
    { numRuns: 60, examples: [[[]], ...faults.map((fault): [object[]] => [[fault]])] as [typeof faults][] },
  );
});

describe('a token that is bound to a key', () => {
  const bound = async (): Promise<string> => mint({ cnf: { jkt: await calculateJwkThumbprint(holder.jwk) } });
  const prove = (token: string, over: object = {}, by = holder): Promise<string> => {
    const { kty, crv, x, y } = by.jwk;
    const ath = createHash('sha256').update(token).digest('base64url');
    return by.sign(
      { typ: 'dpop+jwt', alg: by.alg, jwk: { kty, crv, x, y } },
      { jti: randomUUID(), htm: 'POST', htu: `http://127.0.0.1:7480${URL_}`, iat: T, ath, ...over },
    );
  };

  it('is good with its proof, which is good once', async () => {
    const token = await bound();
    const dpop = await prove(token);
    expect((await ask(token, 'DPoP', { dpop })).statusCode).toBe(200);
    expect((await ask(token, 'DPoP', { dpop })).statusCode).toBe(401);
  });

  it('is no good by itself, as a bearer’s, or with the proof of another', async () => {
    const token = await bound();
    const dpop = await prove(token);
    expect((await ask(token)).statusCode).toBe(401);
    expect((await ask(token, 'Bearer', { dpop })).statusCode).toBe(401);
    expect((await ask(token, 'DPoP')).statusCode).toBe(401);
    const stranger = await prove(token, {}, await makeKey('ES256', 's'));
    expect((await ask(token, 'DPoP', { dpop: stranger })).statusCode).toBe(401);
    const elsewhere = await prove(token, { htu: 'https://mail.example/' });
    expect((await ask(token, 'DPoP', { dpop: elsewhere })).statusCode).toBe(401);
    const unbound = await mint();
    expect((await ask(unbound, 'DPoP', { dpop: await prove(unbound) })).statusCode).toBe(401);
  });
});
