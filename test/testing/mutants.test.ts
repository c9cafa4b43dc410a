/** The sample's tests tell each mutant of its policies from the original: what the policies mean is in the tests. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadConfig } from '../../src/config.js';
import { readSources } from '../../src/config/files.js';
import { ConfigError } from '../../src/model/faults.js';
import { loadRules, type Rules } from '../../src/rules/load.js';
import type { Case } from '../../src/testing/case.js';
import { findTestFiles } from '../../src/testing/files.js';
import { Ground } from '../../src/testing/ground.js';
import { passed, run } from '../../src/testing/run.js';
import { readSuites } from '../../src/testing/session.js';
import { readWorld } from '../../src/world.js';
import { SAMPLE } from '../sample.js';
import { mutants } from './mutants.js';

/** Mutants that mean the same as the original, each with why. */
const EQUIVALENT = new Map([
  ['long-chains-only-read: any principal', 'a person alone has no chain: the depth is 0'],
  ['protected-branches-need-approval: unless 1 dropped', 'nothing gives an approval yet'],
  ['owners-hear-of-protected-merges: @duty notify:nobody', 'the same: what it would bring comes with no allow yet'],
  ['agents-work-with-records: any action', 'what it adds is deleting, which agents-never-delete forbids every agent'],
]);

const config = loadConfig(SAMPLE, {});
const sources = readSources(config.sources);
const rules = loadRules(sources);
let suites: readonly (readonly Case[])[];
let ground: Ground;

beforeAll(async () => {
  const world = readWorld(config.world ?? '', rules);
  const found = findTestFiles([], config.sources);
  suites = readSuites(found.suites, { rules, world: () => world }).map((suite) => suite.cases);
  ground = await Ground.start(rules.graph);
});
afterAll(() => ground.close());

it('passes on the original', async () => {
  expect((await run(suites.flat(), rules, ground)).filter((t) => !passed(t)).map((t) => t.case.test)).toEqual([]);
});

it('fails on every mutant, or the mutant is refused', { timeout: 600_000 }, async () => {
  const all = mutants(rules);
  expect(new Set(all.map((m) => m.what)).size).toBe(all.length);
  expect(all.length).toBeGreaterThan(100);
  const survivors: string[] = [];
  for (const { what, text } of all) if (await survives(text)) survivors.push(what);
  expect(survivors).toEqual([...EQUIVALENT.keys()]);
});

async function survives(text: string): Promise<boolean> {
  let mutated: Rules;
  try {
    mutated = loadRules({ ...sources, policies: [{ name: 'mutant.cedar', text }] });
  } catch (error) {
    if (error instanceof ConfigError) return false;
    throw error;
  }
  for (const cases of suites) if (!(await run(cases, mutated, ground)).every(passed)) return false;
  return true;
}
