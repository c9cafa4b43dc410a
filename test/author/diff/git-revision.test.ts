/** A revision of git gives the files that a configuration needs, and a hostile one is refused. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { checkOut, REVISION_LIMITS } from '../../../src/author/diff/git-revision.js';
import { openSide } from '../../../src/author/diff/side.js';
import { TEMPLATES } from '../check/company.js';

vi.setConfig({ testTimeout: 180_000 });

let directory: string;
let temporary: string;
const before = process.cwd();
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'remit-revision-'));
  temporary = mkdtempSync(join(tmpdir(), 'remit-revision-'));
  vi.stubEnv('TMPDIR', temporary);
  git('init', '--quiet', '--initial-branch=main');
  cpSync(join(TEMPLATES, 'documents'), join(directory, 'company'), { recursive: true });
  commit();
  process.chdir(directory);
  return () => {
    process.chdir(before);
    vi.unstubAllEnvs();
    for (const path of [directory, temporary]) rmSync(path, { recursive: true, force: true });
  };
});

function git(...args: readonly string[]): string {
  const who = ['-c', 'user.name=a', '-c', 'user.email=a@example.com', '-c', 'commit.gpgsign=false'];
  return execFileSync('git', ['-C', directory, ...who, ...args], { encoding: 'utf8' });
}

function commit(): void {
  git('add', '-A');
  git('commit', '--quiet', '--allow-empty', '-m', 'x');
}

/** Temporary directories that were not removed. */
const leftovers = (): string[] => readdirSync(temporary);
const file = (path: string): string => join(directory, path);

describe('a configuration of a revision', () => {
  it('is read with its policies, schemas, world and tests, as they were then', () => {
    writeFileSync(file('company/policies/agents.cedar'), 'broken');
    rmSync(file('company/world.yaml'));
    for (const name of ['main:company/remit.yaml', 'main:company', 'HEAD:company', `${git('rev-parse', 'HEAD').trim()}:company`]) {
      const side = openSide(name);
      expect(side.rules.policies.size).toBeGreaterThan(5);
      expect(side.rules.policies.get('suspended-agents-do-nothing')?.source).toMatch(/^[^:]+:company\/policies\/agents\.cedar:\d+$/);
      expect(side.cases().length).toBeGreaterThan(10);
      expect(side.cases()[0]?.expected.place.file).toMatch(/^[^:]+:company\/policies\/documents_test\.yaml$/);
      side.close();
    }
  }); // prettier-ignore

  it('is gone when it was compared', () => {
    const { directory: out, close } = checkOut('main', 'company');
    expect(existsSync(join(out, 'company/remit.yaml'))).toBe(true);
    close();
    expect(existsSync(out)).toBe(false);
  });

  it('takes nothing that it does not name', () => {
    mkdirSync(file('secrets'));
    writeFileSync(file('secrets/key.yaml'), 'key: x');
    writeFileSync(file('company/policies/notes.txt'), 'x');
    commit();
    const { directory: out, close } = checkOut('main', 'company');
    expect(existsSync(join(out, 'secrets'))).toBe(false);
    expect(existsSync(join(out, 'company/policies/notes.txt'))).toBe(false);
    close();
  });

  it('that is wrong is told by its place in the revision', () => {
    writeFileSync(file('company/policies/agents.cedar'), 'permit (principal, action, resource);');
    commit();
    expect(() => openSide('main:company')).toThrow('main:company/policies/agents.cedar:1: every policy needs');
    expect(leftovers()).toEqual([]);
  });

  it('is a file with a colon, where there is one', () => {
    cpSync(file('company'), file('main:other'), { recursive: true });
    openSide('main:other').close();
    expect(() => openSide('main:another')).toThrow('there is no such file');
  });
});

describe('what is hostile is refused', () => {
  it.each([
    ['an option for a revision', '--upload-pack=touch', 'company', 'a revision must not begin with "-"'],
    ['one of git’s', '--exec-path', 'company', 'a revision must not begin with "-"'],
    ['a revision that there is not', 'nowhere', 'company', 'there is no such revision'],
    ['several', 'main..main', 'company', 'there is no such revision'],
    ['a command', 'main;touch x', 'company', 'there is no such revision'],
    ['nothing', '', 'company', 'there is no such revision'],
    ['a path out of it', 'main', '../company', 'is no path within the repository'],
    ['an absolute one', 'main', '/etc', 'is no path within the repository'],
    ['git’s own', 'main', '.git/config', 'is no path within the repository'],
    ['a NUL', 'main', 'a\0b', 'is no path within the repository'],
  ])('%s', (_, revision, path, message) => {
    expect(() => checkOut(revision, path)).toThrow(message);
    expect(readdirSync(directory).sort()).toEqual(['.git', 'company']);
    expect(leftovers()).toEqual([]);
  });

  it('a path that begins like an option is none', () => {
    expect(() => openSide('main:--help')).toThrow('there is no such file or directory');
  });

  it('a symbolic link is not followed, wherever it leads', () => {
    symlinkSync('/etc/passwd', file('company/policies/more.cedar'));
    commit();
    expect(() => checkOut('main', 'company')).toThrow('"company/policies/more.cedar" is a symbolic link');
  });

  it('nor is one in place of the configuration', () => {
    symlinkSync('remit.yaml', file('company/other.yaml'));
    commit();
    expect(() => checkOut('main', 'company/other.yaml')).toThrow('"company/other.yaml" is a symbolic link');
  });

  it('a tree whose names lead out of it', () => {
    const blob = git('hash-object', '-w', 'company/remit.yaml').trim();
    const make = (line: string): string => execFileSync('git', ['-C', directory, 'mktree'], { encoding: 'utf8', input: `${line}\n` }).trim(); // prettier-ignore
    const out = make(`040000 tree ${make(`100644 blob ${blob}\tevil.yaml`)}\t..`);
    const commits = git('commit-tree', '-m', 'x', out).trim();
    expect(() => checkOut(commits, '')).toThrow('is no path within the repository');
  });

  it('what a configuration names outside of the repository', () => {
    writeFileSync(
      file('company/remit.yaml'),
      'schema: { relationships: ../../x.zed, actions: a }\npolicies: policies\n',
    );
    commit();
    expect(() => checkOut('main', 'company')).toThrow('"../x.zed" is no path within the repository');
  });

  it('too many files, or too large ones', () => {
    writeFileSync(file('company/policies/large.cedar'), `//${'x'.repeat(REVISION_LIMITS.fileBytes)}`);
    commit();
    expect(() => checkOut('main', 'company')).toThrow(`"company/policies/large.cedar" is longer than`);
    rmSync(file('company/policies/large.cedar'));
    for (let i = 0; i <= REVISION_LIMITS.files; i += 1) writeFileSync(file(`company/policies/p${i}.cedar`), '');
    commit();
    expect(() => checkOut('main', 'company')).toThrow(`more than ${REVISION_LIMITS.files}`);
  });
});
