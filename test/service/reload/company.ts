/** The sample company in a directory of its own, whose files may change under the running service. */
import { cpSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { stringify } from 'yaml';
import { startReloading } from '../../../src/service/reload/start-reloading.js';
import { loadConfig } from '../../../src/config/config.js';
import { start, type Answer, type Running } from '../../support/sample.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
/** On a machine that is busy, a thread and what it reads take their time. */
export const SOON = { timeout: 90_000, interval: 25 };

export interface Live {
  readonly directory: string;
  readonly file: string;
  readonly remit: Running;
  /** Lines for the operator since the last {@link forget}. */
  readonly said: string[];
  readonly end: () => Promise<void>;
}

/**
 * Schemas, policies, world and a configuration. The tests beside the policies are left out: they would refuse what these
 * tests put in force.
 * @param over of the configuration
 */
export function writeCompany(over: object = {}): { readonly directory: string; readonly file: string } {
  const directory = mkdtempSync(join(tmpdir(), 'remit-live-'));
  cpSync(join(root, 'schema'), join(directory, 'schema'), { recursive: true });
  copyPolicies(join(directory, 'policies'));
  cpSync(join(root, 'fixtures/acme.yaml'), join(directory, 'acme.yaml'));
  const file = join(directory, 'remit.yaml');
  writeFileSync(
    file,
    stringify({
      listen: { port: 0 },
      schema: { relationships: 'schema/acme.zed', actions: 'schema/acme.cedarschema' },
      policies: 'policies',
      world: 'acme.yaml',
      data: 'data',
      limits: { deadline_ms: 60_000, agent_rate: 100_000 },
      reload: { poll_ms: 500 },
      ...over,
    }),
  );
  return { directory, file };
}

function copyPolicies(to: string): void {
  cpSync(join(root, 'policies'), to, { recursive: true, filter: (path) => !path.endsWith('_test.yaml') });
}

export async function startLive(over: object = {}): Promise<Live> {
  const { directory, file } = writeCompany(over);
  const said: string[] = [];
  const remit = await start(file, join(directory, 'data'));
  const read = () => loadConfig(file, { REMIT_DATA: join(directory, 'data') });
  const unwatch = startReloading(remit.service, [], read, (line) => said.push(line));
  return {
    directory,
    file,
    remit,
    said,
    end: async () => {
      await unwatch();
      await remit.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Denies everything to everybody: the one policy that any decision shows. */
export const FREEZE = '@id("freeze")\n@title("Nothing is done.")\nforbid (principal, action, resource);\n';
/** The same name, and denies nothing that anybody asks. */
export const THAW = '@id("freeze")\n@title("Nothing is done.")\nforbid (principal, action, resource) when { resource == HR::Employee::"nobody" };\n'; // prettier-ignore

export const question = {
  subject: { type: 'user', id: 'alice' },
  action: { name: 'read' },
  resource: { type: 'employee', id: 'erin' },
  context: { mode: 'human' },
};

export function ask({ remit }: Pick<Live, 'remit'>): Promise<Answer> {
  return remit.evaluate(question);
}

/** The operator's signal, without which nothing is taken that gives up a restriction. */
export function approve(): void {
  process.emit('SIGHUP', 'SIGHUP');
}

/** Whether the question is allowed, again and again until it is as expected. */
export async function becomes(live: Live, allowed: boolean): Promise<void> {
  await expect.poll(async () => (await ask(live)).decision, SOON).toBe(allowed);
}

/** The line that says so, as soon as there is one. */
export async function hears(live: Live, what: RegExp): Promise<string> {
  await expect.poll(() => live.said.find((line) => what.test(line)) ?? live.said.join('\n'), SOON).toMatch(what);
  return live.said.find((line) => what.test(line)) ?? '';
}

/** Another directory in the place of the policies', at once: what is done file by file may be seen half done. */
export function replaceBy({ directory }: Pick<Live, 'directory'>, other: string): void {
  const policies = join(directory, 'policies');
  const old = mkdtempSync(join(directory, 'old-'));
  if (existsSync(policies)) renameSync(policies, join(old, 'policies'));
  renameSync(join(directory, other), policies);
}

/** Policies and schemas as they were to begin with. */
export function restore(live: Pick<Live, 'directory'>): void {
  const { directory } = live;
  copyPolicies(join(directory, 'again'));
  replaceBy(live, 'again');
  for (const name of ['acme.zed', 'acme.cedarschema']) write(live, `schema/${name}`, sample(`schema/${name}`));
}

/** A file in one step, by its path in the company's directory. */
export function write({ directory }: Pick<Live, 'directory'>, path: string, text: string): void {
  writeFileSync(join(directory, 'new'), text);
  renameSync(join(directory, 'new'), join(directory, path));
}

/** The sample's own text of a file. */
export function sample(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}
