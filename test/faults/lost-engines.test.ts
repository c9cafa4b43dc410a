/** A service whose embedded engine is lost, however that happens: it ends, says why, and the next one has everything that was acknowledged. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, expect, it, vi } from 'vitest';
import { clientNamed } from '../support/sample.js';
import { Caller, serve, writeSampleConfig, type Remit } from './processes.js';
import { collectCleanups } from '../support/cleanups.js';

const BACK = { timeout: 60_000, interval: 20 };
const directory = mkdtempSync(join(tmpdir(), 'remit-lost-'));
const data = join(directory, 'data');
const config = join(directory, 'remit.yaml');
const preload = join(directory, 'preload.mjs');
const running: Remit[] = [];
let caller: Caller;

/**
 * Does to an engine's thread, in the running service and at the signal, what its name says. The code is loaded before
 * Remit's, into the process and into its threads.
 */
const PRELOAD = `
import threads from 'node:worker_threads';
import { existsSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
const [engine, what] = process.env.LOSS.split(' ');
const isIt = (file) => String(file).endsWith(engine);
if (threads.isMainThread) {
  threads.Worker = class extends threads.Worker {
    constructor(file, options) {
      super(file, isIt(file) ? { ...options, resourceLimits: { maxOldGenerationSizeMb: 128 } } : options);
      if (isIt(file) && what === 'terminate') process.once('SIGUSR2', () => void this.terminate());
    }
  };
  syncBuiltinESMExports();
} else if (isIt(process.argv[1])) {
  const isTold = () => existsSync(process.env.LOSS_FILE);
  const fill = () => { const all = []; for (;;) all.push(Array.from({ length: 1e6 }, (_, i) => ({ i }))); };
  const doIt = { throw: () => { throw new RangeError('a bug in the thread'); }, fill }[what];
  if (doIt !== undefined) setInterval(() => { if (isTold()) doIt(); }, 20).unref();
}
`;

const onSuiteFinished = collectCleanups();
onSuiteFinished(() => rmSync(directory, { recursive: true, force: true }));
beforeAll(() => {
  writeFileSync(preload, PRELOAD);
  writeSampleConfig(config, [{ ...clientNamed('ops', 'remit', 'admin'), rate: 100_000 }]);
  caller = new Caller('ops-key');
  onSuiteFinished(() => caller.close());
});
afterEach(() => {
  for (const { child } of running.splice(0)) child.kill('SIGKILL');
});

const open = async (node: readonly string[] = []): Promise<Remit> => {
  const remit = await serve(config, { data, node });
  running.push(remit);
  return remit;
};
const relationshipOf = (name: string): string => `employee:erin#manager@user:${name}`;

it.each<[string, string, RegExp]>([
  ['pglite-worker.js', 'terminate', /the embedded database was lost.*thread ended/],
  ['pglite-worker.js', 'throw', /the embedded database was lost.*a bug in the thread/],
  ['pglite-worker.js', 'fill', /the embedded database was lost.*memory/],
  ['embedded/worker.js', 'terminate', /the embedded SpiceDB was lost.*thread ended/],
  ['embedded/worker.js', 'throw', /the embedded SpiceDB was lost.*a bug in the thread/],
  ['embedded/worker.js', 'fill', /the embedded SpiceDB was lost.*memory/],
])('%s: %s', { timeout: 300_000 }, async (engine, what, message) => {
  const told = join(directory, 'told');
  rmSync(told, { force: true });
  rmSync(data, { recursive: true, force: true });
  process.env['LOSS'] = `${engine} ${what}`;
  process.env['LOSS_FILE'] = told;
  const remit = await open(['--import', preload]);
  const ended = new Promise<number | null>((resolve) => remit.child.once('exit', resolve));
  const acknowledged: string[] = [];
  const writing = (async () => {
    for (let i = 0; ; i += 1) {
      const relationship = relationshipOf(`${what}-${i}`);
      const body = { updates: [{ operation: 'touch', relationship }] };
      const { status } = await caller.call('POST', `${remit.url}/v1/relationships`, body);
      if (status === 200) acknowledged.push(relationship);
    }
  })().catch(() => undefined);
  await vi.waitUntil(() => acknowledged.length > 5, BACK);
  if (what === 'terminate') remit.child.kill('SIGUSR2');
  else writeFileSync(told, '');
  expect(await ended).toBe(1);
  await writing;
  expect(remit.log()).toMatch(message);
  expect(remit.log()).toContain('"event":"engine_lost"');
  const next = await open();
  const { body } = await caller.call('GET', `${next.url}/v1/relationships?resource_type=employee&resource_id=erin&limit=1000`);
  const { relationships } = body as unknown as { relationships: { relationship: string }[] };
  expect(relationships.map((listed) => listed.relationship)).toEqual(expect.arrayContaining(acknowledged));
}); // prettier-ignore
