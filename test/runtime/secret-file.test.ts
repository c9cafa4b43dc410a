/** A secret that is made once: processes that start together agree on it, and nothing else is left. */
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { openDevelopmentIssuer } from '../../src/issue/development-issuer.js';
import { prepareDataDirectory } from '../../src/runtime/data-directory.js';
import { ensureSecretFile } from '../../src/runtime/secret-file.js';

let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'remit-secret-'));
  return () => {
    rmSync(scratch, { recursive: true, force: true });
  };
});
const newDirectory = (): string => mkdtempSync(join(scratch, 'data-'));

it('is what was stored first while another was being made', async () => {
  const directory = newDirectory();
  const path = join(directory, 'dev.key');
  const found = await ensureSecretFile(path, async () => {
    expect(await ensureSecretFile(path, () => 'first')).toBe('first');
    return 'second';
  });
  expect([found, readFileSync(path, 'utf8')]).toEqual(['first', 'first']);
  expect(readdirSync(directory)).toEqual(['dev.key']);
});

it('is closed to others, and only made where there is none', async () => {
  const path = join(newDirectory(), 'dev.key');
  writeFileSync(path, 'stored');
  chmodSync(path, 0o644);
  expect(await ensureSecretFile(path, () => Promise.reject(new Error('not called')))).toBe('stored');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  await expect(ensureSecretFile(join(path, 'below'), () => 'x')).rejects.toThrow('ENOTDIR');
});

it('leaves a draft behind at most, which counts as a file of Remit', () => {
  const directory = newDirectory();
  writeFileSync(join(directory, `dev.key.${'0'.repeat(16)}.draft`), 'x');
  chmodSync(directory, 0o755);
  prepareDataDirectory(directory);
  expect(statSync(directory).mode & 0o777).toBe(0o700);
  for (const foreign of [`notes.${'0'.repeat(16)}.draft`, 'dev.key.draft']) {
    const shared = newDirectory();
    writeFileSync(join(shared, foreign), 'x');
    chmodSync(shared, 0o755);
    expect(() => {
      prepareDataDirectory(shared);
    }).toThrow(/other files than Remit's/);
  }
});

it('is one for all callers that open the issuer of a new directory at once', async () => {
  const directory = newDirectory();
  const issuers = await Promise.all(Array.from({ length: 10 }, () => openDevelopmentIssuer(directory)));
  expect(new Set(issuers.map(({ config }) => config.jwks?.keys[0]?.['kid'])).size).toBe(1);
  expect(readdirSync(directory)).toEqual(['dev-issuer.jwk']);
});

it('is one for all processes that start on a new directory', async () => {
  const dist = fileURLToPath(new URL('../../dist', import.meta.url));
  const program = `
    const { prepareDataDirectory } = await import(${JSON.stringify(`${dist}/runtime/data-directory.js`)});
    const { openDevelopmentIssuer } = await import(${JSON.stringify(`${dist}/issue/development-issuer.js`)});
    process.stdout.write('r');
    process.stdin.once('data', async () => {
      for (const directory of JSON.parse(process.argv[1])) {
        prepareDataDirectory(directory);
        process.stdout.write((await openDevelopmentIssuer(directory)).config.jwks.keys[0].kid + ' ');
      }
      process.exit(0);
    });`;
  const parent = newDirectory();
  const directories = Array.from({ length: 20 }, (_, i) => join(parent, `new-${i}`));
  const children = Array.from({ length: 3 }, () =>
    spawn(process.execPath, ['--input-type=module', '-e', program, JSON.stringify(directories)]),
  );
  const said = children.map((child) => {
    const texts = { out: '', err: '' };
    child.stdout.on('data', (text: Buffer) => (texts.out += text.toString()));
    child.stderr.on('data', (text: Buffer) => (texts.err += text.toString()));
    return texts;
  });
  await expect.poll(() => said.map(({ out }) => out), { timeout: 60_000 }).toEqual(['r', 'r', 'r']);
  const ended = children.map((child) => new Promise((resolve) => child.once('close', resolve)));
  for (const child of children) child.stdin.end('go');
  expect(await Promise.all(ended)).toEqual([0, 0, 0]);
  expect(said.map(({ err }) => err)).toEqual(['', '', '']);
  expect(new Set(said.map(({ out }) => out)).size).toBe(1);
  expect(said[0]?.out.trim().split(' ')).toHaveLength(directories.length);
}, 120_000);
