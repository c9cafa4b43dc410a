/** What docs/reference/entities.md shows is loaded, asked and tested, and each way of writing a reference means the same. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { checkProject } from '../../src/author/check/check.js';
import { TestSession } from '../../src/author/test/session.js';
import { testReportText } from '../../src/author/test/report.js';
import { loadConfig } from '../../src/config/config.js';
import { blocks } from '../author/test/company.js';
import { codes, start, startFiles, type Running } from '../support/sample.js';
import { collectCleanups } from '../support/cleanups.js';

// Real engines, on a machine that may be busy with much else.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const [world = '', test = ''] = blocks('reference/entities.md', 'yaml');
const [text = '{}'] = blocks('reference/entities.md', 'json');
const request = JSON.parse(text) as { action: { properties: object }; resource: object };
const withPerson = (person: unknown): object => ({
  ...request,
  action: { ...request.action, properties: { with: person } },
});

describe('docs/reference/entities.md', () => {
  const directory = mkdtempSync(join(tmpdir(), 'remit-entities-'));
  const config = join(directory, 'remit.yaml');
  let remit: Running;
  const onSuiteFinished = collectCleanups();
  onSuiteFinished(() => rmSync(directory, { recursive: true, force: true }));
  beforeAll(async () => {
    const files = {
      'schema.zed': blocks('reference/entities.md', 'zed')[0] ?? '',
      'actions.cedarschema': blocks('reference/entities.md', 'cedarschema')[0] ?? '',
      'policies.cedar': blocks('reference/entities.md', 'cedar')[0] ?? '',
      'world.yaml': world,
      'documents_test.yaml': test,
      'remit.yaml':
        'schema: { relationships: schema.zed, actions: actions.cedarschema }\npolicies: .\nworld: world.yaml\n',
    };
    for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);
    remit = await start(config);
    onSuiteFinished(() => remit.stop());
  });

  it('shows a company without an error or a warning', async () => {
    const { findings } = await checkProject(config, { env: {}, tests: false });
    expect(findings).toEqual([]);
  });

  it('shows a request that is allowed, in each way of writing whom it is about', async () => {
    expect(codes(await remit.evaluate(request))).toEqual([]);
    for (const type of ['user', 'User'])
      expect(codes(await remit.evaluate(withPerson({ type, id: 'bob' })))).toEqual([]);
    expect(codes(await remit.evaluate(withPerson('eve')))).toEqual(['policy_forbid']);
    expect(codes(await remit.evaluate(withPerson({ type: 'user', id: 'eve' })))).toEqual(['policy_forbid']);
    const refused = await remit.post('/access/v1/evaluation', withPerson({ type: 'team', id: 'bob' }));
    expect(refused.statusCode).toBe(400);
    expect(refused.json()).toMatchObject({
      error: { at: 'action.properties.with', message: expect.stringContaining('must be the id of a user') as string },
    });
  });

  it('shows attributes that the API takes as the world does', async () => {
    for (const owner of ['bob', { type: 'user', id: 'bob' }]) {
      const put = await remit.request('PUT', '/v1/entities/document/plan', {
        attributes: { owner, reviewers: [{ type: 'user', id: 'bob' }, 'eve'] },
      });
      expect(put.statusCode).toBeLessThan(300);
      expect(codes(await remit.evaluate(request))).toEqual([]);
    }
  });

  it('shows tests that pass', async () => {
    const session = new TestSession();
    const report = testReportText(await session.run(loadConfig(config, {}), { paths: [] }), (part) => part);
    await session.close();
    expect(report).toContain('documents_test.yaml: 6 passed');
  });
});

describe('what docs/reference/entities.md says must be there', () => {
  let remit: Running;
  beforeAll(async () => {
    remit = await startFiles({
      'schema.zed': 'definition user {}\ndefinition team {}\ndefinition doc {\n  relation reader: user\n  permission read = reader\n}\n',
      'schema.cedarschema': `entity Team { unread: Long };
entity User in [Team] { unread: Long };
entity Doc { unread: Long, place?: { city: String, unread: Long }, spare?: { unread: Long }, owner?: User, since?: datetime };
@title("Read") action "read" appliesTo { principal: [User], resource: [Doc], context: { request: { unread: Long } } };
`,
      'policies/all.cedar': `@id("all") permit (principal, action, resource);
@id("place") forbid (principal, action, resource) when { resource has place && resource.place.city == "Ur" };
@id("owner") forbid (principal, action, resource) when { resource has owner && resource.owner.unread == 9 };
@id("team") forbid (principal, action, resource) when { principal in Team::"shut" };
`,
      'world.yaml': 'relationships: doc:plan#reader@user:ann\nentities: []\n',
    }); // prettier-ignore
    return () => remit.stop();
  });
  const put = (type: string, id: string, attributes: object, parents: object[] = []) =>
    remit.request('PUT', `/v1/entities/${type}/${id}`, { attributes, parents });
  const ask = async (properties: object, context: object = { unread: 1 }): Promise<readonly string[]> => {
    const body = {
      subject: { type: 'user', id: 'ann' },
      action: { name: 'read' },
      resource: { type: 'doc', id: 'plan', properties },
      context: { mode: 'human', ...context },
    };
    const { reasons } = (await remit.evaluate(body)).context ?? { reasons: [] };
    return reasons.map(({ code, message }) => `${code}: ${message}`);
  };
  const missing = (what: string): string[] => [`attribute_missing: Neither stored nor in the request: ${what}.`];

  it('must be, and nothing more', async () => {
    // A parent needs nothing, and an entity may be stored without what a request may bring.
    expect((await put('team', 'core', {})).statusCode).toBeLessThan(300);
    expect((await put('user', 'ann', {}, [{ type: 'team', id: 'core' }])).statusCode).toBeLessThan(300);
    expect(await ask({ unread: 1 })).toEqual(missing('unread of user:ann'));
    expect((await put('user', 'ann', { unread: 1 }, [{ type: 'team', id: 'core' }])).statusCode).toBeLessThan(300);
    expect(await ask({})).toEqual(missing('unread of doc:plan'));
    expect(await ask({ unread: 1 })).toEqual([]);
    expect(await ask({ unread: 1 }, {})).toEqual(missing('context.request.unread'));
    // An object is looked at where a policy reads anything of it.
    expect(await ask({ unread: 1, place: { city: 'Rome' } })).toEqual(missing('place.unread of doc:plan'));
    expect(await ask({ unread: 1, place: { city: 'Rome', unread: 1 }, spare: {} })).toEqual([]);
    expect(await ask({ unread: 1, owner: 'bob' })).toEqual([
      'attribute_missing: Not stored, and this request can not state it: unread of user:bob.',
    ]);
  });

  it('is not asked when it is stored, but what could never be completed is refused', async () => {
    expect((await put('doc', 'other', {})).statusCode).toBeLessThan(300);
    for (const attributes of [{ place: { city: 'Rome' } }, { colour: 'red' }, { unread: 'one' }])
      expect((await put('doc', 'other', attributes)).statusCode).toBe(400);
    expect((await put('doc', 'other', {}, [{ type: 'team', id: 'core' }])).statusCode).toBe(400);
  });
});
