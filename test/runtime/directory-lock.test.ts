/** The lock of the data directory: one process holds it, whatever the others do, and nobody does once that process has ended. */
import { spawn, type ChildProcess } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { lockDirectory, type DirectoryLock } from '../../src/runtime/directory-lock.js';

const module = fileURLToPath(new URL('../../dist/runtime/directory-lock.js', import.meta.url));
let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'remit-lock-'));
  return () => {
    rmSync(scratch, { recursive: true, force: true });
  };
});
const newDirectory = (): string => mkdtempSync(join(scratch, 'data-'));

/** Another process that holds the lock. */
async function holdElsewhere(directory: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [
    '-e',
    `import(${JSON.stringify(module)}).then(m => { m.lockDirectory(${JSON.stringify(directory)}); console.log('held'); setInterval(() => {}, 1000); })`,
  ]);
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  return child;
}

const kill = async (child: ChildProcess): Promise<void> => {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
};

describe('the lock of the data directory', () => {
  it('is held by one, and free again when released, with nothing left behind', () => {
    const directory = newDirectory();
    const lock = lockDirectory(directory);
    expect(() => lockDirectory(directory)).toThrow(`is in use by process ${process.pid}`);
    lock.publishUrl('http://127.0.0.1:1');
    expect(() => lockDirectory(directory)).toThrow(/which serves http:\/\/127\.0\.0\.1:1/);
    lock.assertHeld();
    lock.release();
    expect(readdirSync(directory)).toEqual([]);
    lockDirectory(directory).release();
  });

  it('is free at once when its holder is killed', async () => {
    const directory = newDirectory();
    const child = await holdElsewhere(directory);
    expect(() => lockDirectory(directory)).toThrow(`is in use by process ${child.pid ?? ''}`);
    await kill(child);
    lockDirectory(directory).release();
  });

  it('stays with a holder that is paused, however long ago it wrote', async () => {
    const directory = newDirectory();
    const child = await holdElsewhere(directory);
    child.kill('SIGSTOP');
    const longAgo = new Date(0);
    utimesSync(join(directory, 'lock'), longAgo, longAgo);
    expect(() => lockDirectory(directory)).toThrow(`is in use by process ${child.pid ?? ''}`);
    await kill(child);
    lockDirectory(directory).release();
  });

  it('stays with a holder whose file was removed while it is paused', async () => {
    const directory = newDirectory();
    const child = await holdElsewhere(directory);
    child.kill('SIGSTOP');
    rmSync(join(directory, 'lock'));
    expect(() => lockDirectory(directory)).toThrow("which the file lock doesn't name");
    expect(readdirSync(directory)).toEqual([]);
    await kill(child);
    lockDirectory(directory).release();
  });

  it('stays with its holder whatever process the file names, as in another container', async () => {
    const directory = newDirectory();
    const child = await holdElsewhere(directory);
    writeFileSync(join(directory, 'lock'), JSON.stringify({ pid: 999_999_999, nonce: 'x' }));
    expect(() => lockDirectory(directory)).toThrow('is in use by process 999999999');
    await kill(child);
  });

  it.each<[string, string]>([
    ['nothing', ''],
    ['null', 'null'],
    ['no holder', '{}'],
    ['a list', '[]'],
    ['no nonce', '{"pid":1}'],
    ['a process that has ended', '{"pid":1,"nonce":"x"}'],
    ['more than a lock says', 'x'.repeat(100_000)],
  ])('is taken where the file says %s', (_what, text) => {
    const directory = newDirectory();
    writeFileSync(join(directory, 'lock'), text);
    const lock = lockDirectory(directory);
    expect(JSON.parse(readFileSync(join(directory, 'lock'), 'utf8'))).toMatchObject({ pid: process.pid });
    lock.release();
  });

  it('is not taken from a process of an earlier version, which has no lock of the kernel, until that one is silent', () => {
    const directory = newDirectory();
    const file = join(directory, 'lock');
    writeFileSync(file, JSON.stringify({ pid: 1, where: 'elsewhere pid:[1]', nonce: 'n', url: 'http://127.0.0.1:9' }));
    expect(() => lockDirectory(directory)).toThrow('is in use by process 1, which serves http://127.0.0.1:9');
    const before = new Date(Date.now() - 60_000);
    utimesSync(file, before, before);
    lockDirectory(directory).release();
  });

  it.each<[string, (file: string) => void]>([
    ['a link', (file) => symlinkSync(join(scratch, 'elsewhere'), file)],
    ['a directory', (file) => mkdirSync(file)],
    ['a pipe', (file) => execFileSync('mkfifo', [file])],
  ])('is refused where the file is %s', (_what, make) => {
    const directory = newDirectory();
    make(join(directory, 'lock'));
    expect(() => lockDirectory(directory)).toThrow(join(directory, 'lock'));
  });
});

describe('a holder that has lost the lock', () => {
  const lose = (change: (directory: string) => void): { lock: DirectoryLock; onLost: ReturnType<typeof vi.fn>; directory: string } => {
    const directory = newDirectory();
    const onLost = vi.fn();
    const lock = lockDirectory(directory, onLost);
    change(directory);
    return { lock, onLost, directory };
  }; // prettier-ignore

  it.each<[string, (directory: string) => void]>([
    ['removed', (directory) => rmSync(join(directory, 'lock'))],
    ['replaced', (directory) => { writeFileSync(join(directory, 'new'), 'x'); renameSync(join(directory, 'new'), join(directory, 'lock')); }],
    ['written by another host', (directory) => writeFileSync(join(directory, 'lock'), JSON.stringify({ pid: 1, nonce: 'other' }))],
    ['removed with its directory', (directory) => rmSync(directory, { recursive: true })],
    ['moved with its directory', (directory) => renameSync(directory, `${directory}-moved`)],
  ])('finds out when its file was %s, is told once, and acknowledges nothing', (_what, change) => {
    const { lock, onLost } = lose(change);
    for (let i = 0; i < 3; i += 1) expect(() => { lock.assertHeld(); }).toThrow('The database could not answer.'); // prettier-ignore
    expect(() => { lock.publishUrl('http://127.0.0.1:1'); }).toThrow(); // prettier-ignore
    expect(onLost).toHaveBeenCalledOnce();
    lock.release();
  }); // prettier-ignore

  it('finds out while it does nothing, keeps others out until it has ended, and leaves their file alone', async () => {
    const { lock, onLost, directory } = lose((path) => rmSync(join(path, 'lock')));
    // It may be in the middle of a write to the directory's files.
    expect(() => lockDirectory(directory)).toThrow("which the file lock doesn't name");
    await vi.waitUntil(() => onLost.mock.calls.length === 1, { timeout: 60_000 });
    expect(() => lockDirectory(directory)).toThrow("which the file lock doesn't name");
    const elsewhere = JSON.stringify({ pid: 1, nonce: 'another host' });
    writeFileSync(join(directory, 'lock'), elsewhere);
    lock.release();
    expect(readFileSync(join(directory, 'lock'), 'utf8')).toBe(elsewhere);
    lockDirectory(directory).release();
  });

  it('has not lost it where the file was only touched', () => {
    const { lock, onLost } = lose((directory) => utimesSync(join(directory, 'lock'), new Date(0), new Date(0)));
    lock.assertHeld();
    expect(onLost).not.toHaveBeenCalled();
    lock.release();
  });
});
