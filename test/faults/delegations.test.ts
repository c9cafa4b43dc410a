/** What becomes of delegations when a process dies between the database and the graph. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { loadConfig } from '../../src/config/config.js';
import type { DelegationBounds } from '../../src/model/delegations.js';
import { openService, type Service } from '../../src/service/service.js';
import { serve, writeSampleConfig } from './processes.js';
import { DAYTIME, start, type Running } from '../support/sample.js';

const PAIR = { giver: { type: 'user', id: 'alice' }, agent: { type: 'agent', id: 'hr-assistant' } };
const FAR = '2090-01-01T00:00:00.000Z';
const NARROW: DelegationBounds = { ends: FAR, online: true, background: false };
const MADE = { by: 'user:alice', at: DAYTIME };

const allows = async (remit: Running, background = false): Promise<boolean> => {
  const token = await remit.mint({
    user: 'alice',
    agent: 'hr-assistant',
    scope: 'hr.employees.read hr.employees.read.background',
    background,
  });
  const body = {
    subject: { type: 'user', id: 'alice' },
    action: { name: 'read' },
    resource: { type: 'employee', id: 'erin' },
    context: { token },
  };
  let answer = await remit.evaluate(body);
  // On a busy machine a deadline may pass: that is no deny.
  while (!answer.decision && answer.context?.reasons.length === 0) answer = await remit.evaluate(body);
  return answer.decision;
};
const relationships = async ({ service }: Running): Promise<readonly (string | undefined)[]> => {
  const filter = {
    resourceType: 'agent',
    resourceId: 'hr-assistant',
    relation: 'delegator',
    subjectType: 'user',
    subjectId: 'alice',
  };
  const read = await service.activePolicies.engine.read(filter, 10, 'full');
  return read.relationships.map(({ expiresAt }) => expiresAt);
};
const settled = async ({ service }: Running): Promise<boolean> =>
  (await service.delegationStore.listUnsettled(DAYTIME, 10)).length === 0;

it('what a killed process had answered holds after the next start, and both places agree', { timeout: 300_000 }, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'remit-killed-'));
  onTestFinished(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  const [data, file] = [join(directory, 'data'), join(directory, 'remit.yaml')];
  writeSampleConfig(file, []);
  const service = await openService(loadConfig(file, { REMIT_DATA: data }));
  const mine = await service.devIssuer?.mint({ user: 'ann', ttlSeconds: 3600, now: new Date() });
  const { devKey = '' } = service;
  await service.close();
  const agents = Array.from({ length: 40 }, (_, i) => `bot-${i}`);
  const send = (url: string, authorization: string, method: string, body?: object) =>
    fetch(url, {
      method,
      headers: { authorization: `Bearer ${authorization}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  /** Sends one request for each agent, kills the process among them, and returns the agents that were answered. */
  const interrupted = async (request: (base: string, agent: string) => Promise<Response>): Promise<Set<string>> => {
    const remit = await serve(file, { data });
    const answered = new Set<string>();
    const calls = agents.map(async (agent) => {
      const response = await request(remit.url, agent).catch(() => undefined);
      if (response?.ok === true) answered.add(agent);
      if (answered.size === 8) remit.child.kill('SIGKILL');
    });
    await Promise.all(calls);
    await remit.end('SIGKILL');
    return answered;
  };
  /** The delegations by the database, and by the graph, once they agree. */
  const settle = async (): Promise<Set<string>> => {
    const remit = await serve(file, { data });
    const listed = async (): Promise<string[][]> => {
      const given = (await (await send(`${remit.url}/v1/delegations`, mine ?? '', 'GET')).json()) as { delegations: { agent: string; given_by: string }[] };
      const url = `${remit.url}/v1/relationships?resource_type=agent&relation=delegator&subject_type=user&subject_id=ann&limit=1000`;
      const read = (await (await send(url, devKey, 'GET')).json()) as { relationships: { resource: { id: string } }[] };
      return [
        given.delegations.filter((one) => one.given_by === 'user').map(({ agent }) => agent).sort(),
        read.relationships.map(({ resource }) => resource.id).sort(),
      ];
    };
    await expect.poll(async () => { const [rows, edges] = await listed(); return JSON.stringify(rows) === JSON.stringify(edges); }, { timeout: 60_000, interval: 100 }).toBe(true);
    const [rows = []] = await listed();
    await remit.end('SIGTERM');
    return new Set(rows);
  };
  const body = (agent: string) => ({ agent, ends: '2090-01-01T00:00:00Z' });
  const given = await interrupted((base, agent) => send(`${base}/v1/delegations`, mine ?? '', 'POST', body(agent)));
  const there = await settle();
  expect([...given].filter((agent) => !there.has(agent))).toEqual([]);
  expect(given.size).toBeGreaterThanOrEqual(8);
  const stopped = await interrupted((base, agent) => send(`${base}/v1/agents/${agent}/access`, mine ?? '', 'DELETE'));
  const left = await settle();
  expect([...stopped].filter((agent) => left.has(agent))).toEqual([]);
}); // prettier-ignore

