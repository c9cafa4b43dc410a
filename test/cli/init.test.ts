/** What `remit init` and `remit serve` print to be pasted runs where it is pasted, and is allowed. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { nameProgram, quoteForShell } from '../../src/cli/print/program-name.js';

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'remit-pasted-'));
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});
const shell = (script: string, directory: string): string =>
  execFileSync('sh', ['-ec', script], {
    cwd: directory,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], REMIT_PORT: '0' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });

describe('the program is named', () => {
  it.each([
    ['/work/dist/main.js', '/work', 'node dist/main.js'],
    ['/work/dist/main.js', '/elsewhere', 'node /work/dist/main.js'],
    ["/it's here/dist/main.js", "/it's here", 'node dist/main.js'],
    ["/it's here/dist/main.js", '/', "node 'it'\\''s here/dist/main.js'"],
    ['/usr/local/bin/remit', '/work', 'remit'],
  ])('%s from %s: %s', (script, directory, name) => {
    expect(nameProgram(script, directory)).toBe(name);
  });

  it('and quoted so that a shell reads it as it is', () => {
    const text = `a 'b' "c" $d \\ \`e\``;
    expect(shell(`printf %s ${quoteForShell(text)}`, scratch)).toBe(text);
  });
});

it('each command that init prints runs, and the last one greets with a question that is allowed', { timeout: 300_000 }, async () => {
  const printed = shell(`${quoteForShell(process.execPath)} ${quoteForShell(main)} init company`, scratch);
  const commands = [...printed.slice(printed.indexOf('What to do next')).matchAll(/^ {2}(\S.*)$/gm)].map(([, line = '']) => line);
  expect(commands).toHaveLength(5);
  // Each is run as it stands, with the answer of the one before.
  expect(shell(commands.slice(0, -1).join('\n'), scratch)).toContain('ALLOW');
  const serving = spawn('sh', ['-c', `exec ${commands.at(-1) ?? ''}`], { cwd: scratch, env: { PATH: process.env['PATH'], REMIT_PORT: '0' } });
  try {
    let welcome = '';
    await new Promise<void>((resolve, reject) => {
      serving.stdout.on('data', (chunk: Buffer) => {
        welcome += chunk.toString();
        if (/\n\ncurl [^]*\n\n/.test(welcome)) resolve();
      });
      serving.once('exit', () => reject(new Error(welcome)));
    });
    expect(welcome).not.toContain('retired');
    expect(welcome).toContain(' token --config company/remit.yaml` mints a token');
    const [curl = ''] = /^curl [^]*?\n\n/m.exec(welcome) ?? [];
    expect(JSON.parse(shell(curl, scratch))).toMatchObject({ decision: true });
  } finally {
    serving.kill('SIGKILL');
  }
}); // prettier-ignore

it('by the link that npm makes, commands are printed by its name', () => {
  symlinkSync(main, join(scratch, 'remit'));
  const printed = shell(`${quoteForShell(process.execPath)} ./remit init linked`, scratch);
  expect(printed).toMatch(/^ {2}remit check --config linked\/remit\.yaml$/m);
});
