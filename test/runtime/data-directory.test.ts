/** The data directory is closed to other users, with everything of Remit's in it, or it is refused with the cure. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { prepareDataDirectory } from '../../src/runtime/data-directory.js';

let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'remit-data-'));
  return () => {
    rmSync(scratch, { recursive: true, force: true });
  };
});
const modeOf = (path: string): string => (statSync(path).mode & 0o7777).toString(8);

it('is made closed, with the directories above it', () => {
  const directory = join(scratch, 'new/below');
  prepareDataDirectory(directory);
  expect([modeOf(directory), modeOf(join(scratch, 'new'))]).toEqual(['700', '700']);
});

it('is nothing that git adds, where it is made', () => {
  const repository = mkdtempSync(join(scratch, 'repository-'));
  const git = (...args: string[]): string => execFileSync('git', ['-C', repository, ...args], { encoding: 'utf8' });
  git('init', '-q');
  const directory = join(repository, '.remit');
  // Also a second process, and a directory that others could enter meanwhile.
  for (const mode of [0o700, 0o777]) {
    prepareDataDirectory(directory);
    writeFileSync(join(directory, 'dev.key'), '');
    chmodSync(directory, mode);
  }
  prepareDataDirectory(directory);
  expect(modeOf(directory)).toBe('700');
  writeFileSync(join(repository, 'schema.zed'), '');
  git('add', '-A');
  expect(git('ls-files')).toBe('schema.zed\n');
});

it('that was there gets no file', () => {
  const directory = mkdtempSync(join(scratch, 'there-'));
  prepareDataDirectory(directory);
  expect(readdirSync(directory)).toEqual([]);
});

it('that was there and open is closed, and so are the files in it', () => {
  const directory = mkdtempSync(join(scratch, 'open-'));
  mkdirSync(join(directory, 'database'));
  for (const name of ['dev.key', 'dev-issuer.jwk', 'lock']) writeFileSync(join(directory, name), '');
  for (const path of [directory, join(directory, 'database'), join(directory, 'dev.key')]) chmodSync(path, 0o777);
  const link = join(scratch, 'link');
  symlinkSync(directory, link);
  prepareDataDirectory(link);
  const closed = [directory, ...['database', 'dev.key', 'dev-issuer.jwk', 'lock'].map((name) => join(directory, name))];
  expect(closed.map(modeOf)).toEqual(['700', '700', '700', '600', '600']);
});

it('that others share is refused and stays as it is, with what is in it', () => {
  const directory = mkdtempSync(join(scratch, 'shared-'));
  writeFileSync(join(directory, 'notes.txt'), '', { mode: 0o644 });
  chmodSync(directory, 0o1777);
  expect(() => {
    prepareDataDirectory(directory);
  }).toThrow(/other users may enter the data directory \(mode 1777\), and it holds other files than Remit's \("notes\.txt"\): name a directory of Remit's own, or run chmod 700/); // prettier-ignore
  expect([modeOf(directory), modeOf(join(directory, 'notes.txt'))]).toEqual(['1777', '644']);
  chmodSync(directory, 0o700);
  prepareDataDirectory(directory);
  expect(modeOf(join(directory, 'notes.txt'))).toBe('644');
});

it.each(['dev.key', 'dev-issuer.jwk', 'lock', 'database'])('a link in the place of its %s is refused', (name) => {
  const directory = mkdtempSync(join(scratch, 'linked-'));
  symlinkSync('/etc/passwd', join(directory, name));
  expect(() => {
    prepareDataDirectory(directory);
  }).toThrow(/is a link/);
});

it.each(['/proc/remit/data', '/dev/null', '/dev/null/data'])('%s, which can be no directory, says so', (directory) => {
  expect(() => {
    prepareDataDirectory(directory);
  }).toThrow(directory.startsWith('/dev/null') ? '/dev/null' : '/proc/remit');
});
