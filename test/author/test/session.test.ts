/** A run of tests reports what passes, what fails and why, and what is covered, by the clock and world of the tests. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { loadConfig } from '../../../src/config/config.js';
import { ConfigError } from '../../../src/model/faults.js';
import { toJunitXml } from '../../../src/author/test/junit.js';
import { failureText } from '../../../src/author/test/report.js';
import { TestSession, type TestReport } from '../../../src/author/test/session.js';
import { SAMPLE } from '../../support/sample.js';
import { company, type Company } from './company.js';

// Real engines, on a machine that may be busy with much else.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const session = new TestSession();
let at: Company;
beforeAll(() => {
  at = company();
  return async () => {
    await session.close();
    at.remove();
  };
});

const HEAD = `now: 2029-03-04T10:00:00Z
tokens:
  helper: { user: ann, agent: helper, scope: docs.read }
  stranger: { user: ann, agent: stranger, scope: docs.read }
principals:
  vouched: { type: user, id: ann, agent: helper }
resources:
  published: { type: document, id: plan, properties: { status: published } }
  wrong: { type: document, id: plan, properties: { status: 7 } }
tests:
`;

async function run(tests: string, filter?: string): Promise<TestReport> {
  return session.run(loadConfig(at.config, {}), { paths: [at.write('x_test.yaml', HEAD + tests)], filter });
}

/** The lines about cases that didn't pass, without their places. */
async function failures(tests: string): Promise<string[]> {
  const { files } = await run(tests);
  return files.flatMap(({ results }) =>
    results
      .filter((r) => r.outcome !== 'passed')
      .map((r) =>
        failureText(r)
          .join('\n')
          .replace(/^.*?x_test\.yaml:/, ''),
      ),
  );
}

describe('a case fails where anything that is expected differs', () => {
  it.each([
    ['an allow that is a deny', 'who: helper, actions: read, resources: document:plan, expect: allow', '11:78: failed: t › helper read document:plan\n  decision: expected allow, got deny\n  policy: policy_forbid: drafts-need-approval (policies.cedar:11)'],
    ['a deny that is an allow', 'who: helper, actions: read, resources: published, expect: deny', '  decision: expected deny, got allow\n  policy: permitted by agents-read (policies.cedar:4)'],
    ['a deny by default that is an allow', 'who: [helper, user:ann], actions: read, resources: published, expect: { who: helper, decision: allow }', 't › user:ann read published\n  decision: expected deny, got allow\n  policy: permitted by people (policies.cedar:1)'],
    ['a reason', 'who: helper, actions: read, resources: document:other, expect: { decision: deny, reasons: [policy_forbid] }', '  reasons: expected policy_forbid, got relationship_missing\n  relationship: relationship_missing: user:ann does not hold "view" on document:other.'],
    ['one reason of several', 'without: ["agent:helper#delegator@user:ann"], who: helper, actions: read, resources: document:other, expect: { decision: deny, reasons: [delegation_missing] }', '  reasons: expected delegation_missing, got delegation_missing, relationship_missing\n  delegation: delegation_missing: user:ann has not delegated to agent:helper, or no longer.'],
    ['a policy', 'who: helper, actions: read, resources: published, expect: { decision: allow, policies: [people] }', '  policies: expected people, got agents-read\n  policy: permitted by agents-read (policies.cedar:4)'],
    ['a duty', 'who: helper, actions: read, resources: published, expect: { decision: allow, duties: [] }', '  duties: expected none, got hide-authors\n'],
    ['an obligation', 'who: helper, actions: read, resources: published, expect: { decision: allow, obligations: {} }', '  obligations: expected none, got {"mask":{"fields":["author_email"]}}\n'],
    ['a path', 'who: helper, actions: read, resources: published, expect: { decision: allow, path: ["document:plan#editor@user:ann"] }', '  path: expected document:plan#editor@user:ann, got document:plan#viewer@user:ann\n'],
    ['a remedy', 'who: helper, actions: read, resources: document:plan, expect: { decision: deny, remedies: [consent] }', '  remedies: expected consent, got approval:edit\n'],
    ['an agent of which nothing is stored', 'with: ["agent:stranger#delegator@user:ann"], who: stranger, actions: read, resources: published, expect: allow', '  delegation: agent_unknown: agent:stranger has no stored entity: store one with PUT stranger, or under "entities" in the world file.'],
  ])('%s', async (_what, test, told) => {
    const [first = '', ...others] = await failures(`  - { name: t, ${test} }\n`);
    expect(`${first.replaceAll(/\/\S*\//g, '')}\n`).toContain(told);
    expect(others).toEqual([]);
  }); // prettier-ignore

  it('a question that would be refused, and relationships that SpiceDB refuses, are errors and no failures', async () => {
    expect(
      await failures(`  - { name: t, who: helper, actions: read, resources: wrong, expect: deny }
  - { name: u, who: helper, actions: read, resources: published, with: ["document:plan#owner@user:ann"], expect: deny }
  - { name: v, who: helper, actions: read, resources: published, expect: allow }
`),
    ).toEqual([
      '11:70: error: t › helper read wrong\n  resource.properties.status: must be a string',
      expect.stringMatching(/^12:114: error: u › helper read published\n {2}the world: .*owner/),
    ]);
  });
});

