/** What becomes of delegations when a process dies between the database and the graph. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { DelegationBounds } from '../../src/model/delegations.js';
import type { Service } from '../../src/service/service.js';
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
  const answer = await remit.evaluate({
    subject: { type: 'user', id: 'alice' },
    action: { name: 'read' },
    resource: { type: 'employee', id: 'erin' },
    context: { token },
  });
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
    expect(await store.find(PAIR)).toBeUndefined();
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
    expect([await store.find(PAIR), await relationships(remit)]).toEqual([undefined, []]);
    await remit.stop();
  });
});
