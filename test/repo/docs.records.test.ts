/** docs/guide/records.md shows questions about records that find what they say. */
import { beforeAll, describe, expect, it } from 'vitest';
import { blocks } from '../author/test/company.js';
import { start, type Running } from '../support/sample.js';

const PSEUDONYM: unknown = expect.stringMatching(/^~/);
const [provedPath = '', withoutValues = ''] = blocks('guide/records.md', 'json');
const questions = (blocks('guide/records.md', 'http')[0] ?? '').trim().split('\n');

describe('docs/guide/records.md', () => {
  let remit: Running;
  beforeAll(async () => {
    remit = await start();
    const token = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read', session: 's-17' });
    const question = { subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, context: { token, task: 'month-end' } };
    for (const id of ['erin', 'zoe'])
      await remit.evaluate({ ...question, resource: { type: 'employee', id } });
    const records = [{ type: 'employee', id: 'erin', properties: { salary: 1 } }, { type: 'employee', id: 'zoe' }];
    expect((await remit.post('/v1/filter', { ...question, records })).statusCode).toBe(200);
    return () => remit.stop();
  }); // prettier-ignore

  it.each(questions)('%s finds records', async (question) => {
    const [method = '', url = ''] = question.split(' ');
    expect(method).toBe('GET');
    const response = await remit.request('GET', url);
    expect(response.statusCode, response.body).toBe(200);
    const { results } = response.json<{ results: { items?: unknown; masks?: unknown; left_out?: unknown }[] }>();
    expect(results.length).toBeGreaterThan(0);
    if (!question.includes('resource=')) return;
    expect(results.find(({ items }) => items !== undefined)).toMatchObject({
      items: [{ type: 'employee', id: question.includes('values=true') ? 'erin' : PSEUDONYM, masked: 0 }],
      masks: [{ mask: { fields: expect.arrayContaining(['salary']) as unknown } }],
      left_out: { relationship_missing: 1 },
    });
  });

  it('shows a record without values as it is shown', async () => {
    const example = JSON.parse(withoutValues, (_name, value: unknown): unknown =>
      value === '~…' ? PSEUDONYM : value === '…' ? expect.any(String) : value,
    ) as { request: { action: string } };
    const token = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.write' });
    const { context } = await remit.evaluate({
      subject: { type: 'user', id: 'alice' },
      action: { name: example.request.action },
      resource: { type: 'employee', id: 'erin' },
      context: { token },
    });
    expect((await remit.request('GET', `/v1/decisions/${context?.id ?? ''}`)).json()).toMatchObject(example);
  });

  it('shows a path that is proved later with the members that it has', async () => {
    const token = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read' });
    const question = {
      subject: { type: 'user', id: 'alice' },
      action: { name: 'read' },
      resource: { type: 'employee', id: 'erin' },
      context: { token },
    };
    const answer = await remit.post('/access/v1/evaluation', question, { prefer: 'return=minimal' });
    const path = await remit.request('POST', `/v1/decisions/${String(answer.headers['remit-decision-id'])}/path`);
    expect(Object.keys(path.json<object>())).toEqual(Object.keys(JSON.parse(provedPath) as object));
  });

  it('has a question for each filter', async () => {
    const { paths } = (await remit.request('GET', '/openapi.json')).json<{
      paths: Record<string, { get: { parameters: { name: string }[] } }>;
    }>();
    const names = paths['/v1/decisions']?.get.parameters.map(({ name }) => name) ?? [];
    for (const name of names.filter((text) => text !== 'page_token'))
      expect(
        questions.some((question) => question.includes(`${name}=`)),
        name,
      ).toBe(true);
  });
});
