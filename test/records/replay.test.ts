/** Decisions made again: the same by the rules that they were made with, and by others just what changes. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import {
  classifyChange,
  isWidening,
  type DecisionChange,
  type ComparableDecision,
} from '../../src/records/difference.js';
import { readSources } from '../../src/config/files.js';
import type { DecisionRecord, SearchRecord } from '../../src/model/decision.js';
import { formatGrounds, replayRecord } from '../../src/records/replay.js';
import { loadRules, type RuleSources } from '../../src/policy/load.js';
import { start, startWith, type Running } from '../support/sample.js';
import { collectCleanups } from '../support/cleanups.js';

const EXPORTERS = 'principal.kind == "payroll-exporter"';
const AND_ASSISTANTS = `${EXPORTERS} || principal.kind == "assistant"`;
const root = fileURLToPath(new URL('../..', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'remit-replay-'));
let remit: Running;
let records: readonly (DecisionRecord | SearchRecord)[];
/** By what was asked: `read erin`. */
const record = (what: string): DecisionRecord =>
  records.find(
    (r): r is DecisionRecord =>
      'facts' in r && `${r.request.action} ${r.request.resource.id}` === what && r.rationale.steps.length === 8,
  ) as DecisionRecord;

const onSuiteFinished = collectCleanups();
onSuiteFinished(() => rmSync(directory, { recursive: true, force: true }));
beforeAll(async () => {
  remit = await start();
  onSuiteFinished(() => remit.stop());
  const scope = 'hr.employees.read hr.employees.write hr.employees.export code.read code.write';
  const token = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope });
  for (const [action, type, id] of [
    ['read', 'employee', 'erin'],
    ['delete', 'employee', 'erin'],
    ['export', 'employee', 'erin'],
    ['read', 'employee', 'zoe'],
    ['jump', 'employee', 'zoe'],
  ])
    await remit.evaluate({
      subject: { type: 'user', id: 'alice' },
      action: { name: action },
      resource: { type, id },
      context: { token },
    });
  await remit.evaluate({
    subject: { type: 'user', id: 'alice' },
    action: { name: 'read' },
    resource: { type: 'employee', id: 'erin' },
    context: { token: `${token}x` },
  });
  await remit.post('/access/v1/search/action', {
    subject: { type: 'user', id: 'alice' },
    resource: { type: 'employee', id: 'erin' },
    context: { token },
  });
  ({ records } = await remit.service.decisions.list({}, undefined, 100));
});

/** The sample's rules, with one text for another. */
function changed(from: string | RegExp, to: string): ReturnType<typeof loadRules> {
  const sources = readSources(remit.service.config.sources);
  let found = false;
  const edit = <T extends { readonly text: string }>(file: T): T => {
    const text = file.text.replace(from, to);
    found ||= text !== file.text;
    return { ...file, text };
  };
  const edited: RuleSources = {
    relationships: edit(sources.relationships),
    actions: sources.actions.map(edit),
    policies: sources.policies.map(edit),
  };
  expect(found).toBe(true);
  return loadRules(edited);
}

