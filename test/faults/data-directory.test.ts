/** Two processes and one data directory: a paused one keeps it, a killed one leaves it, and nothing that was acknowledged is lost. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { parse, stringify } from 'yaml';
import { clientNamed, SAMPLE } from '../support/sample.js';
import { Caller, serve, type Remit } from './processes.js';

const BACK = { timeout: 60_000, interval: 20 };
const directory = mkdtempSync(join(tmpdir(), 'remit-two-'));
const data = join(directory, 'data');
const file = join(directory, 'remit.yaml');
const running: Remit[] = [];
let caller: Caller;

beforeAll(() => {
  const sample = parse(readFileSync(SAMPLE, 'utf8')) as { schema: Record<string, string>; policies: string };
  const at = (path: string): string => join(SAMPLE, '..', path);
  writeFileSync(
    file,
    stringify({
      listen: { port: 0 },
      schema: { relationships: at(sample.schema['relationships'] ?? ''), actions: at(sample.schema['actions'] ?? '') },
      policies: at(sample.policies),
      reload: { policies: 'off', tests: 'skipped' },
      clients: [clientNamed('ops', 'remit', 'admin')],
    }),
  );
  caller = new Caller('ops-key');
});
afterEach(() => {
  for (const { child } of running.splice(0)) child.kill('SIGKILL');
});
afterAll(() => {
  caller.close();
  rmSync(directory, { recursive: true, force: true });
});

const open = async (): Promise<Remit> => {
  const remit = await serve(file, { data });
  running.push(remit);
  return remit;
};
const manager = (name: string): string => `employee:erin#manager@user:${name}`;
/** Writes relationships, one after another, until it is told to stop or fails. */
const write = (remit: Remit, prefix: string) => {
  const acknowledged: string[] = [];
  const state = { isOver: false };
  const done = (async () => {
    for (let i = 0; !state.isOver; i += 1) {
      const relationship = manager(`${prefix}-${i}`);
      const body = { updates: [{ operation: 'touch', relationship }] };
      const { status } = await caller.call('POST', `${remit.url}/v1/relationships`, body);
      if (status === 200) acknowledged.push(relationship);
      await sleep(5);
    }
  })().catch(() => undefined);
  return { acknowledged, stop: async () => { state.isOver = true; await done; } }; // prettier-ignore
};
const stored = async (remit: Remit): Promise<readonly string[]> => {
  const { body } = await caller.call('GET', `${remit.url}/v1/relationships?resource_type=employee&resource_id=erin&limit=1000`);
  return (body as unknown as { relationships: { relationship: string }[] }).relationships.map((r) => r.relationship);
}; // prettier-ignore

it('a killed process leaves the directory at once, with everything that it acknowledged', { timeout: 300_000 }, async () => {
  const first = await open();
  const writing = write(first, 'killed');
  await vi.waitUntil(() => writing.acknowledged.length > 5, BACK);
  await first.end('SIGKILL');
  await writing.stop();
  expect(await stored(await open())).toEqual(expect.arrayContaining(writing.acknowledged));
}); // prettier-ignore

it('a paused process keeps it, and goes on as the one that has it', { timeout: 300_000 }, async () => {
  const first = await open();
  const writing = write(first, 'paused');
  await vi.waitUntil(() => writing.acknowledged.length > 5, BACK);
  first.child.kill('SIGSTOP');
  await expect(open()).rejects.toThrow(`in use by process ${first.child.pid ?? 0}`);
  first.child.kill('SIGCONT');
  const before = writing.acknowledged.length;
  await vi.waitUntil(() => writing.acknowledged.length > before + 5, BACK);
  await writing.stop();
  expect(await stored(first)).toEqual(expect.arrayContaining(writing.acknowledged));
});

it('a paused process whose lock was removed ends without another answer, and the next one has all that either acknowledged', { timeout: 300_000 }, async () => {
  const first = await open();
  const writing = write(first, 'lost');
  await vi.waitUntil(() => writing.acknowledged.length > 5, BACK);
  first.child.kill('SIGSTOP');
  const acknowledged = [...writing.acknowledged];
  rmSync(join(data, 'lock'));
  const second = await open();
  const after = write(second, 'next');
  await vi.waitUntil(() => after.acknowledged.length > 5, BACK);
  const { code } = await first.end('SIGCONT');
  await writing.stop();
  await after.stop();
  expect([code, first.log()]).toEqual([2, expect.stringContaining('the lock of the data directory was lost')]);
  // An answer that was sent before the pause may arrive after it.
  expect(writing.acknowledged.length).toBeLessThanOrEqual(acknowledged.length + 1);
  const all = [...writing.acknowledged, ...after.acknowledged];
  expect(await stored(second)).toEqual(expect.arrayContaining(all));
  await second.end('SIGKILL');
  expect(await stored(await open())).toEqual(expect.arrayContaining(all));
}); // prettier-ignore
