/** A world's lines are read as they are written: only blanks and comments are passed over. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { SAMPLE, start, type Running } from '../support/sample.js';
import { loadConfig } from '../../src/config/config.js';
import { readSources } from '../../src/config/files.js';
import { examineWorld, worldFormat, type WorldProblem } from '../../src/config/world.js';
import { readYaml } from '../../src/config/yaml.js';
import { INEXACT_NUMBER } from '../../src/runtime/strict-json.js';
import { formatProblem } from '../../src/diagnostics/diagnostics.js';
import { loadRules, type Rules } from '../../src/policy/load.js';

const LINE = 'agent:a#delegator@user:ada';
let rules: Rules;
let remit: Running;
beforeAll(async () => {
  rules = loadRules(readSources(loadConfig(SAMPLE, {}).sources));
  remit = await start();
  return () => remit.stop();
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

const INEXACT_LITERALS = ['9007199254740993', '1e400', '-12345678901234567890', '0.1000000000000000055', '1e-400'];
it.each(INEXACT_LITERALS)(
  'the number %s has its place and its cure in a world, as YAML and as JSON, and over HTTP',
  async (literal) => {
    const directory = mkdtempSync(join(tmpdir(), 'remit-world-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const refusalOf = (name: string, text: string): string => {
      const path = join(directory, name);
      writeFileSync(path, text);
      const { findings } = readYaml(path, worldFormat, { rule: 'world-invalid' });
      return findings.map(({ line, column, message }) => `${line}:${column} ${message}`).join();
    };
    const entity = `{ "type": "employee", "id": "a", "attributes": { "status": "active", "salary": ${literal} } }`;
    const problem = `entities[0].attributes.salary: ${INEXACT_NUMBER}`;
    expect(refusalOf('world.json', `{ "entities": [${entity}] }`)).toBe(`1:95 ${problem}`);
    expect(
      refusalOf('world.yaml', `entities:\n  - type: employee\n    id: a\n    attributes:\n      salary: ${literal}\n`),
    ).toBe(`5:15 ${problem}`);
    const { app, service } = remit;
    const response = await app.inject({
      method: 'PUT',
      url: '/v1/entities/employee/a',
      headers: {
        host: `127.0.0.1:${service.config.port}`,
        authorization: `Bearer ${service.devKey ?? ''}`,
        'content-type': 'application/json',
      },
      payload: `{"attributes":{"salary":${literal}}}`,
    });
    expect([response.statusCode, response.json()]).toEqual([
      400,
      {
        error: {
          code: 'malformed_json',
          message: `In the body, "attributes.salary" ${INEXACT_NUMBER}.`,
          at: 'attributes.salary',
        },
      },
    ]);
  },
);

it('a whole number that a double holds and a Long does not has its place, and the bounds', async () => {
  const problems: WorldProblem[] = [];
  const entity = { type: 'employee', id: 'a', attributes: { salary: 2 ** 53 }, parents: [] };
  examineWorld({ relationships: '', entities: [entity] }, rules, (problem) => problems.push(problem));
  const response = await remit.request('PUT', '/v1/entities/employee/a', { attributes: entity.attributes });
  const message = 'attributes.salary must be a whole number within ±(2^53 − 1)';
  expect(problems.map(formatProblem)).toEqual([`(employee:a): ${message}`]);
  expect(response.json()).toMatchObject({ error: { message, at: 'attributes.salary' } });
});