describe('a process that dies between database and graph', () => {
  /** What it had done in the database, what is allowed until the next start, and what there is after it. */
  it.each<[string, (store: Service['delegationStore']) => Promise<unknown>, boolean[], boolean[], unknown[]]>([
    // The sample's relationship alone narrows nothing; the new bounds count at once.
    ['a delegation that replaces a relationship alone', (store) => store.put(PAIR, NARROW, MADE), [true, false], [true, false], ['2090-01-01T00:00:00Z']],
    ['an end', (store) => store.end(PAIR, MADE), [false, false], [false, false], []],
    ['a stop', (store) => store.end(PAIR, MADE, { bars: true }), [false, false], [false, false], []],
  ])('%s is completed, and nothing more was allowed meanwhile', async (_, write, meanwhile, after, edges) => {
    const data = mkdtempSync(join(tmpdir(), 'remit-delegations-'));
    const before = await start(undefined, data);
    expect([await allows(before), await allows(before, true)]).toEqual([true, true]);
    await write(before.service.delegationStore);
    expect([await allows(before), await allows(before, true)]).toEqual(meanwhile);
    await before.stop({ keep: true });
    const next = await start(undefined, data);
    expect([await allows(next), await allows(next, true)]).toEqual(after);
    await vi.waitUntil(() => settled(next), { timeout: 30_000, interval: 20 });
    expect(await relationships(next)).toEqual(edges);
    expect([await allows(next), await allows(next, true)]).toEqual(after);
    await next.stop();
  }); // prettier-ignore

  it('leaves a new delegation that is completed, and denied until then', async () => {
    const data = mkdtempSync(join(tmpdir(), 'remit-delegations-'));
    const before = await start(undefined, data);
    await before.remove('agent:hr-assistant#delegator@user:alice');
    await before.service.delegationStore.put(PAIR, NARROW, MADE);
    expect(await allows(before)).toBe(false);
    await before.stop({ keep: true });
    const next = await start(undefined, data);
    await vi.waitUntil(() => settled(next), { timeout: 30_000, interval: 20 });
    expect([await allows(next), await allows(next, true)]).toEqual([true, false]);
    await next.stop();
  });

  it('keeps an end in force while another process may still be giving', async () => {
    const remit = await start();
    const { delegationStore: store, delegations } = remit.service;
    // Given by a process that hasn't said that it is done, and ended by this one.
    await store.put(PAIR, NARROW, MADE);
    await delegations.end(PAIR, 'user:alice');
    expect(await store.find(PAIR)).toMatchObject({ state: 'ended', settled: false });
    await remit.touch('agent:hr-assistant#delegator@user:alice');
    expect(await allows(remit)).toBe(false);
    await delegations.sweep();
    expect(await relationships(remit)).toEqual([]);
    // A minute later nothing can come any longer.
    await remit.service.database.run([{ sql: `update delegations set others_until = now() - interval '1 second'` }]);
    await delegations.sweep();
    expect(await store.find(PAIR)).toMatchObject({ state: 'closed', settled: true });
    await remit.stop();
  });

  it('and that finds it ended while it gave it takes the relationship back', async () => {
    const remit = await start();
    const { delegationStore: store, delegations } = remit.service;
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) =>
        i % 2 === 0 ? delegations.give(PAIR, NARROW, 'user:alice') : delegations.end(PAIR, 'user:alice'),
      ),
    );
    expect(results.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(0);
    await delegations.end(PAIR, 'user:alice');
    expect(await allows(remit)).toBe(false);
    await remit.service.database.run([{ sql: `update delegations set others_until = null` }]);
    await delegations.sweep();
    expect(await store.find(PAIR)).toMatchObject({ state: 'closed', settled: true });
    expect(await relationships(remit)).toEqual([]);
    await remit.stop();
  });
});
