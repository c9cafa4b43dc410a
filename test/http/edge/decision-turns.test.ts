/** Floods of questions through the real application: what is answered is on record, and a caller has its turns beside others. */
import fc from 'fast-check';
import { beforeAll, expect, it, vi } from 'vitest';
import type { LightMyRequestResponse } from 'fastify';
import { Fault } from '../../../src/model/faults.js';
import { clientNamed, startWith, T, type Answer, type Running } from '../../support/sample.js';
import { makeKey, type Key } from '../../tokens/keys.js';

let remit: Running;
let key: Key;
beforeAll(async () => {
  key = await makeKey('ES256', 'k1');
  remit = await startWith({
    limits: { agent_rate: 1_000_000, in_flight: 12, deadline_ms: 2_000 },
    issuers: [{ issuer: 'https://corp.example', audience: 'remit', primary: true, jwks: { keys: [key.jwk] } }],
    clients: ['one', 'two'].map((id) => ({ ...clientNamed(id, 'remit', 'evaluate'), rate: 1_000_000 })),
  });
  return () => remit.stop();
});

const token = (user: string, agent: string): Promise<string> =>
  key.sign(
    { alg: 'ES256', typ: 'at+jwt', kid: 'k1' },
    { iss: 'https://corp.example', sub: user, aud: 'remit', exp: T + 300, iat: T, scope: 'hr.employees.read', act: { sub: agent } },
  ); // prettier-ignore
const question = {
  subject: { type: 'user', id: 'alice' },
  action: { name: 'read' },
  resource: { type: 'employee', id: 'erin' },
};
const batch = (template: object, count: number): object => ({
  ...template,
  evaluations: Array.from({ length: count }, () => ({})),
});

/** The single answers in a response that were decided: neither refused nor a fault. */
function listDecided(response: LightMyRequestResponse): Answer[] {
  if (response.statusCode !== 200) return [];
  const body = response.json<Answer & { evaluations?: Answer[] }>();
  return (body.evaluations ?? [body]).filter(({ context }) => context?.error === undefined);
} // prettier-ignore

it('each answer of a flood is on record as it was given, whatever becomes of the database meanwhile', async () => {
  const { database, decisions } = remit.service;
  const run = database.run.bind(database);
  const allowed = await token('alice', 'hr-assistant');
  const own = await Promise.all([token('alice', 'hr-assistant'), token('dave', 'code-bot'), token('alice', 'unknown-bot')]);
  const calls = fc.record({ caller: fc.nat(4), items: fc.constantFrom(1, 1, 3, 40) });
  let answered = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(calls, { minLength: 1, maxLength: 30 }),
      fc.array(fc.constantFrom('written', 'written', 'failed', 'lost', 'late'), { minLength: 1, maxLength: 10 }),
      async (flood, fates) => {
        let writes = 0;
        const spy = vi.spyOn(database, 'run').mockImplementation(async (statements) => {
          if (!statements.some(({ sql }) => sql.includes('insert into records'))) return run(statements);
          const fate = fates[writes++ % fates.length];
          if (fate === 'failed') throw new Fault('database_unavailable');
          if (fate === 'late') await new Promise((resolve) => setTimeout(resolve, 50));
          const result = await run(statements);
          if (fate === 'lost') throw new Fault('database_unavailable');
          return result;
        });
        const responses = await Promise.all(
          flood.map(({ caller, items }) => {
            const template = caller < 2 ? { ...question, context: { token: allowed } } : question;
            const authorization = `Bearer ${caller < 2 ? `${['one', 'two'][caller]}-key` : own[caller - 2]}`;
            return items === 1
              ? remit.post('/access/v1/evaluation', template, { authorization })
              : remit.post('/access/v1/evaluations', batch(template, items), { authorization });
          }),
        );
        spy.mockRestore();
        await vi.waitFor(() => decisions.flush(), { timeout: 10_000, interval: 10 });
        for (const response of responses) {
          expect([200, 503]).toContain(response.statusCode);
          for (const { decision, context } of listDecided(response)) {
            answered += 1;
            expect((await decisions.find(context?.id ?? ''))?.record.decision).toBe(decision);
          }
        }
      },
    ),
    { numRuns: 15 },
  );
  expect(answered).toBeGreaterThan(50);
}, 120_000); // prettier-ignore

it('batches of agents without rights leave a client its turns', async () => {
  const record = remit.service.decisions.record.bind(remit.service.decisions);
  let atOnce = 0;
  let most = 0;
  // The decisions that are being recorded at one time are those that hold up each other.
  const spy = vi.spyOn(remit.service.decisions, 'record').mockImplementation(async (one) => {
    if (!one.client.startsWith('agent:')) return record(one);
    most = Math.max(most, (atOnce += 1));
    return record(one).finally(() => (atOnce -= 1));
  });
  const agents = await Promise.all(Array.from({ length: 6 }, (_, i) => token(`user-${i}`, `bot-${i}`)));
  const flood = agents.map((one) =>
    remit.post('/access/v1/evaluations', batch(question, 300), { authorization: `Bearer ${one}` }),
  );
  const client = { authorization: 'Bearer one-key' };
  const statuses: number[] = [];
  for (let i = 0; i < 20; i += 1)
    statuses.push((await remit.post('/access/v1/evaluation', { ...question, context: { token: await token('alice', 'hr-assistant') } }, client)).statusCode);
  expect(statuses).toEqual(Array(20).fill(200));
  await Promise.all(flood);
  spy.mockRestore();
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(16);
}, 120_000); // prettier-ignore

it('a batch whose caller hangs up is not decided any further', async () => {
  await remit.app.listen({ host: '127.0.0.1', port: 0 });
  const address = remit.app.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const record = remit.service.decisions.record.bind(remit.service.decisions);
  let recorded = 0;
  const controller = new AbortController();
  const spy = vi.spyOn(remit.service.decisions, 'record').mockImplementation(async (one) => {
    recorded += 1;
    if (recorded === 1) controller.abort();
    // The end of the connection has to be noticed before the batch is through.
    await new Promise((resolve) => setTimeout(resolve, 20));
    return record(one);
  });
  await fetch(`http://127.0.0.1:${port}/access/v1/evaluations`, {
    method: 'POST',
    headers: { host: `127.0.0.1:${port}`, authorization: 'Bearer two-key', 'content-type': 'application/json' },
    body: JSON.stringify(batch({ ...question, context: { token: await token('alice', 'hr-assistant') } }, 1000)),
    signal: controller.signal,
  }).catch(() => undefined);
  await vi.waitUntil(() => remit.app.health.admission.stats().inFlight === 0, { timeout: 30_000, interval: 10 });
  spy.mockRestore();
  expect(recorded).toBeLessThan(1000);
}, 60_000); // prettier-ignore
