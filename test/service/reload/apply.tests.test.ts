/** A set of policies and the tests beside it: it is taken where they pass, at a start too, and restrictions go at the signal alone. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { samples } from '../../support/prometheus-text.js';
import {
  approve,
  ask,
  FREEZE,
  hears,
  restore,
  sample,
  SOON,
  startLive,
  write,
  writeCompany,
  type Live,
} from './company.js';

/** Says that alice may read erin, and nothing else. */
const SUITE = (effect: string): string => `world: ../acme.yaml
now: "2030-03-04T10:00:00Z"
tests:
  - name: alice reads
    who: user:alice
    actions: read
    resources: employee:erin
    expect: ${effect}
`;
const SUSPENDED_AGENTS = sample('policies/agents.cedar');
let live: Live;
let first: string;
const policy = (name: string): string => join(live.directory, 'policies', name);
const version = (): string => live.remit.service.activePolicies.rules.version;
const refusal = (): string | undefined => live.remit.service.activePolicies.refusal?.reason;
const isTold = async (reason: RegExp): Promise<void> => {
  const ready = (await live.remit.request('GET', '/health/ready')).json<{ status: string; policies_refused?: { reason: string } }>();
  expect([ready.status, ready.policies_refused?.reason]).toEqual(['ready', expect.stringMatching(reason)]);
  const outdated = samples((await live.remit.request('GET', '/metrics')).body).find(({ name }) => name === 'remit_policy_outdated');
  expect(outdated?.value).toBe(1);
}; // prettier-ignore

beforeAll(async () => {
  live = await startLive();
  first = version();
  return () => live.end();
});
beforeEach(() => {
  live.said.length = 0;
});
afterEach(async () => {
  restore(live);
  approve();
  await expect.poll(() => [version(), refusal()], SOON).toEqual([first, undefined]);
});

describe('a set whose tests fail', () => {
  beforeEach(async () => {
    writeFileSync(policy('alice_test.yaml'), SUITE('allow'));
    write(live, 'policies/freeze.cedar', FREEZE);
    await hears(live, /not taken.*alice_test\.yaml:8: alice reads › .*decision: expected allow, got deny/);
  });

  it('is not taken by the watch, and by no signal either', async () => {
    await isTold(/alice_test\.yaml:8: /);
    // The watch says it once. Each signal is answered, also where nothing has changed since.
    for (const _signal of [1, 2]) {
      live.said.length = 0;
      approve();
      await hears(live, /has been read again/);
      expect(live.said.filter((line) => /not taken.*alice_test\.yaml:8: /.test(line))).toHaveLength(1);
    }
    expect([version(), (await ask(live)).decision]).toEqual([first, true]);
    const told = (await live.remit.request('GET', '/v1/policies')).json<{
      refused: { findings: { rule: string }[] };
    }>();
    expect(told.refused.findings.map(({ rule }) => rule)).toContain('test-failed');
  });

  it('is taken once its tests say what it does', async () => {
    write(live, 'policies/alice_test.yaml', SUITE('deny'));
    await hears(live, /^policies taken/);
    expect((await ask(live)).decision).toBe(false);
  });
});

describe('a file that is gone, and something else fails for it', () => {
  it('is named by the watch and at each signal, also where its tests fail first', async () => {
    writeFileSync(policy('alice_test.yaml'), SUITE('allow'));
    write(live, 'policies/other.cedar', FREEZE.replace('forbid', 'permit').replace('resource)', 'resource == HR::Employee::"nobody")')); // prettier-ignore
    await hears(live, /^policies taken/);
    rmSync(policy('hr.cedar'));
    const why =
      /not taken.*alice_test\.yaml:8: .*; gone since the policies in force were read: \S*policies\/hr\.cedar$/;
    await hears(live, why);
    live.said.length = 0;
    approve();
    await hears(live, why);
    await isTold(/gone since .*hr\.cedar/);
  });

  it('is named where no file is left, and where another can not be read', async () => {
    write(live, 'policies/hr.cedar', '');
    rmSync(policy('agents.cedar'));
    await hears(live, /not taken.*hr\.cedar.* is empty.*; gone since .*: \S*policies\/agents\.cedar$/);
    for (const name of ['hr.cedar', 'code.cedar', 'office.cedar']) rmSync(policy(name));
    await hears(
      live,
      /not taken.*no \*\.cedar file here; gone since .*: (\S*policies\/(agents|code|hr|office)\.cedar(; )?){4}$/,
    );
  });
});

it('a suite that can not be read refuses the set, and its line is named', async () => {
  writeFileSync(policy('alice_test.yaml'), SUITE('allow').replace('action', 'actoin'));
  write(live, 'policies/freeze.cedar', FREEZE);
  await hears(live, /not taken.*alice_test\.yaml:\d+/);
  live.said.length = 0;
  approve();
  await hears(live, /not taken.*alice_test\.yaml:\d+/);
  expect(version()).toBe(first);
});

