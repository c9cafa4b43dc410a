/** A check says beforehand what a world's entities lack, at its place, and nothing of a world that has it. */
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { checkProject } from '../../../src/author/check/check.js';
import { TestSession } from '../../../src/author/test/session.js';
import { testReportText } from '../../../src/author/test/report.js';
import { loadConfig } from '../../../src/config/config.js';
import { blocks, company } from '../test/company.js';

// SpiceDB is loaded, on machines that are busy with other tests.
vi.setConfig({ testTimeout: 120_000 });

const SCHEMA = `entity Color enum ["red"];
entity User { name: String, manager?: User };
entity Doc { owner: User, reviewers: Set<User>, color?: Color, meta?: { editor: User, note?: String }, status: String };
action "share" appliesTo { principal: [User], resource: [Doc] };
`;

/** The findings of a world with these entities, each a line of YAML, as `line:column rule message (suggestion)`. */
async function lint(...entities: string[]): Promise<string[]> {
  const c = company();
  c.write('schema.zed', 'definition user {}\ndefinition doc {\n  relation share: user\n}\n');
  c.write('actions.cedarschema', SCHEMA);
  c.write('policies.cedar', '@id("all") permit (principal, action, resource);\n');
  const world = c.write('world.yaml', `entities:\n${entities.map((entity) => `  - ${entity}\n`).join('')}`);
  const { findings } = await checkProject(c.config, { env: {} });
  c.remove();
  return findings
    .filter(({ file }) => world.endsWith(file) || file.endsWith('world.yaml'))
    .map(({ line, column, severity, rule, message, suggestion = '' }) => {
      return `${line}:${column} ${severity} ${rule}: ${message} (${suggestion})`;
    });
}

const ANN = '{ type: user, id: ann, attributes: { name: Ann } }';

it('An entity that lacks a required attribute is named with its place, whether or not a policy reads it', async () => {
  expect(await lint(ANN, '{ type: user, id: bob }', '{ type: doc, id: d, attributes: { owner: ann, reviewers: [] } }')).toEqual([
    '3:5 warning missing-attribute: user:bob lacks "name", which User requires: questions about it are denied attribute_missing (add name, or declare it optional: name?)',
    '4:5 warning missing-attribute: doc:d lacks "status", which Doc requires: questions about it are denied attribute_missing (add status, or declare it optional: status?)',
  ]);
}); // prettier-ignore

it('Each reference to what the world does not have is named with its place, however it is written', async () => {
  const attributes = '{ owner: bbo, reviewers: [ann, { type: user, id: eev }], color: red, meta: { editor: { type: User, id: gone } }, status: x }';
  const found = await lint(ANN, `{ type: doc, id: d, attributes: ${attributes} }`);
  expect(found.map((text) => text.replace(/^(\d+):\d+/, '$1'))).toEqual(
    ['bbo', 'eev', 'gone'].map((id) => `3 warning absent-reference: doc:d refers to user:${id}, which the world doesn't have ()`),
  );
  expect(new Set(found.map((text) => text.split(' ')[0])).size).toBe(3);
}); // prettier-ignore

it('A world that has everything, in whichever order, and ids of an enum that nobody stores, is as it should be', async () => {
  const bob = '{ type: user, id: bob, attributes: { name: Bob, manager: ann } }';
  const doc = '{ type: doc, id: d, attributes: { owner: bob, reviewers: [ann, { type: user, id: bob }], color: red, status: x } }';
  expect(await lint(doc, bob, ANN)).toEqual([]);
}); // prettier-ignore

