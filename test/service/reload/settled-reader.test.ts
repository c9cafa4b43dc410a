/** When files count: once they stay as they are, wherever the change was and whether or not anybody told of it. */
import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, it, vi } from 'vitest';
import { ChangeNotices } from '../../../src/service/reload/notices.js';
import { SettledReader } from '../../../src/service/reload/settled-reader.js';
import { readSnapshot, type WatchedPaths, type FilesSnapshot } from '../../../src/service/reload/snapshot.js';
import { NO_APPROVER_RULES } from '../../../src/govern/approvals/eligibility.js';

let directory: string;
let paths: WatchedPaths;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'remit-settling-'));
  for (const name of ['schema', 'policies', 'other']) mkdirSync(join(directory, name));
  writeFileSync(join(directory, 'schema/a.zed'), 'definition user {}');
  writeFileSync(join(directory, 'schema/a.cedarschema'), 'entity User;');
  writeFileSync(join(directory, 'policies/a.cedar'), 'one');
  paths = {
    sources: {
      relationships: join(directory, 'schema/a.zed'),
      actions: [join(directory, 'schema/a.cedarschema')],
      policies: join(directory, 'policies'),
    },
    world: undefined,
    approverRules: NO_APPROVER_RULES,
  };
  return () => {
    rmSync(directory, { recursive: true, force: true });
  };
});
const text = ({ read }: FilesSnapshot): string => ('refused' in read ? read.refused : read.sources.policies.map((p) => p.text).join()); // prettier-ignore

it('a file that goes on growing never counts, and that is said', async () => {
  const writing = setInterval(() => appendFileSync(join(directory, 'policies/grows.cedar'), 'more\n'), 10);
  try {
    expect(text(await new SettledReader(paths, 60_000).readSettled())).toMatch(/^the files keep changing/);
  } finally {
    clearInterval(writing);
  }
  rmSync(join(directory, 'policies/grows.cedar'));
});

it('of a burst of changes only the last counts', async () => {
  const settling = new SettledReader(paths, 100);
  const { fingerprint } = readSnapshot(paths);
  const next = settling.nextChange(fingerprint);
  let left = 20;
  const writing = setInterval(() => {
    writeFileSync(join(directory, 'policies/a.cedar'), `burst ${(left -= 1)}`);
    if (left === 0) clearInterval(writing);
  }, 20);
  expect(text(await next)).toBe('burst 0');
});

it('what comes and goes before it has settled is no change', async () => {
  const settling = new SettledReader(paths, 50);
  const { fingerprint } = readSnapshot(paths);
  const next = settling.nextChange(fingerprint);
  writeFileSync(join(directory, 'policies/b.cedar'), 'for a moment');
  rmSync(join(directory, 'policies/b.cedar'));
  writeFileSync(join(directory, 'policies/a.cedar'), 'two');
  expect(text(await next)).toBe('two');
});

it('what a signal has replaced is a change again when it comes back, however soon', async () => {
  const policy = join(directory, 'policies/a.cedar');
  const settling = new SettledReader(paths, 50);
  writeFileSync(policy, 'refused');
  const refused = await settling.readSettled();
  writeFileSync(policy, 'restored');
  const restored = await settling.readSignalled();
  writeFileSync(policy, 'refused');
  expect(text(await settling.nextChange(refused.fingerprint))).toBe('restored');
  expect(text(await settling.nextChange(restored.fingerprint))).toBe('refused');
});

it('what a signal has read and the watch as well is one change', async () => {
  const policy = join(directory, 'policies/a.cedar');
  const settling = new SettledReader(paths, 50);
  writeFileSync(policy, 'signalled');
  const { fingerprint } = await settling.readSignalled();
  const next = settling.nextChange(fingerprint);
  writeFileSync(policy, 'later');
  expect(text(await next)).toBe('later');
});

it('a change that nobody tells of is found by looking', async () => {
  const untold = vi.spyOn(ChangeNotices.prototype, 'watch').mockReturnValue();
  const settling = new SettledReader(paths, 50);
  const next = settling.nextChange(readSnapshot(paths).fingerprint);
  writeFileSync(join(directory, 'policies/a.cedar'), 'three');
  expect(text(await next)).toBe('three');
  untold.mockRestore();
});

it.each([
  ['a policy', 'policies/a.cedar'],
  ['one in a directory that is new', 'policies/new/b.cedar'],
  ['the Cedar schema', 'schema/a.cedarschema'],
  ['the SpiceDB schema', 'schema/a.zed'],
])('the system tells of %s long before it would be looked for', async (_what, name) => {
  const settling = new SettledReader(paths, 2 ** 30);
  const next = settling.nextChange(readSnapshot(paths).fingerprint);
  mkdirSync(join(directory, name, '..'), { recursive: true });
  writeFileSync(join(directory, 'other/file'), `changed ${name}`);
  renameSync(join(directory, 'other/file'), join(directory, name));
  expect((await next).fingerprint).toBe(readSnapshot(paths).fingerprint);
});

it('a name or a text that is another makes another fingerprint, and so does where one ends and the next begins', () => {
  const all = new Set<string>();
  const put = (files: Readonly<Record<string, string>>): void => {
    rmSync(join(directory, 'policies'), { recursive: true });
    mkdirSync(join(directory, 'policies'));
    for (const [name, of] of Object.entries(files)) writeFileSync(join(directory, 'policies', name), of);
    all.add(readSnapshot(paths).fingerprint);
  };
  put({ 'a.cedar': 'ab', 'b.cedar': 'c' });
  put({ 'a.cedar': 'a', 'b.cedar': 'bc' });
  put({ 'a.cedar': 'abc' });
  put({ 'b.cedar': 'abc' });
  put({ 'a.cedar': 'ab', 'b.cedar': 'c' });
  expect(all.size).toBe(4);
});
