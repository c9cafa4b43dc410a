/** Generated requests alone tell each mutant of the sample's policies from the original, without any test of theirs. */
import { expect, it } from 'vitest';
import { compare, type Comparison } from '../../src/comparing/compare.js';
import { loadConfig } from '../../src/config.js';
import { readSources } from '../../src/config/files.js';
import { ConfigError } from '../../src/model/faults.js';
import { loadRules } from '../../src/rules/load.js';
import { SAMPLE } from '../sample.js';
import { mutants } from '../testing/mutants.js';

const sources = readSources(loadConfig(SAMPLE, {}).sources);
const rules = loadRules(sources);

it('x', async () => {
  const t0 = performance.now();
  const same = await compare(rules, rules, { cases: [], requests: 100000, seed: 1, records: [] });
  console.log(same.counts, performance.now() - t0);
  const survivors: string[] = [];
  let n = 0;
  for (const { what, text } of mutants(rules)) {
    let mutated;
    try { mutated = loadRules({ ...sources, policies: [{ name: 'mutant.cedar', text }] }); } catch (error) { if (error instanceof ConfigError) continue; throw error; }
    n += 1;
    const c = await compare(rules, mutated, { cases: [], requests: 1000, seed: 1, records: [] });
    if (c.groups.length === 0) survivors.push(what);
    if (what === 'only-payroll-exporters-export: removed') console.log(c.counts, JSON.stringify(c.groups.map(({example, ...g}) => ({...g, text: example.text, where: example.where})), undefined, 1));
  }
  console.log(n, survivors, performance.now() - t0);
});
