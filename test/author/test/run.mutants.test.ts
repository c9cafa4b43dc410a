/** The sample's tests tell each mutant of its policies from the original: what the policies mean is in the tests. */
import { beforeAll, expect, it, vi } from 'vitest';
import { loadConfig } from '../../../src/config/config.js';
import { readSources } from '../../../src/config/files.js';
import { ConfigError } from '../../../src/model/faults.js';
import { loadRules, type Rules } from '../../../src/policy/load.js';
import type { TestSuite } from '../../../src/author/test/case.js';
import { findTestFiles } from '../../../src/author/test/test-files.js';
import { TestEnvironment } from '../../../src/author/test/environment.js';
import { hasPassed, runCases } from '../../../src/author/test/run.js';
import { readSuites } from '../../../src/author/test/session.js';
import { readWorldFile } from '../../../src/config/world.js';
import { SAMPLE } from '../../support/sample.js';
import { EQUIVALENT, mutants } from './mutants.js';
import { NO_APPROVER_RULES } from '../../../src/govern/approvals/eligibility.js';

// Real engines, on a machine that may be busy with much else.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const config = loadConfig(SAMPLE, {});
const sources = readSources(config.sources);
const rules = loadRules(sources);
let suites: readonly TestSuite[];
let ground: TestEnvironment;

beforeAll(async () => {
  const world = readWorldFile(config.world ?? '', rules);
  const found = findTestFiles([], config.sources);
  suites = readSuites(found.suites, { approverRules: NO_APPROVER_RULES, rules, world: () => world });
  ground = await TestEnvironment.start(rules.graph);
  return () => ground.close();
});

it('passes on the original', async () => {
  expect(
    (
      await runCases(
        suites.flatMap((s) => s.cases),
        rules,
        ground,
      )
    )
      .filter((t) => !hasPassed(t))
      .map((t) => t.case.test),
  ).toEqual([]);
});

it('fails on every mutant, or the mutant is refused', { timeout: 1_800_000 }, async () => {
  const all = mutants(rules);
  expect(new Set(all.map((m) => m.what)).size).toBe(all.length);
  expect(all.length).toBeGreaterThan(100);
  const survivors: string[] = [];
  for (const { what, text } of all) if (await survives(what, text)) survivors.push(what);
  expect(survivors).toEqual([...EQUIVALENT.keys()]);
});

async function survives(what: string, text: string): Promise<boolean> {
  let mutated: Rules;
  try {
    mutated = loadRules({ ...sources, policies: [{ name: 'mutant.cedar', text }] });
  } catch (error) {
    if (error instanceof ConfigError) return false;
    throw error;
  }
  // The tests of a mutant's own file run first: they find most mutants.
  const own = rules.policies.get(what.slice(0, what.indexOf(':')))?.source.replace(/\.cedar:\d+$/, '_test.yaml');
  const ordered = [...suites].sort((a, b) => Number(b.file === own) - Number(a.file === own));
  for (const { cases } of ordered) if (!(await runCases(cases, mutated, ground)).every(hasPassed)) return false;
  return true;
}
