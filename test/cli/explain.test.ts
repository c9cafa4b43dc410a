/** `remit explain` as the operator runs it: the built program, real processes. */
import type { ReplayableRecord } from '../../src/model/decision.js';
import type { Explanation } from '../../src/records/explain/explain.js';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { start } from '../support/sample.js';
import { decided } from '../records/explain/sample-decisions.js';
import { collectCleanups } from '../support/cleanups.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = join(root, 'dist/main.js');
const directory = mkdtempSync(join(tmpdir(), 'remit-explain-'));
let record: ReplayableRecord;
/** The data directory of the service that made the decision, which has ended. */
let data: string;
/** A decision whose record has no path. */
let pathless: string;

const onSuiteFinished = collectCleanups();
onSuiteFinished(() => rmSync(directory, { recursive: true, force: true }));
beforeAll(async () => {
  const remit = await start();
  data = remit.data;
  onSuiteFinished(() => rmSync(data, { recursive: true, force: true }));
  const token = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.write' });
  record = await decided(remit, {
    subject: { type: 'user', id: 'alice' },
    action: { name: 'delete' },
    resource: { type: 'employee', id: 'erin' },
    context: { token },
  });
  const reading = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read' });
  const question = {
    subject: { type: 'user', id: 'alice' },
    action: { name: 'read' },
    resource: { type: 'employee', id: 'erin' },
    context: { token: reading },
  };
  const minimal = await remit.post('/access/v1/evaluation', question, { prefer: 'return=minimal' });
  pathless = String(minimal.headers['remit-decision-id']);
  await remit.stop({ keep: true });
});

const run = (...args: string[]) =>
  spawnSync(process.execPath, [main, 'explain', ...args], { cwd: root, encoding: 'utf8' });

function file(name: string, content: unknown): string {
  const path = join(directory, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

describe('remit explain', () => {
  it('tells the story of a record in a file', () => {
    const { status, stdout } = run(record.id, '--file', file('record.json', { results: [record] }));
    expect(status).toBe(0);
    expect(stdout).toContain('DENY  agent:hr-assistant for user:alice delete employee:erin');
    expect(stdout).toContain('  └─ reports_to  employee:dave\n     └─ manager  user:alice'.replaceAll(/^ {2}/gm, '  '));
    expect(stdout).toMatch(/- forbids: agents-never-delete \(policies\/hr\.cedar:\d+\)/);
    expect(stdout).toContain('false     context.now.toTime() < duration("5h")');
    expect(stdout).toContain('context.now = datetime("2030-03-04T10:00:00.000Z")');
  });

  it('and as JSON', () => {
    const { status, stdout } = run(record.id, '--file', file('record.json', record), '--json');
    expect([status, JSON.parse(stdout)]).toMatchObject([0, { id: record.id, decision: false, rules: { same: true } }]);
  });

  it('with --why-not says what would lift a deny, by the same rules', () => {
    const path = file('record.json', record);
    const { status, stdout } = run(record.id, '--file', path, '--why-not');
    expect(status).toBe(0);
    expect(stdout).toContain('it would be allowed with all of these:\n    change the policy agents-never-delete (');
    const { why_not: why } = JSON.parse(run(record.id, '--file', path, '--why-not', '--json').stdout) as {
      why_not: object;
    };
    expect(why).toMatchObject({
      kind: 'changes',
      changes: [{ change: { kind: 'policy' } }, { change: { kind: 'policy' } }],
    });
  });

  it('has the path proved that the record lacks', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'explain', pathless, '--json'], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, REMIT_DATA: data },
    });
    expect(status, stderr).toBe(0);
    const told = JSON.parse(stdout) as Explanation;
    expect(told.inconclusive).toEqual([]);
    expect(told.relationships).toContainEqual(expect.objectContaining({ object: 'employee:erin', relation: 'view' }));
  });

  it('prints nothing of a record as a command to the terminal', () => {
    const hostile = JSON.parse(
      JSON.stringify(record)
        .replaceAll('HR Assistant', 'HR\\u001b[2J\\u202eAssistant')
        .replaceAll('erin', 'er\\u0007in'),
    ) as object;
    const { status, stdout } = run(record.id, '--file', file('hostile.json', hostile));
    expect(status).toBe(0);
    expect(stdout.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(stdout).toContain('er\\u0007in');
  });

  it.each([
    ['no id', [], 'remit explain needs ID, the id of one decision'],
    ['an unknown option', ['x', '--why'], 'there is no option --why'],
    ['a file that has others', ['other', '--file', 'record'], 'has no decision other'],
    ['one that was tampered with', ['own', '--file', 'tampered'], 'facts.checks must be of type object, not null'],
  ])('is refused with %s', (_what, args, message) => {
    const contents: Record<string, unknown> = {
      record,
      tampered: { ...record, facts: { ...record.facts, checks: null } },
    };
    const typed = args.map((arg, i) =>
      i === 0 && arg === 'own' ? record.id : arg in contents ? file('given.json', contents[arg]) : arg,
    );
    const { status, stderr } = run(...typed);
    expect([status, stderr]).toEqual([2, expect.stringContaining(message)]);
  });

  it('asks the service, or opens its engines', () => {
    const env = { ...process.env, REMIT_DATA: data };
    const { status, stdout } = spawnSync(process.execPath, [main, 'explain', record.id, '--why-not', '--json'], {
      env,
      cwd: root,
      encoding: 'utf8',
    });
    expect([status, JSON.parse(stdout)]).toMatchObject([
      0,
      { id: record.id, why_not: { kind: 'changes', certain: true } },
    ]);
    const absent = spawnSync(process.execPath, [main, 'explain', '01999999-0000-7000-8000-000000000000'], {
      env,
      cwd: root,
      encoding: 'utf8',
    });
    expect([absent.status, absent.stderr]).toEqual([2, expect.stringContaining('There is no such decision.')]);
  }, 600_000);
});
