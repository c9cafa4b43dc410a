/** `remit diff`: what it prints, and the exit codes. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { diffCommand } from '../../src/cli/diff.js';
import type { DecisionRecord, SearchRecord } from '../../src/model/decision.js';
import { start } from '../support/sample.js';

// Real engines, on a machine that may be busy with much else.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const root = fileURLToPath(new URL('../..', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'remit-compared-'));
const before = join(directory, 'before/fixtures/acme.remit.yaml');
const after = join(directory, 'after/fixtures');
const policy = join(directory, 'after/policies/hr.cedar');
const original = readFileSync(join(root, 'policies/hr.cedar'), 'utf8');
let records: readonly (DecisionRecord | SearchRecord)[];

beforeAll(async () => {
  for (const side of ['before', 'after'])
    for (const part of ['policies', 'schema', 'fixtures'])
      cpSync(join(root, part), join(directory, side, part), { recursive: true });
  const remit = await start();
  const scope = 'hr.employees.read hr.employees.export';
  const token = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope });
  for (const action of ['read', 'export'])
    await remit.evaluate({ subject: { type: 'user', id: 'alice' }, action: { name: action }, resource: { type: 'employee', id: 'erin' }, context: { token } }); // prettier-ignore
  ({ records } = await remit.service.decisions.list({}, undefined, 100));
  await remit.stop();
});
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs the command, with one text replaced by another in the policies of the AFTER side. */
async function diff(change: readonly [from: string, to: string], ...args: readonly string[]): Promise<Ran> {
  expect(original).toContain(change[0]);
  writeFileSync(policy, original.replace(change[0], change[1]));
  const written = { out: '', err: '' };
  const spies = (['out', 'err'] as const).map((to) =>
    vi.spyOn(to === 'out' ? process.stdout : process.stderr, 'write').mockImplementation((text) => {
      written[to] += String(text);
      return true;
    }),
  );
  try {
    return { code: await diffCommand.run([before, after, ...args]), ...written };
  } finally {
    spies.forEach((spy) => spy.mockRestore());
  }
}

const NOTHING = ['', ''] as const;
const WIDER = ['principal.kind == "payroll-exporter"', 'principal.kind != "assistant-of-nobody"'] as const;
const NARROWER = [
  'principal.kind == "payroll-exporter"',
  'principal.kind == "payroll-exporter" && principal.name == "x"',
] as const;

describe('the exit code', () => {
  it.each([
    ['the same', NOTHING, 'change', 0],
    ['wider', WIDER, 'widening', 1],
    ['wider', WIDER, 'change', 1],
    ['wider, asked for nothing', WIDER, undefined, 0],
    ['narrower', NARROWER, 'widening', 0],
    ['narrower', NARROWER, 'change', 1],
  ] as const)('%s: %j failing on %s', async (_, change, failOn, code) => {
    const result = await diff(change, ...(failOn === undefined ? [] : ['--fail-on', failOn]));
    expect([result.code, result.err]).toEqual([code, '']);
  });
});

it('the cases of the later tests are asked, each named by its place', async () => {
  const { out } = await diff(WIDER, '--requests', '0', '--json');
  const { counts, differences } = JSON.parse(out) as { counts: Record<string, { asked: number }>; differences: object[] };
  expect([counts['cases']?.asked, counts['requests']?.asked]).toEqual([125, 0]);
  expect(differences[0]).toMatchObject({
    change: 'newly_allowed',
    example: { origin: 'case', text: 'assistant-of-bob export employee:zoe', where: [expect.stringMatching(/hr_test\.yaml:\d+:\d+: Payroll exporters alone export$/)] },
  });
}); // prettier-ignore

it('a graph that grants more is seen by the cases', async () => {
  const zed = join(directory, 'after/schema/acme.zed');
  const schema = readFileSync(zed, 'utf8');
  writeFileSync(zed, schema.replace('permission merge = push', 'permission merge = read'));
  try {
    const { out, code } = await diff(NOTHING, '--requests', '0', '--fail-on', 'widening');
    expect(out).toContain('permission repository#merge changed');
    expect(code).toBe(1);
  } finally {
    writeFileSync(zed, schema);
  }
}); // prettier-ignore

it('recorded decisions are made again by both', async () => {
  const file = join(directory, 'records.json');
  writeFileSync(file, JSON.stringify(records));
  const { out } = await diff(WIDER, '--requests', '0', '--replay', '--file', file);
  expect(out).toContain('agent:hr-assistant for user:alice export employee:erin: 1');
  expect(out).toContain('2 recorded decisions, 1 differ');
  expect((await diff(WIDER, '--requests', '0', '--replay', '--file', file, '--limit', '1')).out).toContain('1 recorded decisions'); // prettier-ignore
});

describe('misuse', () => {
  it.each([
    [['--fail-on', 'nothing'], '--fail-on must be "widening" or "change"'],
    [['--requests', '-1'], '--requests'],
    [['--requests', '1000001'], '--requests must be a whole number from 0 to 1000000'],
    [['--seed', 'x'], '--seed must be a whole number'],
    [['--limit', '0'], '--limit must be a whole number from 1'],
    [['--file', 'x'], 'go with --replay'],
    [['third'], 'there is one argument too many: remit diff takes BEFORE and AFTER'],
    [['--replay', '--file', '/nowhere'], '/nowhere: there is no such file'],
  ])('%j is refused', async (args, message) => {
    await expect(diff(NOTHING, ...args)).rejects.toThrow(message);
  });

  it('policies that a start would refuse are', async () => {
    await expect(diff(['"payroll-exporter"', '1'])).rejects.toThrow(/hr\.cedar:\d+: /);
  });

  it('tests that can’t be read end it with 2, each problem at its place', async () => {
    const tests = join(directory, 'after/policies/hr_test.yaml');
    const text = readFileSync(tests, 'utf8');
    writeFileSync(tests, text.replace('who: assistant\n', 'who: assistent\n'));
    try {
      const { code, err } = await diff(NOTHING);
      expect(code).toBe(2);
      expect(err).toMatch(/hr_test\.yaml:\d+:\d+: there is no token or principal "assistent" \(did you mean "assistant"\?\)/);
    } finally {
      writeFileSync(tests, text);
    }
  }); // prettier-ignore
});
