/** Two processes and one data directory: a paused one keeps it, a killed one leaves it, and nothing that was acknowledged is lost. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, expect, it, vi } from 'vitest';
import { clientNamed } from '../support/sample.js';
import { Caller, serve, writeSampleConfig, type Remit } from './processes.js';
import { collectCleanups } from '../support/cleanups.js';

const BACK = { timeout: 60_000, interval: 20 };
const directory = mkdtempSync(join(tmpdir(), 'remit-two-'));
const data = join(directory, 'data');
const config = join(directory, 'remit.yaml');
const root = fileURLToPath(new URL('../..', import.meta.url));
const running: Remit[] = [];
let caller: Caller;

const onSuiteFinished = collectCleanups();
onSuiteFinished(() => rmSync(directory, { recursive: true, force: true }));
beforeAll(() => {
  writeSampleConfig(config, [clientNamed('ops', 'remit', 'admin')]);
  caller = new Caller('ops-key');
  onSuiteFinished(() => caller.close());
});
afterEach(() => {
  for (const { child } of running.splice(0)) child.kill('SIGKILL');
});

const open = async (): Promise<Remit> => {
  const remit = await serve(config, { data });
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

it('a paused process whose lock was removed keeps the directory until it has ended, without another answer, and the next one has all that it acknowledged', { timeout: 300_000 }, async () => {
  for (let round = 0; round < 3; round += 1) {
    const first = await open();
    const writing = write(first, `lost-${round}`);
    await vi.waitUntil(() => writing.acknowledged.length > 5, BACK);
    // It stops wherever it is, in the middle of a write to its files, too, which it ends when it goes on.
    first.child.kill('SIGSTOP');
    const acknowledged = writing.acknowledged.length;
    rmSync(join(data, 'lock'));
    await expect(open()).rejects.toThrow('the data directory is in use by another process');
    const { code } = await first.end('SIGCONT');
    await writing.stop();
    expect([code, first.log()]).toEqual([2, expect.stringContaining('the lock of the data directory was lost')]);
    // An answer that was sent before the pause may arrive after it.
    expect(writing.acknowledged.length).toBeLessThanOrEqual(acknowledged + 1);
    const second = await open();
    expect(await stored(second)).toEqual(expect.arrayContaining(writing.acknowledged));
    await second.end('SIGKILL');
  }
}); // prettier-ignore

it('a process killed at any moment of the first start leaves a directory on which the next one starts', { timeout: 600_000 }, async () => {
  const fresh = join(directory, 'fresh');
  const draft = join(fresh, 'database.draft');
  // PGlite takes the second for the sign of a whole database. One that is whole by the time it is looked for is killed a moment later.
  for (const file of ['', 'PG_VERSION', 'global/pg_control']) {
    rmSync(fresh, { recursive: true, force: true });
    const starting = spawn(process.execPath, [join(root, 'dist/main.js'), 'serve', '--config', config], {
      cwd: root,
      env: { ...process.env, REMIT_DATA: fresh },
      stdio: 'ignore',
    });
    const ended = new Promise((resolve) => starting.once('exit', resolve));
    await vi.waitUntil(() => existsSync(join(draft, file)) || existsSync(join(fresh, 'database')), { timeout: 120_000, interval: 0 });
    starting.kill('SIGKILL');
    await ended;
    const remit = await serve(config, { data: fresh });
    running.push(remit);
    expect(await stored(remit)).toEqual([]);
    await remit.end('SIGKILL');
    expect(existsSync(draft)).toBe(false);
  }
}); // prettier-ignore
