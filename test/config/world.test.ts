/** A world's lines are read as they are written: only blanks and comments are passed over. */
import { beforeAll, describe, expect, it } from 'vitest';
import { SAMPLE, start, type Running } from '../support/sample.js';
import { loadConfig } from '../../src/config/config.js';
import { readSources } from '../../src/config/files.js';
import { examineWorld, type WorldProblem } from '../../src/config/world.js';
import { formatProblem } from '../../src/diagnostics/diagnostics.js';
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

describe('what is wrong with an entity', () => {
  let remit: Running;
  beforeAll(async () => {
    remit = await start();
    return () => remit.stop();
  });

  it.each([
    ['emploiee', {}, [], 'type'],
    ['agent', { suspened: true }, [], 'attributes.suspened'],
    ['agent', { suspended: 'no' }, [], 'attributes.suspended'],
    ['employee', {}, [{ type: 'agent', id: 'y' }], 'parents[0].type'],
    ['employee', {}, [{ type: 'emploiee', id: 'y' }], 'parents[0].type'],
  ] as const)('is said of a file as over HTTP, at its place: %s %j %j', async (type, attributes, parents, at) => {
    const entity = { type, id: 'a', attributes, parents: [...parents] };
    const problems: WorldProblem[] = [];
    examineWorld({ relationships: '', entities: [entity] }, rules, (problem) => problems.push(problem));
    const response = await remit.request('PUT', `/v1/entities/${type}/a`, { attributes, parents });
    const { error } = response.json<{ error: { message: string; at: string } }>();
    expect([response.statusCode, error.at]).toEqual([400, at]);
    expect(problems.map(formatProblem)).toEqual([`(${type}:a): ${error.message}`]);
    expect(problems[0]?.path).toEqual(['entities', 0, ...at.split(/[.[\]]+/).map((key) => (key === '0' ? 0 : key))]);
  });

  it('is found below names that have points and brackets of their own', () => {
    const attributes = { 'a.b': [{ 'c[0]': '\ud800' }], a: { b: 1 } };
    const problems: WorldProblem[] = [];
    const entity = { type: 'agent', id: 'a', attributes, parents: [] };
    examineWorld({ relationships: '', entities: [entity] }, rules, (problem) => problems.push(problem));
    expect(problems.map(({ path }) => path)).toEqual([['entities', 0, 'attributes', 'a.b', 0, 'c[0]']]);
  });

  it('is a slip in the name of a member, which the one that was meant is told for', async () => {
    const response = await remit.request('PUT', '/v1/entities/employee/a', { attribute: {} });
    expect(response.json()).toEqual({
      error: {
        code: 'bad_request',
        message: 'has members that are not known: "attribute" (did you mean "attributes"?)',
      },
    });
    const parent = await remit.request('PUT', '/v1/entities/employee/a', { parents: [{ typ: 'team', id: 'x' }] });
    expect(parent.json()).toMatchObject({ error: { at: expect.stringContaining('parents[0]') as string } });
  });
});
