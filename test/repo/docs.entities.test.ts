/** What docs/reference/entities.md shows is loaded, asked and tested, and each way of writing a reference means the same. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { checkProject } from '../../src/author/check/check.js';
import { TestSession } from '../../src/author/test/session.js';
import { testReportText } from '../../src/author/test/report.js';
import { loadConfig } from '../../src/config/config.js';
import { blocks } from '../author/test/company.js';
import { codes, start, type Running } from '../support/sample.js';

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
  });
  afterAll(async () => {
    await remit.stop();
    rmSync(directory, { recursive: true, force: true });
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
