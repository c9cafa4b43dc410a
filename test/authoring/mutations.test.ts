/** Two hundred mistakes in the sample: checking bears them all, and finds every one that breaks a form or a name. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync, cpSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { check, type Checked } from '../../src/authoring/check.js';
import { RULES } from '../../src/authoring/rules.js';
import { BREAKING, mutations, OTHERS, type Mutation } from './mutations.js';

// SpiceDB is loaded, on machines that are busy with other tests.
vi.setConfig({ testTimeout: 120_000 });

const root = fileURLToPath(new URL('../..', import.meta.url));
const FILES = ['policies/agents.cedar', 'policies/code.cedar', 'policies/hr.cedar', 'schema/acme.cedarschema', 'schema/acme.zed']; // prettier-ignore
const sources = FILES.map((file) => ({ file, text: readFileSync(join(root, file), 'utf8') }));

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'remit-mutations-'));
  for (const part of ['policies', 'schema', 'fixtures'])
    cpSync(join(root, part), join(directory, part), { recursive: true });
});
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

/** The sample with the mutation in it. */
async function checked({ file, text }: Mutation): Promise<Checked> {
  const original = sources.find((source) => source.file === file)?.text ?? '';
  writeFileSync(join(directory, file), text);
  try {
    return await check(join(directory, 'fixtures/acme.remit.yaml'), { env: {} });
  } finally {
    writeFileSync(join(directory, file), original);
  }
}

/** That a finding has a rule of the catalogue, and a place that there is in a file that was read. */
function expectValid({ findings, files }: Checked): void {
  for (const { rule, severity, file, line, column, message } of findings) {
    expect(RULES.get(rule)?.severity).toBe(severity);
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
    const result = await checked(mutation);
    expectValid(result);
    expect(result.findings.filter(({ severity }) => severity === 'error')).not.toEqual([]);
  });
});

describe('mistakes after which it may be valid', () => {
  const others = mutations(sources, { seed: 2, count: 100, kinds: OTHERS });
  it('are a hundred', () => expect(others).toHaveLength(100));
  it.each(others.map((m) => [m.what, m] as const))('are borne: %s', async (_, mutation) => {
    expectValid(await checked(mutation));
  });
});
