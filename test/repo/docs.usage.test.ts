/** docs/guide/usage.md shows questions that are answered, an answer that comes so, and a way to narrow that works. */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { codes, start, type Answer, type Running } from '../support/sample.js';

const guide = readFileSync(new URL('../../docs/guide/usage.md', import.meta.url), 'utf8');
const [questions = '', narrowing = ''] = [...guide.matchAll(/```http\n([^]*?)```/g)].map(([, text = '']) => text);
const [shown = ''] = [...guide.matchAll(/```json\n([^]*?)```/g)].map(([, text = '']) => text);

describe('docs/guide/usage.md', () => {
  let remit: Running;
  let token: string;
  const decide = (action: string, id: string): Promise<Answer> =>
    remit.evaluate({
      subject: { type: 'user', id: 'alice' },
      action: { name: action },
      resource: { type: 'employee', id },
      context: { token, supported_obligations: ['mask'] },
    });

  beforeAll(async () => {
    remit = await start();
    const scope = 'hr.employees.read hr.employees.write';
    token = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope });
    await decide('read', 'erin');
    const { context } = await decide('read', 'dave');
    const outcome = await remit.post(`/v1/decisions/${context?.id ?? ''}/outcome`, { outcome: 'failed' });
    expect(outcome.statusCode).toBe(201);
    expect(codes(await decide('delete', 'erin'))).toContain('policy_forbid');
    return () => remit.stop();
  }, 60_000);

  it.each(questions.trim().split('\n'))('%s is answered as is shown', async (question) => {
    const [method, url = ''] = question.split(' ');
    expect(method).toBe('GET');
    const response = await remit.request('GET', url);
    expect(response.statusCode, response.body).toBe(200);
    const answer = response.json<Record<string, unknown>>();
    for (const [name, entries] of Object.entries(JSON.parse(shown) as Record<string, object[]>))
      expect([name, answer[name]]).toEqual([
        name,
        entries.length === 0
          ? []
          : expect.arrayContaining(entries.map((entry): unknown => expect.objectContaining(entry))),
      ]);
  });

  it('has a question for each filter', async () => {
    const { paths } = (await remit.request('GET', '/openapi.json')).json<{
      paths: Record<string, { get: { parameters: { name: string }[] } }>;
    }>();
    const names = paths['/v1/usage']?.get.parameters.map(({ name }) => name) ?? [];
    expect(names.filter((name) => !questions.includes(`${name}=`))).toEqual([]);
    expect(names).toHaveLength(3);
  });

  it('narrows to what was enough, and no further', async () => {
    const [, path = '', text = ''] = /^PATCH (\S+)[^]*?\n\n([^]*)$/.exec(narrowing) ?? [];
    const { details } = JSON.parse(text) as { details: object[] };
    const suggested = (JSON.parse(shown) as { suggestions: { detail: object }[] }).suggestions;
    expect(details).toEqual(suggested.map(({ detail }) => detail));
    const response = await remit.request('PATCH', path, { details }, await remit.mint({ user: 'alice' }));
    expect(response.statusCode, response.body).toBe(200);
    const answers = [await decide('read', 'erin'), await decide('read', 'dave')];
    expect(answers.map(({ decision }) => decision)).toEqual([true, false]);
  });
});