describe('what gives up a restriction', () => {
  it.each<[string, () => void, RegExp]>([
    ['a forbid that is gone', () => write(live, 'policies/agents.cedar', '// lost in a merge\n@id("nothing")\npermit (principal, action, resource == HR::Employee::"nobody");\n'), /forbid "[\w-]+" is gone/],
    ['a file that is gone', () => rmSync(policy('agents.cedar')), /agents\.cedar is gone, with its policies; forbid/],
    ['a forbid that became a permit', () => write(live, 'policies/agents.cedar', SUSPENDED_AGENTS.replace('forbid', 'permit')), /forbid "[\w-]+" is a permit now/],
    ['a forbid that is narrower', () => write(live, 'policies/agents.cedar', SUSPENDED_AGENTS.replace('principal.suspended', 'principal.suspended && principal.kind == "none"')), /forbid "[\w-]+" is changed/],
  ])('%s stays in force until the signal', async (_what, change, why) => {
    change();
    await hears(live, /only SIGHUP takes/);
    await isTold(why);
    expect([version(), (await ask(live)).decision]).toEqual([first, true]);
    approve();
    await hears(live, /^policies taken/);
    expect(await hears(live, /^given up at the operator's signal/)).toMatch(why);
    expect(version()).not.toBe(first);
  }); // prettier-ignore

  it('is its tests as well', async () => {
    writeFileSync(policy('alice_test.yaml'), SUITE('allow'));
    // Nothing is said of tests that pass, so another change shows that they were read.
    write(live, 'policies/other.cedar', FREEZE.replace('forbid', 'permit').replace('resource)', 'resource == HR::Employee::"nobody")')); // prettier-ignore
    await hears(live, /^policies taken/);
    rmSync(policy('alice_test.yaml'));
    await hears(live, /only SIGHUP takes.*the tests in .*alice_test\.yaml are gone/);
    live.said.length = 0;
    approve();
    await hears(live, /in force again/);
  });

  it('a file that is only renamed needs no signal', async () => {
    cpSync(policy(''), join(live.directory, 'renamed'), { recursive: true });
    write(live, 'renamed/all-agents.cedar', SUSPENDED_AGENTS);
    rmSync(join(live.directory, 'renamed/agents.cedar'));
    rmSync(policy(''), { recursive: true });
    cpSync(join(live.directory, 'renamed'), policy(''), { recursive: true });
    await expect.poll(() => live.remit.service.activePolicies.rules.sources.policies.map(({ name }) => name).join(), SOON).toContain('all-agents.cedar'); // prettier-ignore
    expect(refusal()).toBeUndefined();
  });
});

describe('a start', () => {
  const main = fileURLToPath(new URL('../../../dist/main.js', import.meta.url));
  const startWith = (change: (policies: string) => void, over: object = {}) => {
    const { directory, file } = writeCompany(over);
    try {
      change(join(directory, 'policies'));
      const data = mkdtempSync(join(tmpdir(), 'remit-data-'));
      const ran = spawnSync(process.execPath, [main, 'serve', '--json', '--config', file], {
        env: { ...process.env, REMIT_DATA: data, REMIT_PORT: '0' },
        encoding: 'utf8',
        timeout: 60_000,
        killSignal: 'SIGKILL',
        // What it prints on standard output is that it listens: the pipe then ends it.
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      rmSync(data, { recursive: true, force: true });
      return { status: ran.status, text: ran.stderr };
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  };

  it.each<[string, (policies: string) => void, RegExp]>([
    ['with a test that fails', (policies) => writeFileSync(join(policies, 'alice_test.yaml'), SUITE('deny')), /the policies are not taken: .*alice_test\.yaml:8: alice reads › .*expected deny, got allow/],
    ['with no policy file', (policies) => { for (const name of ['agents', 'code', 'hr', 'office']) rmSync(join(policies, `${name}.cedar`)); }, /policies: there is no \*\.cedar file here/],
    ['with an empty file', (policies) => writeFileSync(join(policies, 'hr.cedar'), ' \n'), /hr\.cedar: is empty: write its policies, or remove it/],
    ['with nothing but comments', (policies) => { for (const name of ['agents', 'code', 'hr', 'office']) writeFileSync(join(policies, `${name}.cedar`), '// later\n'); }, /agents\.cedar:1: neither this file nor any other has a policy/],
  ])('%s is refused', (_what, change, why) => {
    const { status, text } = startWith(change);
    expect([status, text]).toEqual([2, expect.stringMatching(why)]);
  }); // prettier-ignore
});