it('the lists of obligations are compared as sets', async () => {
  const own = company();
  onTestFinished(own.remove);
  const policies = readFileSync(join(own.directory, 'policies.cedar'), 'utf8');
  own.write(
    'policies.cedar',
    `${policies}\n@id("more") @duty("mask:status, notification:zoe, notification:ben") permit (principal is Agent, action, resource);`,
  );
  const expecting = async (obligations: string): Promise<string[]> => {
    const tests = `  - { name: t, who: helper, actions: read, resources: published, expect: { decision: allow, obligations: ${obligations} } }`;
    const { files } = await session.run(loadConfig(own.config, {}), { paths: [own.write('x_test.yaml', HEAD + tests)] });
    return files.flatMap(({ results }) => results.map(({ outcome }) => outcome));
  };
  expect(await expecting('{ mask: { fields: [status, author_email] }, notification: { to: [zoe, ben] } }')).toEqual(['passed']);
  expect(await expecting('{ mask: { fields: [author_email, status] }, notification: { to: [ben, zoe] } }')).toEqual(['passed']);
  expect(await expecting('{ mask: { fields: [status] }, notification: { to: [zoe, ben] } }')).toEqual(['failed']);
  expect(await expecting('{ mask: { fields: [status, author_email] }, notification: { to: [zoe] } }')).toEqual(['failed']);
}); // prettier-ignore

describe('each test has its own world and clock', () => {
  it('what one changes the next does not see, in whatever order they run', async () => {
    const suspend = 'entities: [{ type: agent, id: helper, attributes: { suspended: true } }]';
    const all = 'who: helper, actions: read, resources: published';
    expect(
      await failures(`  - { name: a, ${all}, expect: allow }
  - { name: b, ${suspend}, ${all}, expect: { decision: deny, policies: [suspended-agents] } }
  - { name: c, ${all}, expect: allow }
  - { name: d, without: ["document:plan#viewer@user:ann"], ${all}, expect: { decision: deny, reasons: [relationship_missing] } }
  - { name: e, ${all}, expect: allow }
  - { name: f, entities: [{ type: agent, id: helper, attributes: null }], ${all}, expect: { decision: deny, reasons: [agent_unknown, attribute_missing] } }
  - { name: g, entities: [{ type: agent, id: helper, attributes: { suspended: null } }], ${all}, expect: { decision: deny, reasons: [attribute_missing] } }
  - { name: h, ${all}, expect: allow }
`),
    ).toEqual([]);
  });

  it('what expires is there before its end and not from then on, whatever the hour is here', async () => {
    const all = 'who: helper, actions: read, resources: published';
    const gone = 'expect: { decision: deny, reasons: [delegation_missing] }';
    const past = 'with: ["agent:helper#delegator@user:ann[expiration:2001-01-01T00:00:00Z]"]';
    expect(
      await failures(`  - { name: a, now: 2029-12-31T23:59:59Z, ${all}, expect: allow }
  - { name: b, now: 2030-01-01T00:00:00Z, ${all}, ${gone} }
  - { name: c, now: 2000-12-31T23:59:59Z, ${past}, ${all}, expect: allow }
  - { name: d, now: 2001-01-01T00:00:00Z, ${past}, ${all}, ${gone} }
`),
    ).toEqual([]);
  });

  it('a world of the file’s own takes the place of the configuration’s', async () => {
    const own = `now: 2029-01-01T00:00:00Z
world:
  relationships: document:draft#viewer@user:ben
  entities: [{ type: document, id: draft, attributes: { status: x } }]
tests:
  - { name: t, who: [user:ann, user:ben], actions: read, resources: [document:plan, document:draft], expect: { who: user:ben, resources: document:draft, decision: allow } }
`;
    const { files } = await session.run(loadConfig(at.config, {}), { paths: [at.write('own_test.yaml', own)] });
    expect(files.flatMap(({ results }) => results.map((r) => r.outcome))).toEqual(Array(4).fill('passed'));
  });

  it('an agent that the client vouches for needs no token', async () => {
    expect(await failures('  - { name: t, who: vouched, actions: read, resources: published, expect: { decision: allow, policies: [agents-read] } }\n')).toEqual([]);
  }); // prettier-ignore
});

