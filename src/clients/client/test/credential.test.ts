/** Credentials that are functions, OAuth's client credentials, and keys that tokens are bound to. */
import { createHash, createPublicKey, verify, type webcrypto } from 'node:crypto';
import { createClient, dpopCredential, oauthCredential, type Question } from 'remit-client';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { answerJson, answerText, StandIn, type Reaction } from '../../support/stand-in.js';
import { mintBoundToken } from '../../support/mint.js';

const question: Question = {
  subject: { type: 'user', id: 'alice' },
  action: 'read',
  resource: { type: 'employee', id: 'erin' },
};
const service = new StandIn();
const issuer = new StandIn();
beforeAll(() => Promise.all([service.start(), issuer.start()]));
afterAll(() => Promise.all([service.stop(), issuer.stop()]));
const allow = answerJson({ decision: true });
const acceptOnly =
  (...tokens: string[]): Reaction =>
  (request, response) => {
    const isGood = tokens.some((token) => request.headers.authorization === `Bearer ${token}`);
    (isGood ? allow : answerText('{}', 401))(request, response);
  };
const connect = (credential: Parameters<typeof oauthCredential>[0] | (() => unknown)) =>
  createClient({
    url: service.url,
    timeoutMs: 20_000,
    credential: (typeof credential === 'function' ? credential : oauthCredential(credential)) as () => string,
  });
