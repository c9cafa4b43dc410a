/** `remit test` as a person or a build runs it: the built program, real processes. */
import { execFile, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { company, type Company } from '../author/test/company.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = join(root, 'dist/main.js');
/** A machine under full load takes this long for what takes a second. */
const PATIENCE = { timeout: 120_000, interval: 50 };

const PASSING = `now: 2029-01-01T00:00:00Z
tokens: { helper: { user: ann, agent: helper, scope: docs.read } }
tests:
  - name: drafts wait
    who: [helper, user:ann]
    actions: read
    resources: document:plan
    expect: { who: user:ann, decision: allow }
`;
const FAILING = PASSING.replace('who: user:ann, ', '');

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

describe('remit test', { timeout: 180_000 }, () => {
  let at: Company;
  beforeAll(() => {
    at = company();
    return () => {
      at.remove();
    };
  });
  const test = (...args: readonly string[]): Promise<Ran> =>
    new Promise((resolve) => {
      execFile(process.execPath, [main, 'test', '--config', at.config, ...args], { cwd: root }, (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code), out, err });
      });
    });

  it('ends with 0 where all is as expected, and writes what is asked for', async () => {
    at.write('a_test.yaml', PASSING);
    const xml = join(at.directory, 'report.xml');
    const { code, out, err } = await test('--junit', xml, '--min-coverage', '50');
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^2 passed in \d+\.\d\d s$/m);
    expect(readFileSync(xml, 'utf8')).toContain('tests="2" failures="0" errors="0"');
    // Nothing is left behind: no data directory, no lock.
    expect(existsSync(join(at.directory, '.remit'))).toBe(false);
  });

  it('ends with 1 below the coverage that is asked for', async () => {
    at.write('a_test.yaml', PASSING);
    const { code, err } = await test('--min-coverage', '100');
    expect([code, err]).toEqual([1, expect.stringMatching(/^remit: coverage is \d+ %, and 100 % is asked for\n$/)]);
  });

  it('ends with 1 where something is not, and says it as data, too', async () => {
    at.write('a_test.yaml', FAILING);
    const { code, out } = await test('--json');
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      summary: { cases: 2, passed: 1, failed: 1, errors: 0 },
      files: [
        {
          results: [
            {
              line: 8,
              test: 'drafts wait',
              name: 'helper read document:plan',
              outcome: 'failed',
              differences: [{ what: 'decision', expected: 'allow', actual: 'deny' }],
              because: [
                expect.stringMatching(/^policy: policy_forbid: drafts-need-approval \(.*policies\.cedar:11\)$/),
              ],
            },
            { outcome: 'passed' },
          ],
        },
      ],
      coverage: {
        policies: expect.arrayContaining([expect.objectContaining({ id: 'people', decided: 1 })]) as unknown,
      },
    });
  });

  it('ends with 1 where a filter leaves nothing: a build that runs no test must not pass', async () => {
    at.write('a_test.yaml', PASSING);
    expect(await test('--filter', 'nonsense')).toMatchObject({ code: 1, err: 'remit: no case was run\n' });
  });

  it('ends with 2 for a test file that can not be used, each problem at its place', async () => {
    at.write('a_test.yaml', PASSING.replace('who: [helper', 'who: [halper').replace('document:plan', 'dokument:plan'));
    const { code, out, err } = await test();
    expect([code, out]).toEqual([2, '']);
    expect(
      err
        .trimEnd()
        .split('\n')
        .map((line) => line.replace(/^.*a_test\.yaml/, '')),
    ).toEqual([
      ':5:11: there is no token or principal "halper" (did you mean "helper"?)',
      ':7:16: no action applies to "dokument" (did you mean "document"?)',
    ]);
    expect(JSON.parse((await test('--json')).out)).toMatchObject({ problems: [{ line: 5, column: 11 }, { line: 7 }] });
  });

  it('ends with 2 for a policy that can not be used, and a report that can not be written', async () => {
    at.write('a_test.yaml', PASSING);
    at.write('more.cedar', '@id("x") permit (principal, action, resource) when { context.nowhere };');
    expect(await test()).toMatchObject({ code: 2, out: '', err: expect.stringContaining('more.cedar:1') as unknown });
    at.write('more.cedar', '// nothing yet\n');
    const nowhere = join(at.directory, 'nowhere', 'x.xml');
    expect(await test('--junit', nowhere)).toMatchObject({
      code: 2,
      err: expect.stringContaining("can't be written") as unknown,
    });
  });

  it('--watch runs again on each change, outlives what can not be used, and ends when it is interrupted', async () => {
    at.write('a_test.yaml', PASSING);
    const child = spawn(process.execPath, [main, 'test', '--config', at.config, '--watch'], { cwd: root });
    let out = '';
    let err = '';
    child.stdout.on('data', (text: Buffer) => (out += text.toString()));
    child.stderr.on('data', (text: Buffer) => (err += text.toString()));
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    const waits = (): number => out.split('waiting for a change').length - 1;
    const after = async (change: () => void, sign: () => boolean): Promise<void> => {
      const before = waits();
      change();
      await vi.waitUntil(() => sign() && waits() > before, PATIENCE);
    };
    try {
      await after(
        () => undefined,
        () => out.includes('2 passed'),
      );
      await after(
        () => at.write('a_test.yaml', FAILING),
        () => out.includes('1 passed, 1 failed'),
      );
      await after(
        () => at.write('a_test.yaml', 'nonsense: ['),
        () => err.includes('a_test.yaml:'),
      );
      await after(
        () => at.write('policies.cedar', 'permit'),
        () => err.includes('policies.cedar'),
      );
      child.kill('SIGINT');
      expect(await ended).toBe(2);
    } finally {
      child.kill('SIGKILL');
    }
  });
});