describe('coverage', () => {
  const counts = ({ coverage }: TestReport): unknown =>
    coverage?.policies.map((p) => [p.id, p.decided, p.notApplied, p.unseen]);

  it('counts what decided, and what was seen not to apply', async () => {
    const report = await run('  - { name: t, who: [helper, user:ann], actions: read, resources: [published, document:plan, document:other], expect: [{ who: helper, resources: published, decision: allow }, { who: user:ann, resources: [published, document:plan], decision: allow }] }\n'); // prettier-ignore
    expect(counts(report)).toEqual([
      ['people', 2, 0, []],
      ['agents-read', 1, 0, []],
      ['suspended-agents', 0, 2, ['agent read document']],
      ['drafts-need-approval', 1, 1, []],
      ['hide-authors', 2, 0, []],
    ]);
    expect(report.coverage).toMatchObject({ percent: 85, points: { reached: 6, all: 7 } });
  });

  it('does not count a forbid that other steps denied as well, nor a permit', async () => {
    const nowhere = await run('  - { name: t, without: ["agent:helper#delegator@user:ann"], who: helper, actions: read, resources: [published, document:plan], expect: deny }\n'); // prettier-ignore
    expect(nowhere.coverage?.policies.map((p) => p.decided)).toEqual([0, 0, 0, 0, 0]);
  });

  it('of nothing there is none', async () => {
    expect((await run('  - { name: t, who: helper, actions: read, resources: published, expect: allow }\n', 'zzz')).coverage).toBeUndefined(); // prettier-ignore
  });
});

it('a filter chooses by file, test and case', async () => {
  const tests = `  - { name: one, who: [helper, user:ann], actions: read, resources: published, expect: allow }
  - { name: two, who: helper, actions: read, resources: document:plan, expect: deny }
`;
  const names = async (filter: string): Promise<string[]> =>
    (await run(tests, filter)).files.flatMap(({ results }) => results.map((r) => `${r.test} ${r.name}`));
  expect(await names('TWO')).toEqual(['two helper read document:plan']);
  expect(await names('helper read')).toEqual(['one helper read published', 'two helper read document:plan']);
  expect(await names('x_test')).toHaveLength(3);
  expect(await names('nothing')).toEqual([]);
});

it('where there is no test that is said', async () => {
  const bare = company();
  await expect(session.run(loadConfig(bare.config, {}), { paths: [] })).rejects.toThrow('there is no *_test.yaml here');
  await expect(session.run(loadConfig(bare.config, {}), { paths: ['/nowhere'] })).rejects.toThrow(ConfigError);
  bare.remove();
});

it('a directory of validation files is run whatever they are called, and one that is broken takes none along', async () => {
  const schema = 'schema: |-\n  definition user {}\n  definition doc {\n    relation viewer: user\n  }\n';
  const relationships = 'relationships: doc:plan#viewer@user:ann\n';
  at.write('graphs/a/data.yaml', `${schema}${relationships}assertions: { assertTrue: ["doc:plan#viewer@user:ann"] }\n`);
  at.write('graphs/b.yml', `${schema}${relationships}`);
  at.write('graphs/c.yaml', `${schema}assertions: { assertTrue: [nonsense] }\n`);
  at.write('graphs/d.yaml', `schema: "definition {"\nassertions: { assertFalse: ["doc:plan#viewer@user:ben"] }\n`);
  at.write('graphs/world.yaml', relationships);
  at.write('graphs/notes.txt', 'assertions: none');
  const report = await session.run(loadConfig(at.config, {}), { paths: [`${at.directory}/graphs`] });
  const outcomes = report.files.map(({ file, results, isUnusable = false }) => [
    file.replace(/^.*graphs\//, ''),
    results.map(({ outcome }) => outcome),
    isUnusable,
  ]);
  expect(outcomes).toEqual([
    ['a/data.yaml', ['passed'], false],
    ['b.yml', ['passed'], false],
    ['c.yaml', ['error'], true],
    ['d.yaml', ['error'], true],
  ]);
  const texts = report.files.flatMap(({ results }) => results).map((result) => failureText(result).join('\n'));
  expect(texts[2]).toContain('c.yaml:6:28: error: file › can be used\n  "nonsense" is not a relationship');
  expect(texts[3]).toContain('d.yaml (schema):1:');
  const xml = toJunitXml(report);
  expect(xml).toContain('tests="4" failures="0" errors="2"');
});

it("the sample's tests pass and cover all of its policies", async () => {
  const report = await session.run(loadConfig(SAMPLE, {}), { paths: [] });
  expect(report.files.map(({ file }) => file)).toEqual([
    'policies/agents_test.yaml',
    'policies/code_test.yaml',
    'policies/hr_test.yaml',
    'policies/office_test.yaml',
    'schema/acme.zed.yaml',
  ]);
  expect(report.files.flatMap(({ results }) => results.filter((r) => r.outcome !== 'passed').flatMap(failureText))).toEqual([]); // prettier-ignore
  expect(report.coverage?.percent).toBe(100);
  expect(
    report.coverage?.policies
      .filter((p) => p.effect === 'permit')
      .flatMap((p) => p.unseen.map((kind) => `${p.id}: ${kind}`)),
  ).toEqual([]);
});