describe('by the same rules', () => {
  it('every decision comes out the same; lists are not made again', () => {
    const kinds = records.map((r) => replayRecord(r, remit.service.activePolicies.rules).kind);
    expect(kinds.toSorted()).toEqual([...Array.from({ length: 6 }, () => 'same'), 'unrecorded']);
  });

  it('a record that was tampered with does not', () => {
    const denied = record('delete erin');
    expect(replayRecord({ ...denied, decision: true, reasons: [] }, remit.service.activePolicies.rules)).toMatchObject({
      kind: 'changed',
      change: 'newly_denied',
    });
    const { facts } = record('read zoe');
    const [gate = ''] = Object.keys(facts?.checks ?? {}).filter((key) => key.includes('#view@'));
    const forged = { ...facts, checks: { ...facts?.checks, [gate]: { result: 'yes', revision: 'x' } } };
    // Nothing stored of a resource out of reach is on record, so more than the one answer would have to be forged.
    const forgedRecord = { ...record('read zoe'), facts: forged } as DecisionRecord;
    const rules = remit.service.activePolicies.rules;
    expect(replayRecord(forgedRecord, rules)).toEqual({ kind: 'inconclusive', missing: ['employee:zoe'] });
    const entities = { ...forged.entities, 'employee:zoe': { attributes: {}, omitted: ['status'] } };
    const wholly = { ...forgedRecord, facts: { ...forged, entities } } as DecisionRecord;
    expect(replayRecord(wholly, rules)).toMatchObject({ kind: 'changed', change: 'newly_allowed' });
  });

  it('facts whose names are those of every object are none', () => {
    const read = record('read erin');
    const facts = { ...read.facts, checks: {}, entities: {} } as DecisionRecord['facts'];
    const without = replayRecord({ ...read, facts }, remit.service.activePolicies.rules);
    expect(without.kind).toBe('inconclusive');
    expect(without).toMatchObject({ missing: expect.arrayContaining(['employee:erin', 'agent:hr-assistant']) as [] });
  });

  it('one that could not be stored in time is the same, whatever it would have been', () => {
    const rules = remit.service.activePolicies.rules;
    for (const what of ['read erin', 'delete erin', 'read zoe', 'jump zoe']) {
      const decided = records.find(
        (r): r is DecisionRecord => 'facts' in r && `${r.request.action} ${r.request.resource.id}` === what,
      ) as DecisionRecord;
      // As the law has it: an answer that isn't on record says nothing but that.
      const steps = [{ step: 'record', outcome: 'unknown', evidence: {} }] as const;
      const unstored = { ...decided, decision: false, reasons: [], obligations: [], rationale: { steps } };
      expect(replayRecord(unstored, rules), what).toEqual({ kind: 'same' });
    }
  });

  it('a decision whose facts could not be stored is told apart', () => {
    const { facts: _, ...rest } = record('read erin');
    expect(replayRecord(rest, remit.service.activePolicies.rules)).toEqual({ kind: 'unrecorded' });
  });

  it('one whose facts are not kept has all the rest on record, and says so', async () => {
    const without = await startWith({ issuers: [], clients: [], records: { facts: false } });
    onTestFinished(() => without.stop());
    const { context } = await without.evaluate({
      subject: { type: 'user', id: 'alice' },
      action: { name: 'read' },
      resource: { type: 'employee', id: 'erin' },
      context: { mode: 'human' },
    });
    const kept = (await without.service.decisions.find(context?.id ?? ''))?.record as DecisionRecord;
    expect(kept).toMatchObject({ decision: true, request: { resource: { type: 'employee', id: 'erin' } } });
    expect(kept.rationale.steps).toHaveLength(8);
    expect(kept).not.toHaveProperty('facts');
    expect(replayRecord(kept, without.service.activePolicies.rules)).toEqual({ kind: 'unrecorded' });
  });
});

