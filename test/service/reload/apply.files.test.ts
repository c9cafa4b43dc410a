/** Policies that change under a running service: what is valid is taken, and of everything else nothing. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { samples } from '../../support/prometheus-text.js';
import {
  approve,
  ask,
  becomes,
  FREEZE,
  hears,
  replaceBy,
  restore,
  SOON,
  startLive,
  THAW,
  type Live,
} from './company.js';

let live: Live;
let first: string;
const policy = (name: string): string => join(live.directory, 'policies', name);
const version = (): string => live.remit.service.activePolicies.rules.version;
interface Told {
  readonly version: string;
  readonly loaded_at: string;
  readonly reload: string;
  readonly files: readonly { file: string; kind: string; sha256: string }[];
  readonly policies: readonly Record<string, unknown>[];
  readonly refused?: { reason: string; version?: string; findings: readonly Record<string, unknown>[] };
}
const told = async (query = ''): Promise<Told> => (await live.remit.request('GET', `/v1/policies${query}`)).json();
const metric = async (name: string, labels: Record<string, string> = {}): Promise<number | undefined> =>
  samples((await live.remit.request('GET', '/metrics')).body).find((s) => s.name === name && Object.entries(labels).every(([k, v]) => s.labels[k] === v))?.value; // prettier-ignore

beforeAll(async () => {
  live = await startLive();
  first = version();
  return () => live.end();
});
beforeEach(() => {
  live.said.length = 0;
});
/** Back to what was, so that each test begins the same. */
afterEach(async () => {
  restore(live);
  approve();
  await expect.poll(() => [version(), live.remit.service.activePolicies.refusal], SOON).toEqual([first, undefined]);
});

describe('a change', () => {
  it('holds for the next decisions, and each names the version that made it', async () => {
    const before = await ask(live);
    writeFileSync(policy('freeze.cedar'), FREEZE);
    await becomes(live, false);
    const after = await ask(live);
    expect(after.context?.reasons[0]).toMatchObject({ code: 'policy_forbid', policies: ['freeze'] });
    const versions = [];
    for (const { context } of [before, after])
      versions.push((await live.remit.service.decisions.find(context?.id ?? ''))?.record.policy_version);
    expect(versions).toEqual([first, version()]);
    expect(await hears(live, /^policies taken/)).toContain(`version ${version()}`);
    writeFileSync(policy('freeze.cedar'), THAW);
    approve();
    await becomes(live, true);
  });

  it('is told to admins: version, files with their hashes, policies with their annotations and places', async () => {
    writeFileSync(policy('freeze.cedar'), FREEZE);
    await becomes(live, false);
    const { service } = live.remit;
    const read = await told();
    expect(read).toMatchObject({ version: version(), loaded_at: service.activePolicies.since.toISOString(), reload: 'watch' });
    expect(read.refused).toBeUndefined();
    expect(read.files.map(({ kind }) => kind)).toEqual(['relationships', 'actions', ...Array.from({ length: 5 }, () => 'policies')]);
    const [hash] = execFileSync('sha256sum', [policy('freeze.cedar')], { encoding: 'utf8' }).split(' ');
    expect(read.files.find(({ file }) => file.endsWith('freeze.cedar'))?.sha256).toBe(hash);
    expect(read.policies.find(({ id }) => id === 'freeze')).toEqual({
      id: 'freeze',
      title: 'Nothing is done.',
      kind: 'forbid',
      source: expect.stringMatching(/policies\/freeze\.cedar:1$/) as string,
      annotations: { id: 'freeze', title: 'Nothing is done.' },
    });
    expect(read.policies.some(({ kind }) => kind === 'duty')).toBe(true);
    const withText = await told('?text=true');
    expect(withText.policies.find(({ id }) => id === 'freeze')?.['text']).toBe(FREEZE.trim());
    expect((await live.remit.request('GET', '/v1/policies?text=maybe')).statusCode).toBe(400);
    const stranger = await live.remit.app.inject({ url: '/v1/policies', headers: { host: `127.0.0.1:${service.config.port}` } });
    expect(stranger.statusCode).toBe(401);
  }); // prettier-ignore

  it('comes by a rename, as editors save, and by a link that is swapped, as Kubernetes mounts', async () => {
    writeFileSync(policy('new.tmp'), FREEZE);
    renameSync(policy('new.tmp'), policy('freeze.cedar'));
    await becomes(live, false);
    rmSync(policy('freeze.cedar'));
    approve();
    await becomes(live, true);

    // A volume of a ConfigMap: the files are links into the directory that one link names.
    for (const [name, text] of [['..first', THAW], ['..second', FREEZE]] as const) {
      mkdirSync(policy(name));
      for (const file of ['agents.cedar', 'code.cedar', 'hr.cedar']) cpSync(policy(file), policy(`${name}/${file}`));
      writeFileSync(policy(`${name}/freeze.cedar`), text);
    }
    for (const file of ['agents.cedar', 'code.cedar', 'hr.cedar']) rmSync(policy(file));
    symlinkSync('..first', policy('..data'));
    for (const file of ['agents.cedar', 'code.cedar', 'freeze.cedar', 'hr.cedar']) symlinkSync(`..data/${file}`, policy(file));
    await expect.poll(() => live.remit.service.activePolicies.rules.policies.has('freeze'), SOON).toBe(true);
    expect((await ask(live)).decision).toBe(true);
    symlinkSync('..second', policy('..data.new'));
    renameSync(policy('..data.new'), policy('..data'));
    approve();
    await becomes(live, false);
  }); // prettier-ignore

  it('of a thousand files is one', async () => {
    mkdirSync(policy('many'));
    for (let i = 0; i < 1000; i += 1)
      writeFileSync(policy(`many/p${i}.cedar`), FREEZE.replaceAll('freeze', `freeze-${i}`));
    await expect.poll(() => live.remit.service.activePolicies.rules.policies.has('freeze-999'), SOON).toBe(true);
    expect((await told()).files.length).toBeGreaterThan(1000);
    expect((await ask(live)).context?.reasons[0]?.policies).toHaveLength(1000);
  });

  it('that is only dubious is taken, and its warnings are said', async () => {
    writeFileSync(
      policy('wide.cedar'),
      '@id("less")\nforbid (principal is Agent, action == HR::Action::"read", resource) when { principal.suspended };\n',
    );
    await hears(live, /^policies taken/);
    expect(await hears(live, /wide\.cedar:1: /)).not.toBe('');
  });
});

