/** Where a decision's time goes: the service's ports timed from outside, while they are in use. */
import { createHash, randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { SCOPES } from '../worlds/actions.mjs';

const URL_ = 'https://api.example/';

/** The ports that a decision uses, by what they are called in the table. */
const PORTS = [
  ['token', (service) => [service.credentials, 'verify']],
  ['relationship checks', (service) => [service.activePolicies.engine, 'check']],
  ['entity lookup', (service) => [service.entities, 'lookup']],
  ['Cedar: policies', (service) => [service.activePolicies.rules.deciding, 'ask']],
  ['Cedar: duties', (service) => [service.activePolicies.rules.duties, 'ask']],
  ['record', (service) => [service.decisions, 'record']],
];

/** Times every port from now on. @returns a function that ends it and gives each port's microseconds a decision */
export function timePorts(service, server) {
  const spans = PORTS.map(([name, of]) => {
    const [object, method] = of(service);
    return time(object, method, { name, main: 0, waiting: 0, calls: 0 });
  });
  const whole = { ms: 0, decisions: 0 };
  const onRequest = (_request, response) => {
    const began = performance.now();
    response.once('finish', () => {
      whole.ms += performance.now() - began;
      whole.decisions += 1;
    });
  };
  server.prependListener('request', onRequest);
  return () => {
    server.removeListener('request', onRequest);
    for (const { restore } of spans) restore();
    const each = (ms) => (ms * 1000) / whole.decisions;
    const rows = spans.map(({ span }) => ({ name: span.name, main: each(span.main), waiting: each(span.waiting) }));
    // Entities are looked up while the checks are under way, so that wait is not one more.
    const accounted = rows.reduce((sum, r) => sum + r.main + (r.name === 'entity lookup' ? 0 : r.waiting), 0);
    return { rows, rest: each(whole.ms) - accounted, whole: each(whole.ms), decisions: whole.decisions };
  };
}

/** `main` is until the call returns, `waiting` from there until its promise is settled. */
function time(object, method, span) {
  const original = object[method];
  object[method] = (...args) => {
    const began = performance.now();
    const answer = original.apply(object, args);
    const returned = performance.now();
    span.main += returned - began;
    if (!(answer instanceof Promise)) return answer;
    return answer.finally(() => {
      span.waiting += performance.now() - returned;
    });
  };
  return { span, restore: () => Reflect.deleteProperty(object, method) };
}

/**
 * What a token costs, in microseconds: seen for the first time and known (proof-free), and known but bound to a key,
 * with a DPoP proof of its own each time, whose use is stored.
 */
export async function timeTokens(service, count = 300) {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = await exportJWK(publicKey);
  const jkt = await calculateJwkThumbprint(jwk);
  const now = service.now();
  const objects = service.activePolicies.rules.vocabulary;
  const mint = (i, more) =>
    service.devIssuer.mint({ user: `u${i}`, agent: 'assistant-0', scope: SCOPES, ttlSeconds: 600, now, ...more });
  const proofFor = (token) =>
    new SignJWT({ htm: 'GET', htu: URL_, ath: createHash('sha256').update(token).digest('base64url') })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
      .setJti(randomUUID())
      .setIssuedAt(Math.floor(now.getTime() / 1000))
      .sign(privateKey);
  const plain = [];
  const bound = [];
  for (let i = 0; i < count; i += 1) {
    plain.push({ token: await mint(i), proof: {} });
    const token = await mint(i, { jkt });
    bound.push({ token, proof: { dpop: { jwt: await proofFor(token), method: 'GET', url: URL_ } } });
  }
  const round = async (presented) => {
    const began = performance.now();
    for (const { token, proof } of presented) {
      const asked = {
        reading: service.trust.verifier.read(token),
        proof,
        by: 'client',
        audience: undefined,
        used: new Map(),
      };
      const credential = await service.credentials.verify(asked, objects, now);
      if (!credential.ok) throw new Error(`a fresh token was refused: ${credential.reason.code}`);
    }
    return ((performance.now() - began) * 1000) / count;
  };
  const first = await round(plain);
  const repeated = await round(plain);
  await Promise.all(
    bound.map(({ token }) =>
      service.credentials.verify(
        { reading: service.trust.verifier.read(token), proof: {}, by: 'client', used: new Map() },
        objects,
        now,
      ),
    ),
  );
  return { first, repeated, bound: await round(bound) };
}