describe('by other rules', () => {
  it('says what is newly allowed, and by which policy', () => {
    const lenient = changed(EXPORTERS, AND_ASSISTANTS);
    const came = replayRecord(record('export erin'), lenient);
    expect(came).toMatchObject({ kind: 'changed', change: 'newly_allowed' });
    expect(came.kind === 'changed' && formatGrounds(came.after)).toBe('permitted by agents-work-with-records');
    expect(replayRecord(record('read erin'), lenient)).toEqual({ kind: 'same' });
  });

  it('says what is newly denied, and by which', () => {
    const strict = changed(
      '@id("agents-never-delete")',
      '@id("no-reads") forbid (principal is Agent, action == HR::Action::"read", resource is HR::Employee);\n@id("agents-never-delete")',
    );
    const came = replayRecord(record('read erin'), strict);
    expect(came).toMatchObject({ kind: 'changed', change: 'newly_denied' });
    expect(came.kind === 'changed' && formatGrounds(came.after)).toBe('policy_forbid no-reads');
  });

  it('says what has fewer obligations', () => {
    const bare = changed('@duty("mask:pii")', '@duty("mask:ssn")');
    expect(replayRecord(record('read erin'), bare)).toMatchObject({
      kind: 'changed',
      change: 'fewer_obligations',
      obligations: { lifted: [{ duty: 'mask:salary' }], imposed: [] },
    });
  });

  it('says what it rests on that is not on record', () => {
    const wider = changed(/can: \{/, 'can: { manage: Bool,');
    expect(replayRecord(record('read erin'), wider)).toMatchObject({
      kind: 'inconclusive',
      missing: ['employee:erin#manage@user:alice'],
    });
    // What is denied by what is on record stays denied, whatever else may be the case.
    expect(replayRecord(record('read zoe'), wider).kind).toBe('same');
  });
});

describe('a change', () => {
  const answer = (decision: boolean, ...fields: string[]) => ({
    decision,
    reasons: [],
    obligations: fields.length === 0 ? [] : [{ id: 'mask', type: 'mask' as const, properties: { fields } }],
  });
  it.each<[string, ComparableDecision, ComparableDecision, DecisionChange | undefined]>([
    ['nothing', answer(true, 'a'), answer(true, 'a'), undefined],
    ['an allow for a deny', answer(false), answer(true), 'newly_allowed'],
    ['a deny for an allow', answer(true, 'a'), answer(false), 'newly_denied'],
    ['less to mask', answer(true, 'a', 'b'), answer(true, 'b'), 'fewer_obligations'],
    ['more to mask', answer(true, 'b'), answer(true, 'a', 'b'), 'more_obligations'],
    ['the whole for a part', answer(true, 'a.b'), answer(true, 'a'), 'more_obligations'],
    ['a part for the whole', answer(true, 'a'), answer(true, 'a.b'), 'fewer_obligations'],
    ['nothing to mask at all', answer(true, 'a'), answer(true), 'fewer_obligations'],
  ])('%s', (_what, before, after, change) => {
    expect(classifyChange(before, after)).toBe(change);
    if (change !== undefined)
      expect(isWidening(change)).toBe(change === 'newly_allowed' || change === 'fewer_obligations');
  });

  it.each([
    ['a weaker mask', { fields: ['a'] }, { fields: ['a'], modes: { a: 'last4' } }, 'mask', 'fewer_obligations'],
    ['a stricter mask', { fields: ['a'], modes: { a: 'last4' } }, { fields: ['a'], modes: { a: 'hash' } }, 'mask', 'more_obligations'],
    ['more to see', { fields: ['a'] }, { fields: ['a', 'b'] }, 'visible_fields', 'fewer_obligations'],
    ['less to see', { fields: ['a', 'b'] }, { fields: ['a'] }, 'visible_fields', 'more_obligations'],
    ['nobody told', { to: ['x', 'y'] }, { to: ['x'] }, 'notification', 'fewer_obligations'],
  ] as const)('%s', (_what, before, after, type, change) => {
    const of = (properties: object) => ({
      decision: true,
      reasons: [],
      obligations: [{ id: type, type, properties: { ...properties } }],
    });
    expect(classifyChange(of(before), of(after))).toBe(change);
  }); // prettier-ignore
});

describe('remit replay', () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [join(root, 'dist/main.js'), 'replay', ...args], { cwd: root, encoding: 'utf8' });
  let file: string;
  let other: string;
  beforeAll(() => {
    file = join(directory, 'records.json');
    writeFileSync(file, records.map((r) => JSON.stringify(r)).join('\n'));
    for (const folder of ['schema', 'policies', 'fixtures'])
      cpSync(join(root, folder), join(directory, folder), { recursive: true });
    other = join(directory, 'fixtures/acme.remit.yaml');
    const hr = join(directory, 'policies/hr.cedar');
    writeFileSync(hr, readFileSync(hr, 'utf8').replace(EXPORTERS, AND_ASSISTANTS));
  });

  it('ends well where all come out the same', () => {
    const { status, stdout } = run('--file', file);
    expect([status, stdout]).toEqual([0, expect.stringContaining('6 come out the same')]);
  });

  it('by other rules prints what would be newly allowed, and fails where it is told to', () => {
    const { status, stdout } = run('--file', file, '--rules', other);
    expect(status).toBe(0);
    expect(stdout).toContain('1 newly allowed');
    expect(stdout).toContain('agent:hr-assistant for user:alice export employee:erin: permitted by agents-work-with-records');
    expect(run('--file', file, '--rules', other, '--fail-on', 'widening').status).toBe(1);
    const { changes } = JSON.parse(run('--file', file, '--rules', other, '--json').stdout) as { changes: object[] };
    expect(changes).toEqual([expect.objectContaining({ change: 'newly_allowed', same_rules: false })]);
  });

  it('takes the directory of a configuration, or of policies, which go with the schemas of --config', () => {
    const [byFile, byDirectory, byPolicies] = [other, join(directory, 'fixtures'), join(directory, 'policies')].map((rules) => run('--file', file, '--rules', rules, '--json'));
    expect(JSON.parse(byFile?.stdout ?? '')).toMatchObject({ decisions: records.length, changes: [{ change: 'newly_allowed' }] });
    expect([byDirectory?.stdout, byPolicies?.stdout]).toEqual([byFile?.stdout, byFile?.stdout]);
    const empty = join(directory, 'empty');
    mkdirSync(empty);
    const { status, stderr } = run('--file', file, '--rules', empty);
    expect([status, stderr]).toEqual([2, expect.stringContaining('there is no remit.yaml here')]);
  });

  it('names the obligations that are no longer due', () => {
    const fewer = join(directory, 'fewer');
    for (const folder of ['schema', 'policies', 'fixtures'])
      cpSync(join(root, folder), join(fewer, folder), { recursive: true });
    const hr = join(fewer, 'policies/hr.cedar');
    writeFileSync(hr, readFileSync(hr, 'utf8').replace('@duty("mask:pii")', '@duty("mask:ssn=last4")'));
    const args = ['--file', file, '--rules', join(fewer, 'fixtures/acme.remit.yaml')];
    expect(run(...args).stdout).toContain('; no longer due: mask:salary, mask:ssn (now mask:ssn=last4)\n');
    expect(JSON.parse(run(...args, '--json').stdout)).toMatchObject({
      changes: expect.arrayContaining([
        expect.objectContaining({ lifted: [{ duty: 'mask:salary' }, { duty: 'mask:ssn', instead: 'mask:ssn=last4' }] }),
      ]) as object[],
    });
  });

  it('fails where the same rules decide otherwise: a record was changed, or there is a fault', () => {
    const tampered = join(directory, 'tampered.json');
    writeFileSync(tampered, JSON.stringify({ results: [{ ...record('delete erin'), decision: true }] }));
    const { status, stdout } = run('--file', tampered);
    expect([status, stdout]).toEqual([1, expect.stringContaining('FAULT')]);
  });

  it('prints nothing that a record says as a command to the terminal', () => {
    const strange = join(directory, 'strange.json');
    const { request, ...rest } = record('delete erin');
    writeFileSync(strange, JSON.stringify([{ ...rest, decision: true, request: { ...request, action: 'delete\u001b[2J' } }]));
    expect(run('--file', strange).stdout).not.toContain('\u001b');
  });

  it('asks the service, or opens its engines', () => {
    const env = { ...process.env, REMIT_DATA: join(directory, 'data') };
    const token = execFileSync(process.execPath, [join(root, 'dist/main.js'), 'token', '--user', 'alice', '--agent', 'hr-assistant', '--scope', 'hr.employees.read'], { env, cwd: root, encoding: 'utf8' }).trim();
    const cli = (...args: string[]) =>
      spawnSync(process.execPath, [join(root, 'dist/main.js'), ...args], { env, cwd: root, encoding: 'utf8' });
    cli('decide', '--subject', 'user:alice', '--action', 'read', '--resource', 'employee:erin', '--token', token);
    const { status, stdout } = cli('replay', '--json');
    expect([status, JSON.parse(stdout)]).toMatchObject([0, { decisions: 1, same: 1, changes: [] }]);
  });
}); // prettier-ignore
