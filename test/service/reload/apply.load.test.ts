/** Decisions while the rules are replaced again and again: each is made by one set, which its record names. */
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, it, vi } from 'vitest';
import { join } from 'node:path';
import { PolicyReader } from '../../../src/service/reload/reader.js';
import type { PolicyCandidate } from '../../../src/service/reload/candidate.js';
import type { DecisionRecord } from '../../../src/model/decision.js';
import { Reloader } from '../../../src/service/reload/apply.js';
import { replayRecord } from '../../../src/records/replay.js';
import { assembleRules, type Rules } from '../../../src/policy/load.js';
import type { Answer } from '../../support/sample.js';
import { FREEZE, question, sample, SOON, startLive, THAW, write, type Live } from './company.js';
import { NO_APPROVER_RULES } from '../../../src/govern/approvals/eligibility.js';

const SWAPS = 50;
const CALLERS = 4;

let live: Live;
beforeAll(async () => {
  live = await startLive({ reload: { policies: 'off' } });
  return () => live.end();
});

/** Three sets: with another SpiceDB schema and allowed, denied by a policy, denied by a permission. */
async function candidates(): Promise<readonly { candidate: PolicyCandidate; allowed: boolean }[]> {
  const paths = {
    approverRules: NO_APPROVER_RULES,
    sources: live.remit.service.config.sources,
    world: join(live.directory, 'acme.yaml'),
  };
  const reader = new PolicyReader(paths, 60_000, 'required');
  const zed = sample('schema/acme.zed');
  const narrow = zed.replace('permission view = manage', 'permission view = compensation_viewer');
  const read = async (policy: string, schema: string, allowed: boolean) => {
    write(live, 'policies/freeze.cedar', policy);
    write(live, 'schema/acme.zed', schema);
    return { candidate: await reader.now(), allowed };
  };
  try {
    return [await read(THAW, zed, true), await read(FREEZE, zed, false), await read(THAW, narrow, false)];
  } finally {
    await reader.close();
  }
}

function rulesOf({ content: fitting }: PolicyCandidate): Rules {
  if ('refused' in fitting) throw new TypeError(fitting.refused);
  return assembleRules(fitting.sources, fitting.policies);
}

it('while they are swapped again and again no request fails, and every decision is the one that its version makes', async () => {
  const { remit } = live;
  const sets = await candidates();
  const byVersion = new Map(sets.map(({ candidate, allowed }) => [candidate.version, { allowed, rules: rulesOf(candidate) }]));
  expect(byVersion.size).toBe(3);
  const reloading = new Reloader(remit.service, [], (line) => live.said.push(line), []);
  const take = (candidate: PolicyCandidate) => reloading.reloadConfig(() => remit.service.config, () => Promise.resolve(candidate));
  await take((sets[0] as (typeof sets)[number]).candidate);

  let swap = 0;
  let over = false;
  const answered: { id: string; decision: boolean; swap: number }[] = [];
  const found: { length: number; swap: number }[] = [];
  const statuses = new Set<number>();
  const asking = async (url: string, body: object, read: (json: unknown, swap: number) => void): Promise<void> => {
    while (!over) {
      const begun = swap;
      const response = await remit.post(url, body);
      statuses.add(response.statusCode);
      read(response.json(), begun);
      // However fast the machine is, all of them together stay below the client's rate.
      await sleep(20);
    }
  };
  const callers = Array.from({ length: CALLERS }, (_, i) => [
    // Each asks with something else, so that not everything is kept.
    asking('/access/v1/evaluation', { ...question, context: { ...question.context, n: i } }, (json, begun) => {
      const { context, decision } = json as Answer;
      answered.push({ id: context?.id ?? '', decision, swap: begun });
    }),
    asking('/access/v1/search/resource', { ...question, resource: { type: 'employee' } }, (json, begun) => {
      found.push({ length: (json as { results: unknown[] }).results.length, swap: begun });
    }),
  ]).flat();
  while (swap < SWAPS) {
    const { candidate } = sets[(swap + 1) % sets.length] as (typeof sets)[number];
    await take(candidate);
    swap += 1;
    expect(remit.service.activePolicies.rules.version).toBe(candidate.version);
    // Of each kind one is begun and ended by each set.
    await vi.waitUntil(() => answered.at(-1)?.swap === swap && found.some((list) => list.swap === swap), SOON);
  }
  over = true;
  await Promise.all(callers);

  expect([...statuses]).toEqual([200]);
  // A list is all of one set, too: everybody whom alice manages, or nobody.
  expect([...new Set(found.map(({ length }) => length))].sort()).toEqual([0, expect.any(Number)]);
  const made = new Set<string>();
  for (const { id, decision } of answered) {
    const record = (await remit.service.decisions.find(id))?.record as DecisionRecord;
    const by = byVersion.get(record.policy_version);
    made.add(record.policy_version);
    expect([by?.allowed, by && replayRecord(record, by.rules).kind]).toEqual([decision, 'same']);
  }
  expect(made.size).toBe(3);
  expect(remit.service.activePolicies.counts.taken).toBe(SWAPS + 1);
}, 600_000); // prettier-ignore

it('a write that is answered holds for the next decision, whichever engine was in force when it was asked', async () => {
  const { remit } = live;
  const [open, , narrow] = await candidates();
  const reloading = new Reloader(remit.service, [], () => undefined, []);
  const take = (candidate: PolicyCandidate) =>
    reloading.reloadConfig(
      () => remit.service.config,
      () => Promise.resolve(candidate),
    );
  const who = { ...question, subject: { type: 'user', id: 'stranger' } };
  const decided = async () => (await remit.evaluate(who)).decision;
  await take((open as { candidate: PolicyCandidate }).candidate);
  for (let i = 0; i < 5; i += 1) {
    // While another engine comes, one write is under way and another is asked for.
    const swap = take((i % 2 === 0 ? narrow : open)?.candidate as PolicyCandidate);
    await remit.touch('employee:erin#manager@user:stranger', 'employee:erin#compensation_viewer@user:stranger');
    expect(await decided()).toBe(true);
    await swap;
    expect(await decided()).toBe(true);
    const back = take((i % 2 === 0 ? open : narrow)?.candidate as PolicyCandidate);
    await remit.remove('employee:erin#manager@user:stranger', 'employee:erin#compensation_viewer@user:stranger');
    expect(await decided()).toBe(false);
    await back;
    expect(await decided()).toBe(false);
  }
});

it('what the watch read before the signal, and has checked only after it, is not taken in place of what the operator signalled', async () => {
  const { remit } = live;
  const [thawed, frozen] = await candidates();
  const reloading = new Reloader(remit.service, [], () => undefined, []);
  const { candidate: late } = frozen as { candidate: PolicyCandidate };
  const signalled = { ...(thawed as { candidate: PolicyCandidate }).candidate, readAt: late.readAt + 1n };
  await reloading.reloadConfig(() => remit.service.config, () => Promise.resolve(signalled)); // prettier-ignore
  expect(await reloading.reloadPolicies(late)).toBe(false);
  expect(remit.service.activePolicies.rules.version).toBe(signalled.version);
  // Read after the signal, the same files are newer.
  expect(await reloading.reloadPolicies({ ...late, readAt: signalled.readAt + 1n })).toBe(true);
  expect(remit.service.activePolicies.rules.version).toBe(signalled.version);
  expect(remit.service.activePolicies.refusal?.reason).toContain('forbid "freeze" is changed');
});