describe('what is not valid', () => {
  const SECRET = 'root:x:0:0';
  it.each([
    ['does not parse', () => writeFileSync(policy('bad.cedar'), 'forbid ('), /bad\.cedar:1: /],
    ['is half a file', () => truncateSync(policy('hr.cedar'), readFileSync(policy('hr.cedar'), 'utf8').lastIndexOf(';')), /hr\.cedar:\d+: /],
    ['is a file with nothing in it yet', () => truncateSync(policy('hr.cedar')), /hr\.cedar: is empty: write its policies, or remove it$/],
    ['names an action that there is not', () => writeFileSync(policy('bad.cedar'), '@id("b")\nforbid (principal, action == HR::Action::"raed", resource);\n'), /bad\.cedar:2: .*did you mean/],
    ['has an @id that is taken', () => cpSync(policy('hr.cedar'), policy('hr2.cedar')), /hr2\.cedar:\d+: @id\(".*"\) is taken by/],
    ['is an empty directory', () => { mkdirSync(policy('../none')); replaceBy(live, 'none'); }, /policies: there is no \*\.cedar file here; gone since the policies in force were read: .*hr\.cedar/],
    ['is no directory at all', () => rmSync(policy(''), { recursive: true }), /policies: there is no such directory$/],
    ['is a link out of the directory', () => symlinkSync('/etc/passwd', policy('bad.cedar')), /bad\.cedar: is a link out of the directory$/],
    ['is a linked directory elsewhere', () => symlinkSync('/etc', policy('etc')), /etc: is a link out of the directory$/],
    ['is a link to nothing', () => symlinkSync('nowhere', policy('bad.cedar')), /bad\.cedar: there is no such file$/],
    ['is a link to itself', () => symlinkSync('bad.cedar', policy('bad.cedar')), /bad\.cedar: can't be read: ELOOP$/],
    ['is a pipe that nobody writes to', () => execFileSync('mkfifo', [policy('bad.cedar')]), /bad\.cedar: is not a regular file$/],
    ['is a device', () => symlinkSync('/dev/zero', policy('bad.cedar')), /bad\.cedar: is a link out of the directory$/],
    ['is enormous', () => { writeFileSync(policy('bad.cedar'), ''); truncateSync(policy('bad.cedar'), 2 ** 40); }, /bad\.cedar: is larger than \d+ bytes$/],
    ['is not text', () => writeFileSync(policy('bad.cedar'), Buffer.from([0x66, 0xff, 0xfe])), /bad\.cedar: is not well-formed UTF-8$/],
    ['is nested beyond reading', () => writeFileSync(policy('bad.cedar'), `@id("b")\nforbid (principal, action, resource) when { ${'('.repeat(20_000)}true${')'.repeat(20_000)} };\n`), /bad\.cedar:1: /],
  ])('%s: it is refused with its place, and all stays as it was', async (_what, make, why) => {
    const refused = await metric('remit_policy_reloads_total', { outcome: 'refused' });
    make();
    expect(await hears(live, why)).toContain(`policies not taken, those of version ${first} stay in force: `);
    expect([version(), (await ask(live)).decision]).toEqual([first, true]);
    const told_ = await told();
    expect(told_.version).toBe(first);
    expect(told_.refused?.reason).toMatch(why);
    expect((await live.remit.request('GET', '/health/ready')).json()).toMatchObject({ status: 'ready', policy_version: first, policies_refused: { reason: told_.refused?.reason } });
    expect(await metric('remit_policy_outdated')).toBe(1);
    expect(await metric('remit_policy_reloads_total', { outcome: 'refused' })).toBeGreaterThan(refused ?? 0);
    expect(JSON.stringify([live.said, told_])).not.toContain(SECRET);
  }); // prettier-ignore

  it.skipIf(process.getuid?.() === 0)(`that may not be read is refused${process.getuid?.() === 0 ? ' (skipped: root may read everything)' : ''}`, async () => {
    writeFileSync(policy('bad.cedar'), FREEZE);
    chmodSync(policy('bad.cedar'), 0);
    await hears(live, /bad\.cedar: can't be read: EACCES$/);
    expect(version()).toBe(first);
  }); // prettier-ignore

  it('has all of its findings in /v1/policies, and is taken once it is mended', async () => {
    writeFileSync(policy('bad.cedar'), 'forbid (principal, action, resource);\n@id("a") @titel("x")\nforbid (principal, action, resource);\n');
    await hears(live, /bad\.cedar/);
    const { refused } = await told();
    expect(refused?.version).toMatch(/^[0-9a-f]{64}$/);
    expect(refused?.findings.map(({ rule, severity, line }) => [rule, severity, line])).toEqual([['missing-id', 'error', 1], ['unknown-annotation', 'error', 2]]);
    // What was wrong isn't said again while it stays so.
    expect(live.said.filter((line) => line.includes('not taken'))).toHaveLength(1);
    writeFileSync(policy('bad.cedar'), FREEZE);
    await becomes(live, false);
    expect([(await told()).refused, await metric('remit_policy_outdated')]).toEqual([undefined, 0]);
  }); // prettier-ignore

  it('is forgotten where what is in force is written again', async () => {
    writeFileSync(policy('bad.cedar'), 'forbid (');
    await hears(live, /not taken/);
    rmSync(policy('bad.cedar'));
    await hears(live, /^policies are as they are in force again/);
    expect((await told()).refused).toBeUndefined();
  });
});

it('what editors and version control keep beside the files is none of them', async () => {
  mkdirSync(policy('.git'));
  for (const name of ['.freeze.cedar.swp', '.#freeze.cedar', '.git/freeze.cedar', 'freeze.cedar~', '#freeze.cedar#', 'README'])
    writeFileSync(policy(name), FREEZE);
  writeFileSync(policy('thaw.cedar'), THAW);
  await hears(live, /^policies taken/);
  expect((await ask(live)).decision).toBe(true);
}); // prettier-ignore
