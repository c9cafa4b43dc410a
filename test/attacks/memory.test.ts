/** Texts, ids and tokens that are never the same again: what is kept of them is bounded by what it takes in memory. */
import { beforeAll, expect, it } from 'vitest';
import { clientNamed, startWith, T, type Running } from '../support/sample.js';
import { makeKey, type Key } from '../tokens/keys.js';

const MEGABYTE = 1024 * 1024;
let remit: Running;
let key: Key;
beforeAll(async () => {
  key = await makeKey('ES256', 'k1');
  remit = await startWith({
    limits: { agent_rate: 1_000_000, deadline_ms: 30_000 },
    issuers: [{ issuer: 'https://corp.example', audience: 'remit', primary: true, jwks: { keys: [key.jwk] } }],
    clients: [{ ...clientNamed('api', 'remit', 'evaluate', 'asserts_subject'), rate: 1_000_000 }],
  });
  return () => remit.stop();
});

const mint = (claims: object = {}): Promise<string> =>
  key.sign(
    { alg: 'ES256', typ: 'at+jwt', kid: 'k1' },
    { iss: 'https://corp.example', sub: 'alice', aud: 'remit', exp: T + 300, iat: T, scope: 'code.write', act: { sub: 'code-bot' }, ...claims },
  ); // prettier-ignore

it('long texts that policies compare are kept as hashes', async () => {
  const { deciding, duties } = remit.service.activePolicies.rules;
  const token = await mint({ sub: 'carol' });
  const cached = (): number => deciding.cachedBytes + duties.cachedBytes;
  const before = cached();
  const misses = (): number => deciding.cache.misses;
  const missesBefore = misses();
  for (let i = 0; i < 40; i += 1) {
    const response = await remit.post(
      '/access/v1/evaluation',
      {
        subject: { type: 'user', id: 'carol' },
        action: { name: 'push', properties: { branch: `${i} ${'x'.repeat(31_000)}` } },
        resource: { type: 'repository', id: 'payments-api' },
        context: { token },
      },
      { authorization: 'Bearer api-key' },
    );
    expect(response.statusCode).toBe(200);
  }
  // Each was asked, and so is kept; no text is.
  expect(misses() - missesBefore).toBeGreaterThanOrEqual(40);
  expect(cached() - before).toBeGreaterThan(0);
  expect(cached() - before).toBeLessThan(40 * 4 * 3_000);
});

it('ids of entities that are not there are kept up to a bound, and not at all where others write to the database', async () => {
  const { entities, database } = remit.service;
  let largest = 0;
  for (let i = 0; i < 40; i += 1) {
    const ids = Array.from({ length: 500 }, (_, j) => `${i} ${j} ${'x'.repeat(1000)}`);
    await entities.lookup(ids.map((id) => ({ type: 'employee', id })));
    largest = Math.max(largest, entities.cachedBytes);
  }
  if (!database.exclusive) {
    expect(largest).toBe(0);
    return;
  }
  expect(largest).toBeGreaterThan(30 * MEGABYTE);
  expect(largest).toBeLessThanOrEqual(32 * MEGABYTE);
}, 60_000);

it('verified tokens are kept up to a bound, by their length', async () => {
  const { verifier } = remit.service.trust;
  let largest = 0;
  for (let i = 0; i < 1_100; i += 1) {
    const verified = await verifier.verify(await mint({ jti: String(i), x: 'x'.repeat(5_500) }), 'remit', new Date(T * 1000));
    expect(verified.ok).toBe(true);
    largest = Math.max(largest, verifier.cachedBytes);
  }
  expect(largest).toBeGreaterThan(30 * MEGABYTE);
  expect(largest).toBeLessThanOrEqual(32 * MEGABYTE);
}, 60_000); // prettier-ignore
