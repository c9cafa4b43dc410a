/** A world's lines are read as they are written: only blanks and comments are passed over. */
import { beforeAll, expect, it } from 'vitest';
import { SAMPLE } from '../support/sample.js';
import { loadConfig } from '../../src/config/config.js';
import { readSources } from '../../src/config/files.js';
import { examineWorld } from '../../src/config/world.js';
import { loadRules, type Rules } from '../../src/policy/load.js';

const LINE = 'agent:a#delegator@user:ada';
let rules: Rules;
beforeAll(() => {
  rules = loadRules(readSources(loadConfig(SAMPLE, {}).sources));
});

function examine(relationships: string): { readonly read: number; readonly problems: readonly string[] } {
  const problems: string[] = [];
  const world = examineWorld({ relationships, entities: [] }, rules, ({ message }) => problems.push(message));
  return { read: world.relationships.length, problems };
}

it.each([LINE, `\t ${LINE} \r`, `${LINE} // who`, `${LINE}\t// who`, `// all\n\n${LINE}\r\n`])('reads %j', (text) => {
  expect(examine(text)).toEqual({ read: 1, problems: [] });
});

it.each(['\ufeff', '\u00a0', '\v', '\f', '\u2003', '\u2028', '\u200b'])('refuses %j around a line', (odd) => {
  for (const text of [`${odd}${LINE}`, `${LINE}${odd}`, `${LINE}${odd}// who`, `${LINE}${odd} // who`]) {
    const { read, problems } = examine(text);
    expect(read).toBe(0);
    expect(problems).toHaveLength(1);
  }
});
