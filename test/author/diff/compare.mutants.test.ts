/** Generated requests alone find each mutant of the sample's policies, without their tests. */
import { expect, it, vi } from 'vitest';
import { compareRules } from '../../../src/author/diff/compare.js';
import { ConfigError } from '../../../src/model/faults.js';
import { loadRules } from '../../../src/policy/load.js';
import { EQUIVALENT, mutants } from '../test/mutants.js';
import { rules, sources } from './sample-rules.js';

// Some eighty thousand decisions, on a machine that may be busy with much else.
vi.setConfig({ testTimeout: 900_000 });

/** No generated request presents an approval. */
const UNTRIED = 'protected-branches-need-approval: unless 1 dropped';

it('show a difference for each that is no equivalent', async () => {
  const survivors: string[] = [];
  for (const { what, text } of mutants(rules)) {
    const mutated = loaded(text);
    if (mutated === undefined) continue;
    const { groups } = await compareRules(rules, mutated, { cases: [], requests: 300, seed: 1, records: [] });
    if (groups.length === 0) survivors.push(what);
  }
  expect(survivors).toContain(UNTRIED);
  expect(survivors.filter((what) => what !== UNTRIED)).toEqual([...EQUIVALENT.keys()]);
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
