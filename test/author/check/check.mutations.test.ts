/**
 * Two hundred mistakes in the sample's policies, schemas and tests: a check, a comparison or the tests catch each that
 * doesn't mean the same, and none crashes them.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { checkProject, type CheckResult } from '../../../src/author/check/check.js';
import { CHECK_RULES } from '../../../src/author/check/check-rules.js';
import { compareRules } from '../../../src/author/diff/compare.js';
import { openSide } from '../../../src/author/diff/side.js';
import { FindingsError } from '../../../src/diagnostics/diagnostics.js';
import type { Rules } from '../../../src/policy/load.js';
import type { TestCase } from '../../../src/author/test/case.js';
import { TestEnvironment } from '../../../src/author/test/environment.js';
import { hasPassed, runCases } from '../../../src/author/test/run.js';
import { BREAKING, mutations, OTHERS, type Mutation } from './mutations.js';

// SpiceDB is loaded, on machines that are busy with other tests.
vi.setConfig({ testTimeout: 300_000 });

const root = fileURLToPath(new URL('../../..', import.meta.url));
const FILES = ['policies/agents.cedar', 'policies/code.cedar', 'policies/hr.cedar', 'schema/acme.cedarschema', 'schema/acme.zed', 'policies/agents_test.yaml', 'policies/code_test.yaml', 'policies/hr_test.yaml']; // prettier-ignore
const sources = FILES.map((file) => ({ file, text: readFileSync(join(root, file), 'utf8') }));

const TITLE = 'how a reason is worded decides nothing';
const OBJECT = 'a type stands for the definition of its own name without being told';
/** Mistakes that nothing catches, each with the reason why it means the same. */
const EQUIVALENT = new Map([
  ['annotation at policies/hr.cedar:75', TITLE],
  ['annotation at policies/agents.cedar:41', TITLE],
  ['annotation at policies/agents.cedar:7', TITLE],
  ['annotation at policies/code.cedar:39', TITLE],
  ['line at schema/acme.cedarschema:161', OBJECT],
  ['annotation at schema/acme.cedarschema:106', OBJECT],
]);

let directory: string;
let config: string;
let original: Rules;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'remit-mutations-'));
  config = join(directory, 'fixtures/acme.remit.yaml');
  for (const part of ['policies', 'schema', 'fixtures'])
    cpSync(join(root, part), join(directory, part), { recursive: true });
  original = openSide(config).rules;
  return () => {
    rmSync(directory, { recursive: true, force: true });
  };
});

/** Runs a function while the sample has the mutation in it. */
async function within<T>({ file, text }: Mutation, act: () => Promise<T>): Promise<T> {
  const before = sources.find((source) => source.file === file)?.text ?? '';
  writeFileSync(join(directory, file), text);
  try {
    return await act();
  } finally {
    writeFileSync(join(directory, file), before);
  }
}

/** The tests are read only where the mutation is in them. */
function checked({ file }: Mutation): Promise<CheckResult> {
  return checkProject(config, { env: {}, tests: file.endsWith('.yaml') });
}

/** Expects a rule of the catalogue, and a place that exists in a file that was read. */
function expectValid({ findings, files }: CheckResult): void {
  for (const { rule, severity, file, line, column, message } of findings) {
    expect(CHECK_RULES.get(rule)?.severity).toBe(severity);
    const text = files.find(({ name }) => name === file)?.text.split('\n')[line - 1];
    expect(text, `${file}:${line}`).toBeDefined();
    expect(column).toBeGreaterThanOrEqual(1);
    expect(column).toBeLessThanOrEqual((text ?? '').length + 1);
    expect(message).toMatch(/\S/);
  }
}

describe('mistakes that break a form or a name', () => {
  const broken = mutations(sources, { seed: 1, count: 100, kinds: BREAKING });
  it('are a hundred', () => {
    expect(broken).toHaveLength(100);
    for (const kind of BREAKING) expect(broken.filter((m) => m.kind === kind).length).toBeGreaterThan(10);
  });
  it.each(broken.map((m) => [m.what, m] as const))('are found: %s', async (_, mutation) => {
    const result = await within(mutation, () => checked(mutation));
    expectValid(result);
    expect(result.findings.filter(({ severity }) => severity === 'error')).not.toEqual([]);
  });
});

describe('mistakes after which it may be valid', () => {
  const others = mutations(sources, { seed: 2, count: 100, kinds: OTHERS });
  it('are a hundred', () => {
    expect(others).toHaveLength(100);
    for (const kind of OTHERS) expect(others.filter((m) => m.kind === kind).length, kind).toBeGreaterThan(2);
  });

  it('are all caught, but for those that mean the same', async () => {
    const left: string[] = [];
    for (const mutation of others) {
      const caught = await within(mutation, () => catching(mutation));
      if (caught === undefined) left.push(mutation.what.split(': ')[0] ?? '');
    }
    expect(left).toEqual([...EQUIVALENT.keys()]);
  });
});

/** Returns what catches the mistake, the quickest first. */
async function catching(mutation: Mutation): Promise<'check' | 'diff' | 'test' | undefined> {
  const result = await checked(mutation);
  expectValid(result);
  if (result.findings.length > 0) return 'check';
  const { rules, cases } = openSide(config);
  const { groups, schema } = await compareRules(original, rules, { cases: [], requests: 300, seed: 1, records: [] });
  if (groups.length + schema.length > 0) return 'diff';
  let asked: readonly TestCase[];
  try {
    asked = cases();
  } catch (error) {
    // A test states what nothing reads any more, such as uses of a limit that is gone.
    if (error instanceof FindingsError) return 'test';
    throw error;
  }
  return (await pass(asked, rules)) ? undefined : 'test';
}

async function pass(cases: readonly TestCase[], rules: Rules): Promise<boolean> {
  const ground = await TestEnvironment.start(rules.graph);
  try {
    return (await runCases(cases, rules, ground)).every(hasPassed);
  } finally {
    await ground.close();
  }
}