describe('A relationship that names a principal', () => {
  const agents = `definition user {}
definition team {\n  relation member: user | agent\n}
definition agent {\n  relation delegator: user\n}
definition doc {\n  relation reader: user | user:* | agent | team#member\n}
`;
  const parties = async (userMembers: string, relationships: string[], ...entities: string[]): Promise<string[]> => {
    const c = company();
    c.write('schema.zed', agents);
    c.write(
      'actions.cedarschema',
      `entity User { ${userMembers} };\nentity Agent { kind: String };\nentity Doc;\n@permission("reader") action "read" appliesTo { principal: [User, Agent], resource: [Doc] };\n`,
    );
    c.write('policies.cedar', '@id("all") permit (principal, action, resource);\n');
    c.write(
      'world.yaml',
      `relationships: |\n${relationships.map((text) => `  ${text}\n`).join('')}entities:${entities.length === 0 ? ' []' : ''}\n${entities.map((entity) => `  - ${entity}\n`).join('')}`,
    );
    c.write(
      'all_test.yaml',
      'now: 2030-01-01T00:00:00Z\ntests:\n  - { name: t, who: user:ann, actions: read, resources: doc:d, expect: deny }\n',
    );
    const { findings } = await checkProject(c.config, { env: {} });
    const session = new TestSession();
    const report = await session.run(loadConfig(c.config, {}), { paths: [] });
    await session.close();
    c.remove();
    const found = findings.filter(({ rule }) => rule === 'absent-party');
    // `remit test` says the same.
    expect(report.warnings.map(({ message }) => message)).toEqual(found.map(({ message }) => message));
    const text = testReportText(report, (part) => part);
    for (const { line, message } of found) expect(text).toContain(`world.yaml:${line}:3: warning [absent-party] ${message}`);
    return found.map(({ line, message, suggestion = '' }) => `${line} ${message} (${suggestion})`);
  }; // prettier-ignore

  it('and whom the entities lack is told of it once, at its place', async () => {
    expect(await parties('', ['// none', 'agent:bot#delegator@user:ann', 'doc:d#reader@agent:bot', 'team:t#member@agent:two'])).toEqual([
      '3 agent:bot is not among the entities: what it asks for itself or for a user is denied agent_unknown (add { type: agent, id: bot, attributes: { kind: … } })',
      '5 agent:two is not among the entities: what it asks for itself or for a user is denied agent_unknown (add { type: agent, id: two, attributes: { kind: … } })',
    ]);
  }); // prettier-ignore
  it('and a user is told of where the type requires something', async () => {
    const bot = '{ type: agent, id: bot, attributes: { kind: x } }';
    const relationships = ['agent:bot#delegator@user:ann', 'doc:d#reader@user:*', 'doc:d#reader@team:t#member'];
    expect(await parties('name?: String', relationships, bot)).toEqual([]);
    expect(await parties('name: String', relationships, bot)).toEqual([
      '2 user:ann is not among the entities: what it asks for itself is denied attribute_missing (add { type: user, id: ann, attributes: { name: … } })',
    ]);
    expect(await parties('name: String', relationships, bot, ANN)).toEqual([]);
  });
  it('can be left as it is, with a reason', async () => {
    expect(
      await parties('', ['agent:bot#delegator@user:ann // # remit-ignore: absent-party — stored when it is hired']),
    ).toEqual([]);
  });
});

it.each(['fixtures/acme.remit.yaml', ...['documents', 'repositories', 'hr', 'tickets'].map((name) => `fixtures/templates/${name}/remit.yaml`)])(
  'The world of %s names nobody whom its entities lack',
  async (config) => {
    const { findings } = await checkProject(fileURLToPath(new URL(`../../../${config}`, import.meta.url)), { env: {} });
    expect(findings.filter(({ rule }) => rule === 'absent-party')).toEqual([]);
  },
); // prettier-ignore

it('A warning about a world can be ignored with a reason', async () => {
  expect(
    await lint('{ type: user, id: bob } # remit-ignore: missing-attribute — the name comes with each request'),
  ).toEqual([]);
});

it('A world with errors is told of these alone', async () => {
  expect(await lint('{ type: user, id: bob, attributes: { nmae: Bob } }')).toEqual([
    expect.stringMatching(/^2:42 error entity-invalid: /),
  ]);
});

it('The world of docs/reference/entities.md would be found out for a slip in an id', async () => {
  const c = company();
  c.write('schema.zed', blocks('reference/entities.md', 'zed')[0] ?? '');
  c.write('actions.cedarschema', blocks('reference/entities.md', 'cedarschema')[0] ?? '');
  c.write('policies.cedar', blocks('reference/entities.md', 'cedar')[0] ?? '');
  c.write('world.yaml', (blocks('reference/entities.md', 'yaml')[0] ?? '').replace('reviewers: [bob,', 'reviewers: [bbo,'));
  const { findings } = await checkProject(c.config, { env: {} });
  c.remove();
  expect(findings.map(({ rule, message }) => [rule, message])).toEqual([
    ['absent-reference', "document:plan refers to user:bbo, which the world doesn't have"],
  ]);
}); // prettier-ignore
