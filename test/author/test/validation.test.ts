/** SpiceDB's validation files: what holds passes, what doesn't is explained, and what can't be read has a place. */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { loadConfig } from '../../../src/config/config.js';
import { readSources } from '../../../src/config/files.js';
import { loadRules } from '../../../src/policy/load.js';
import { FindingsError } from '../../../src/diagnostics/diagnostics.js';
import { failureText } from '../../../src/author/test/report.js';
import { runValidationFile } from '../../../src/author/test/validation.js';
import { company, type Company } from './company.js';

// Real engines, on a machine that may be busy with much else.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const SCHEMA = `schema: |-
  definition user {}
  caveat on_tuesday(day string) { day == "tuesday" }
  definition team {
    relation member: user | team#member
  }
  definition folder {
    relation owner: user
  }
  definition document {
    relation parent: folder
    relation reader: user | user:* | user with on_tuesday | team#member
    relation signer: user
    relation banned: user | team#member
    permission view = reader + parent->owner - banned
    permission sign = reader & signer
  }
relationships: |-
  // comments are no relationships
  document:plan#reader@user:ann
  document:plan#reader@user:tom[on_tuesday]
  document:plan#reader@team:core#member
  document:plan#parent@folder:all#...
  document:plan#signer@user:ann
  document:plan#signer@user:eve
  document:plan#banned@user:ben
  folder:all#owner@user:olga
  folder:all#owner@user:ben
  team:core#member@user:carl
  team:core#member@team:inner#member
  team:inner#member@user:ann
  document:open#reader@user:*
  document:open#banned@user:ben
`;

describe('a validation file', () => {
  let at: Company;
  beforeAll(() => {
    at = company();
    return () => {
      at.remove();
    };
  });
  const graph = (): Parameters<typeof runValidationFile>[1] =>
    loadRules(readSources(loadConfig(at.config, {}).sources)).graph;
  const failures = async (text: string): Promise<string[]> => {
    const { results } = await runValidationFile(at.write('g.zed.yaml', text), graph(), () => true);
    return results
      .filter((r) => r.outcome !== 'passed')
      .map((r) =>
        failureText(r)
          .join('\n')
          .replace(/^.*g\.zed\.yaml:/, ''),
      );
  };

  it('holds where SpiceDB says so: assertions, contexts, usersets, wildcards, exceptions and arrows', async () => {
    expect(
      await failures(`${SCHEMA}assertions:
  assertTrue:
    - document:plan#view@user:ann
    - document:plan#view@team:core#member
    - 'document:plan#view@user:tom with {"day": "tuesday"}'
  assertCaveated:
    - document:plan#view@user:tom
  assertFalse:
    - document:plan#view@user:ben
    - 'document:plan#view@user:tom with {"day": "monday"}'
validation:
  document:plan#view:
    - "[user:ann] is <document:plan#reader>/<team:inner#member>"
    - "[user:carl] is <team:core#member>"
    - "[user:olga] is <folder:all#owner>"
    - "[user:tom[...]] is <document:plan#reader>"
    - "[team:core#member] is <document:plan#reader>"
    - "[team:inner#member] is <team:core#member>"
  document:plan#sign:
    - "[user:ann] is <document:plan#reader>/<document:plan#signer>/<team:inner#member>"
  document:open#view:
    - "[user:* - {user:ben}] is <document:open#reader>"
  document:none#view: []
`),
    ).toEqual([]);
  });

  it('tells what does not', async () => {
    expect(
      await failures(`${SCHEMA}assertions:
  assertTrue: [ "document:plan#view@user:ben", "document:plan#veiw@user:ann" ]
  assertFalse: [ "document:plan#view@user:ann" ]
validation:
  document:plan#sign:
    - "[user:eve] is <document:plan#signer>"
