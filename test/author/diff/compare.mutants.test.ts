/** Generated requests alone find each mutant of the sample's policies, without their tests. */
import { expect, it, vi } from 'vitest';
import { compareRules } from '../../../src/author/diff/compare.js';
import { ConfigError } from '../../../src/model/faults.js';
import { loadRules } from '../../../src/policy/load.js';
import { EQUIVALENT, mutants } from '../test/mutants.js';
import { rules, sources } from './sample-rules.js';

// Some eighty thousand decisions, on a machine that may be busy with much else.
vi.setConfig({ testTimeout: 900_000 });

const UNTRIED = [
  // No generated request presents an approval.
  'protected-branches-need-approval: unless 1 dropped',
  'nothing-private-leaves-after-untrusted: unless 2 dropped',
  // Answers are compared as clients see them, and no client is told of a review.
  ...['removed', 'any principal', 'any action', 'User for Agent'].map(
    (change) => `agent-exports-are-reviewed: ${change}`,
  ),
];

it('show a difference for each that is no equivalent', async () => {
  const survivors: string[] = [];
  for (const { what, text } of mutants(rules)) {
    const mutated = loaded(text);
    if (mutated === undefined) continue;
    const { groups } = await compareRules(rules, mutated, { cases: [], requests: 300, seed: 1, records: [] });
    if (groups.length === 0) survivors.push(what);
  }
  expect(survivors).toEqual(expect.arrayContaining(UNTRIED));
  expect(survivors.filter((what) => !UNTRIED.includes(what))).toEqual([...EQUIVALENT.keys()]);
});

/** undefined where the service would refuse to start with it. */
function loaded(text: string): typeof rules | undefined {
  try {
    return loadRules({ ...sources, policies: [{ name: 'mutant.cedar', text }] });
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}
