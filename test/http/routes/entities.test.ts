/** The list of stored entities: each once, in pages of bounded size, for admins alone. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { StoredEntity } from '../../../src/model/entities.js';
import { clientNamed, startWith, type Running } from '../../support/sample.js';

interface Listed {
  readonly page: { readonly next_token: string };
  readonly results: readonly StoredEntity[];
}

let remit: Running;
beforeAll(async () => {
  remit = await startWith({
    issuers: [],
    clients: [
      clientNamed('admin', 'x', 'admin'),
      clientNamed('other', 'x', 'admin'),
      clientNamed('plain', 'x', 'evaluate'),
    ],
  });
  return () => remit.stop();
});

const get = (url: string, who = 'admin') =>
  remit.app.inject({ url, headers: { host: '127.0.0.1:7480', authorization: `Bearer ${who}-key` } });
const list = async (url: string): Promise<Listed> => {
  const response = await get(url);
  expect(response.statusCode, response.body).toBe(200);
  return response.json();
};
const listAll = async (type: string, limit: number): Promise<StoredEntity[]> => {
  const all: StoredEntity[] = [];
  for (let next: string | undefined; next !== '';) {
    const token: string = next === undefined ? '' : `&page_token=${next}`;
    const { page, results } = await list(`/v1/entities/${type}?limit=${limit}${token}`);
    expect(results.length).toBeLessThanOrEqual(limit);
    expect(results.length > 0 || page.next_token === '').toBe(true);
    all.push(...results);
    next = page.next_token;
  }
  return all;
};

describe('the entities of a type', () => {
  it('stand once each, with what is stored of them, whatever the size of a page', async () => {
    const stored = await remit.service.entities.ids('employee');
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 200 }), async (limit) => {
        const all = await listAll('employee', limit);
        expect(all.map(({ id }) => id).sort()).toEqual([...stored].sort());
        expect(new Set(all.map(({ type }) => type))).toEqual(new Set(['employee']));
      }),
      { numRuns: 8 },
    );
    const [first] = (await list('/v1/entities/employee')).results;
    expect((await get(`/v1/entities/employee/${first?.id ?? ''}`)).json()).toEqual(first);
  });

  it('are none of a type that nothing is stored of, and of a type that no schema has 404 with the one that is near', async () => {
    for (const { id } of await listAll('repository', 200))
      await remit.app.inject({
        method: 'DELETE',
        url: `/v1/entities/repository/${id}`,
        headers: { host: '127.0.0.1:7480', authorization: 'Bearer admin-key' },
      });
    expect(await list('/v1/entities/repository')).toEqual({ page: { next_token: '' }, results: [] });
    const misspelt = await get('/v1/entities/employe');
    expect(misspelt.statusCode).toBe(404);
    expect(misspelt.json()).toMatchObject({
      error: { message: 'no schema has a type "employe" (did you mean "employee"?)' },
    });
  });

  it('come in pages that are bounded by their bytes, too', async () => {
    const name = 'x'.repeat(300_000);
    const large = Array.from({ length: 6 }, (_, i) => ({
      type: 'team',
      id: `large-${i}`,
      attributes: { name },
      parents: [],
    }));
    await remit.service.entities.put(large);
    const { results, page } = await list('/v1/entities/team?limit=200');
    expect(JSON.stringify(results).length).toBeLessThan(1024 * 1024);
    expect(page.next_token).not.toBe('');
    const all = await listAll('team', 200);
    for (const { id } of large) expect(all.filter((entity) => entity.id === id)).toHaveLength(1);
  });

  it('are for admins, and a page leads on for its own question and caller alone', async () => {
    expect((await get('/v1/entities/employee', 'plain')).statusCode).toBe(403);
    const { page } = await list('/v1/entities/employee?limit=1');
    const token = `page_token=${page.next_token}`;
    // Another limit is the same question.
    expect((await list(`/v1/entities/employee?limit=2&${token}`)).results).toHaveLength(2);
    for (const [url, who] of [
      [`/v1/entities/user?${token}`, 'admin'],
      [`/v1/entities/employee?${token}`, 'other'],
      [`/v1/entities/employee?${token}x`, 'admin'],
      [`/v1/decisions?${token}`, 'admin'],
    ] as const) {
      const response = await get(url, who);
      expect([response.statusCode, response.json()]).toMatchObject([400, { error: { at: 'page_token' } }]);
    }
  });

  it.each(['0', '201', '-1', '1.5', '1e1', 'x'])('have no limit of %s', async (limit) => {
    expect((await get(`/v1/entities/employee?limit=${limit}`)).json()).toMatchObject({ error: { at: 'limit' } });
  });
});