`),
    ).toEqual([
      '35:17: failed: assertTrue › document:plan#view@user:ben\n  permission: expected yes, got no',
      expect.stringMatching(/^35:48: error: assertTrue › document:plan#veiw@user:ann\n {2}.*veiw/),
      '36:18: failed: assertFalse › document:plan#view@user:ann\n  permission: expected no, got yes',
      '38:3: failed: validation › document:plan#sign\n  members: expected [user:eve] is <document:plan#signer>, got [user:ann] is <document:plan#reader>/<document:plan#signer>/<team:inner#member>',
    ]);
  });

  it("takes a schema of its own, a file's, or the configuration's", async () => {
    const assertion =
      'relationships: document:plan#viewer@user:ann\nassertions: { assertTrue: ["document:plan#view@user:ann"] }\n';
    expect(await failures(assertion)).toEqual([]);
    expect(await failures(`schemaFile: schema.zed\n${assertion}`)).toEqual([]);
    await expect(failures(`schemaFile: nowhere.zed\n${assertion}`)).rejects.toThrow(
      /nowhere\.zed: there is no such file/,
    );
    await expect(failures(`schemaFile: a\nschema: b\n${assertion}`)).rejects.toThrow('may have only one');
  });

  it.each([
    ['an unknown key', `${SCHEMA}asserts: {}\n`, '34:1: asserts: unknown key'],
    ['an assertion that is none', `${SCHEMA}assertions: { assertTrue: [nonsense] }\n`, '34:28: "nonsense" is not a relationship'],
    ['a context that is none', `${SCHEMA}assertions: { assertTrue: ["document:plan#view@user:ann with {"] }\n`, 'has a context that is not a JSON object'],
    ['a context with a number that is lost', `${SCHEMA}assertions: { assertTrue: ['document:plan#view@user:ann with {"n":1e400}'] }\n`, 'has a context in which n is a number that reading would change'],
    ['a wildcard', `${SCHEMA}assertions: { assertTrue: ["document:plan#view@user:*"] }\n`, 'has a wildcard as its subject'],
    ['an expectation that is none', `${SCHEMA}validation: { "document:plan#view": ["user:ann"] }\n`, 'is not of the form "[user:ann] is <document:plan#viewer>"'],
    ['a relation that is none', `${SCHEMA}validation: { "document:plan": [] }\n`, '"document:plan" is not a relationship'],
    ['a relationship that is none', SCHEMA.replace('folder:all#owner@user:ben', 'folder:all#owner'), '28:3: "folder:all#owner" is not'],
    ['a relationship that the schema refuses', SCHEMA.replace('folder:all#owner@user:ben', 'folder:all#reader@user:ben'), '28:3: "folder:all#reader@user:ben" names "reader", which is no relation of "folder"'],
    ['a relationship that is there already', SCHEMA.replace('folder:all#owner@user:ben', 'folder:all#owner@user:olga'), '28:3: "folder:all#owner@user:olga" repeats an earlier relationship'],
    ['a remark behind a relationship', SCHEMA.replace('folder:all#owner@user:ben', 'folder:all#owner@user:ben // why'), '28:3: "folder:all#owner@user:ben // why" is not'],
    ['a caveat in an assertion', `${SCHEMA}assertions: { assertTrue: ["document:plan#view@user:ann[on_tuesday]"] }\n`, 'has a caveat, which an assertion can not have'],
  ])('says where %s stands', async (_what, text, message) => {
    const error: unknown = await failures(text).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(FindingsError);
    expect((error as FindingsError).message).toContain(message);
  }); // prettier-ignore

  it('takes the ids of any application, and what caveats are given, as they are', async () => {
    const long = 'very'.repeat(200);
    expect(
      await failures(`schema: |-
  caveat says(text string) { text == "a // b" }
  definition user {}
  definition document {
    relation reader: user | user with says
    permission view = reader
  }
relationships: |-
  document:YWJj==#reader@user:${long}
  // A remark.
  document:YWJj==#reader@user:=c3=bc#...[says:{"text": "a // b"}]