const encode = (claims: object): string => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`;
const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds;

describe('a function', () => {
  it('is asked once for many callers, and again after its token was refused', async () => {
    let count = 0;
    const client = connect(async () => `token-${(count += 1)}`);
    service.react(acceptOnly('token-1'));
    await Promise.all(Array.from({ length: 20 }, () => client.can(question)));
    expect(count).toBe(1);
    service.react(acceptOnly('token-2'));
    const answers = await Promise.all(Array.from({ length: 20 }, () => client.can(question)));
    expect(answers.every(({ allowed }) => allowed)).toBe(true);
    expect(count).toBe(2);
  });

  it('is asked once a call where every token is refused', async () => {
    let count = 0;
    const client = connect(() => `token-${(count += 1)}`);
    service.react(acceptOnly());
    await expect(client.can(question)).rejects.toMatchObject({ kind: 'setup', code: 'credential' });
    expect([count, service.requests.length]).toEqual([2, 2]);
  });

  it('is asked again before its token ends', async () => {
    const ends = [inSeconds(3), inSeconds(3_600)];
    let count = 0;
    const client = connect(() => encode({ exp: ends[Math.min(count++, 1)] }));
    service.react(allow);
    for (const _ of [1, 2, 3]) await client.can(question);
    expect(count).toBe(2);
  });

  it('that fails is no allow, tells nothing, and is asked again', async () => {
    let count = 0;
    const client = connect(() => {
      if ((count += 1) === 1) throw new Error('s3cret');
      return 'token';
    });
    service.react(allow);
    const error: unknown = await client.can(question).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ kind: 'unavailable', code: 'credential' });
    expect(`${String(error)}${JSON.stringify(error)}`).not.toContain('s3cret');
    expect(await client.can(question)).toMatchObject({ allowed: true });
  });

  it.each([undefined, null, '', 'two words', 'line\nline', 7, {}, { token: 7 }])(
    'that returns %j is no allow',
    async (value) => {
      service.react(allow);
      await expect(connect(() => value).can(question)).rejects.toThrow();
      expect(service.requests).toEqual([]);
    },
  );
});

describe('OAuth', () => {
  const options = () => ({ tokenEndpoint: `${issuer.url}/token`, clientId: 'a b', clientSecret: 's:3%' });
  it('fetches a token, form-encoded, and another before it ends', async () => {
    issuer.react(answerJson({ access_token: 'tok', token_type: 'Bearer', expires_in: 3 }));
    service.react(acceptOnly('tok'));
    const client = connect({ ...options(), scope: 'x', audience: 'remit' });
    await client.can(question);
    await client.can(question);
    expect(issuer.requests.length).toBe(2);
    const [request] = issuer.requests;
    expect(Object.fromEntries(new URLSearchParams(request?.body))).toEqual({ grant_type: 'client_credentials', scope: 'x', audience: 'remit' }); // prettier-ignore
    expect(Buffer.from(request?.headers.authorization?.slice(6) ?? '', 'base64').toString()).toBe('a+b:s%3A3%25');
  });

  it.each<[string, Reaction, string]>([
    ['refuses', answerJson({ error: 'invalid_client', error_description: 's:3%' }, 401), 'setup'],
    ['is down', answerText('{}', 500), 'unavailable'],
    ['redirects', answerText('{}', 302, { location: 'http://127.0.0.1:1' }), 'unavailable'],
    ['gives no token', answerJson({ token_type: 'Bearer' }), 'unavailable'],
    ['gives a token of another kind', answerJson({ access_token: 'tok', token_type: 'mac' }), 'unavailable'],
    ['gives two', answerText('{"access_token":"a","access_token":"b","token_type":"Bearer"}'), 'unavailable'],
    ['gives HTML', answerText('<p>', 200, { 'content-type': 'text/html' }), 'unavailable'],
  ])('an issuer that %s is no allow', async (_name, reaction, kind) => {
    issuer.react(reaction);
    service.react(allow);
    const error: unknown = await connect(options())
      .can(question)
      .catch((caught: unknown) => caught);
    expect(error).toMatchObject({ kind });
    expect(String(error)).not.toContain('s:3%');
    expect(service.requests).toEqual([]);
  });

  it('sends no secret without https', () => {
    expect(() => oauthCredential({ ...options(), tokenEndpoint: 'http://login.example/token' })).toThrow(/https/);
  });

  it('takes no bearer token where one was to be bound to a key', async () => {
    issuer.react(answerJson({ access_token: 'tok', token_type: 'Bearer' }));
    await expect(connect({ ...options(), dpop: await makeKeys() }).can(question)).rejects.toMatchObject({ code: 'credential' }); // prettier-ignore
  });
});

const makeKeys = (curve = 'P-256'): Promise<webcrypto.CryptoKeyPair> =>
  crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: curve }, false, ['sign', 'verify']);

/** Verifies a proof. @returns its claims */
function readProof(proof: unknown): Record<string, unknown> {
  const [header = '', claims = '', signature = ''] = String(proof).split('.');
  const decode = (part: string): Record<string, unknown> =>
    JSON.parse(Buffer.from(part, 'base64url').toString()) as never;
  const key = createPublicKey({ key: decode(header)['jwk'] as never, format: 'jwk' });
  const signed = Buffer.from(`${header}.${claims}`);
  expect(decode(header)).toMatchObject({ typ: 'dpop+jwt', alg: 'ES256' });
  expect(verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'))).toBe(true);
  return decode(claims);
}

describe('DPoP', () => {
  it('proves each attempt anew, for the token and the address, with the nonce that was asked for', async () => {
    issuer.react(answerJson({ access_token: 'tok', token_type: 'DPoP' }));
    const client = createClient({
      url: service.url,
      timeoutMs: 20_000,
      credential: oauthCredential({
        tokenEndpoint: `${issuer.url}/token`,
        clientId: 'a',
        clientSecret: 'b',
        dpop: await makeKeys(),
      }),
    });
    service.reactInTurn(answerText('{}', 401, { 'dpop-nonce': 'n1' }), answerText('{}', 503), allow);
    expect(await client.can(question)).toMatchObject({ allowed: true });
    const claims = service.requests.map(({ headers }) => readProof(headers['dpop']));
    expect(claims.map(({ nonce }) => nonce)).toEqual([undefined, 'n1', 'n1']);
    expect(new Set(claims.map(({ jti }) => jti)).size).toBe(3);
    expect(claims[2]).toMatchObject({
      htm: 'POST',
      htu: `${service.url}/access/v1/evaluation`,
      ath: createHash('sha256').update('tok').digest('base64url'),
    });
    expect(service.requests[2]?.headers.authorization).toBe('DPoP tok');
    expect(readProof(issuer.requests[0]?.headers['dpop'])).toMatchObject({ htm: 'POST', htu: `${issuer.url}/token` });
  });

  it('is refused with a key that the proof can not be made with', async () => {
    const keys = await makeKeys('P-384');
    expect(() => dpopCredential('tok', keys)).toThrow(/P-256/);
  });

  it('is taken by the service: an agent’s own token that is bound to a key', async () => {
    const { url } = inject('service');
    const keys = await makeKeys();
    const token = await mintBoundToken(keys.publicKey);
    const ask = (credential: Parameters<typeof createClient>[0]['credential']) =>
      createClient({ url, credential: credential ?? '', timeoutMs: 20_000, obligations: { mask: true } }).can(question);
    expect(await ask(dpopCredential(token, keys))).toMatchObject({ allowed: true });
    await expect(ask(token)).rejects.toMatchObject({ code: 'credential' });
    await expect(ask(dpopCredential(token, await makeKeys()))).rejects.toMatchObject({ code: 'credential' });
  });
});