assertions:
  assertTrue: ["document:YWJj==#view@user:${long}", "document:YWJj==#view@user:=c3=bc"]
  assertFalse: ["document:YWJj==#view@user:=C3=BC"]
validation:
  document:YWJj==#view:
    - "[user:${long}] is <document:YWJj==#reader>"
    - "[user:=c3=bc#...[...]] is <document:YWJj==#reader>"
`),
    ).toEqual([]);
  });

  it('names subjects by what grants, as SpiceDB does', async () => {
    const roles = `schema: |-
  definition user {}
  definition role {
    relation can_read: user:*
    relation holder: user
    permission reads = can_read & holder
  }
  definition file {
    relation owner: user
    relation granted: role
    permission read = owner + granted->reads
  }
relationships: |-
  file:plan#owner@user:ann
  file:plan#granted@role:reader
  file:plan#granted@role:guest
  role:reader#can_read@user:*
  role:reader#holder@user:ben
  role:guest#holder@user:ann
`;
    expect(
      await failures(`${roles}validation:
  file:plan#read:
    - "[user:ann] is <file:plan#owner>"
    - "[user:ben] is <role:reader#can_read>/<role:reader#holder>"
`),
    ).toEqual(['21:3: failed: validation › file:plan#read\n  members: expected [user:ann] is <file:plan#owner>, [user:ben] is <role:reader#can_read>/<role:reader#holder>, got [user:ann] is <file:plan#owner>, [user:ben] is <role:reader#holder>']); // prettier-ignore
  });

  it('holds where it has only relationships, or only a schema, and these fit', async () => {
    const run = async (text: string): Promise<readonly string[]> => {
      const { results } = await runValidationFile(at.write('g.zed.yaml', text), graph(), () => true);
      return results.map(({ test, name, outcome }) => `${test} › ${name}: ${outcome}`);
    };
    const fits = ['schema › the schema and the relationships fit: passed'];
    expect(await run('relationships: document:plan#viewer@user:ann\n')).toEqual(fits);
    expect(await run('schema: definition user {}\nassertions: { assertTrue: null }\nvalidation: null\n')).toEqual(fits);
    await expect(run('relationships: nothing:plan#viewer@user:ann\n')).rejects.toThrow('names "nothing"');
  });

  it('follows the imports of its schema, and says in which file something is wrong', async () => {
    at.write('parts/people.zed', 'use expiration\ndefinition user {}\n');
    at.write('parts/teams.zed', 'use import\nimport "people.zed"\n\ndefinition team {\n  relation member: user with expiration\n}\n'); // prettier-ignore
    const text = (member: string): string => `schema: |-
  use import
  import "parts/teams.zed"
  import 'parts/people.zed'
  definition document {
    relation viewer: team#${member}
  }
relationships: |-
  document:plan#viewer@team:core#member
  team:core#member@user:ann[expiration:2099-01-01T00:00:00Z]
assertions: { assertTrue: ["document:plan#viewer@user:ann"] }
validation:
  document:plan#viewer:
    - "[user:ann] is <team:core#member>"
    - "[team:core#member] is <document:plan#viewer>"
`;
    expect(await failures(text('member'))).toEqual([]);
    await expect(failures(text('membr'))).rejects.toThrow(/membr/);
    await expect(failures(text('member').replace('parts/people', 'parts/nobody'))).rejects.toThrow(
      /g\.zed\.yaml \(schema\):3: "parts\/nobody\.zed" can't be imported/,
    );
    at.write('parts/people.zed', 'definition user {\n');
    await expect(failures(text('member'))).rejects.toThrow(/people\.zed:\d/);
  });

  it('says what is wrong with a schema', async () => {
    await expect(failures('schema: "definition {"\n')).rejects.toThrow(/g\.zed\.yaml \(schema\)/);
  });
});
