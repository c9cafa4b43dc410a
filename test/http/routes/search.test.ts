/** Search: exactly what single questions are allowed, in pages that hold together. */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { clearText } from '../../support/clear-text.js';
import { lastRecord, clientNamed, codes, DAYTIME, start, startWith, type Running } from '../../support/sample.js';

interface Found {
  readonly page: { readonly next_token: string };
  readonly results: readonly { readonly type: string; readonly id: string; readonly name: string }[];
  readonly context?: { readonly reasons: readonly { readonly code: string }[]; readonly challenge?: string };
}

let remit: Running;
beforeAll(async () => {
  remit = await start();
  return () => remit.stop();
});

const search = async (what: string, body: object, headers: Record<string, string> = {}): Promise<Found> => {
  const response = await remit.post(`/access/v1/search/${what}`, body, headers);
  expect(response.statusCode, response.body).toBe(200);
  return response.json();
};
const ids = (found: Found): string[] => found.results.map((r) => r.id);
const SCOPES = 'hr.employees.read hr.employees.write hr.employees.export code.read code.write';
const mint = (user: string, agent: string, more: object = {}): Promise<string> =>
  remit.mint({ user, agent, scope: SCOPES, ttlSeconds: 3600, ...more });
const stored = async (type: string): Promise<string[]> =>
  [...(await remit.service.entities.ids(type))].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
/** Those of the ids that single questions allow; one after another, so that a busy machine decides each in time. */
const selectAllowed = async (candidates: readonly string[], questionOf: (id: string) => object): Promise<string[]> => {
  const selected: string[] = [];
  for (const id of candidates) if ((await remit.evaluate(questionOf(id))).decision) selected.push(id);
  return selected;
};

describe('for resources', () => {
  it.each([
    ['alice', 'hr-assistant', 'read', 'employee', {}],
    ['alice', 'hr-assistant', 'update', 'employee', {}],
    ['alice', 'hr-assistant', 'delete', 'employee', {}],
    ['bob', 'payroll-exporter', 'export', 'employee', {}],
    ['alice', 'retired-bot', 'read', 'employee', {}],
    ['dave', 'hr-assistant', 'read', 'employee', {}],
    ['carol', 'code-bot', 'read', 'repository', {}],
    ['carol', 'code-bot', 'push', 'repository', { chain: ['planner', 'hr-assistant'] }],
    ['liam', 'code-bot', 'push', 'repository', {}],
    ['carol', 'code-bot', 'read', 'repository', { scope: 'code.write' }],
    ['carol', 'code-bot', 'read', 'repository', { details: [{ type: 'remit', actions: ['read'], resources: ['repository:payments-api', 'repository:handbook'] }] }],
  ])('%s by %s: %s on %s %j', async (user, agent, name, type, more) => {
    const token = await mint(user, agent, more);
    const question = { subject: { type: 'user', id: user }, action: { name }, context: { token } };
    const found = await search('resource', { ...question, resource: { type } });
    const singly = await selectAllowed(await stored(type), (id) => ({ ...question, resource: { type, id } }));
    expect(ids(found)).toEqual(singly);
    expect(found.page.next_token).toBe('');
    // Only an empty list may say why.
    expect(Object.keys(found)).toEqual(['page', 'results', ...(found.context === undefined ? [] : ['context'])]);
    if (found.results.length > 0) expect(found.context).toBeUndefined();
  }); // prettier-ignore

  it('in pages of every size makes one list', async () => {
    const token = await mint('alice', 'hr-assistant');
    const body = { subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, resource: { type: 'employee' }, context: { token } }; // prettier-ignore
    const whole = ids(await search('resource', body));
    expect(whole.length).toBeGreaterThan(5);
    for (let limit = 1; limit <= whole.length + 1; limit += 1) {
      const listed: string[] = [];
      let next = '';
      do {
        const found = await search('resource', { ...body, page: { limit, token: next } });
        expect(found.results.length).toBeGreaterThan(0);
        expect(found.results.length).toBeLessThanOrEqual(limit);
        listed.push(...ids(found));
        next = found.page.next_token;
      } while (next !== '');
      expect(listed).toEqual(whole);
    }
  });

  it('shows nothing on a later page that has been taken back since', async () => {
    const token = await mint('alice', 'hr-assistant');
    const body = { subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, resource: { type: 'employee' }, context: { token } }; // prettier-ignore
    const whole = ids(await search('resource', body));
    const first = await search('resource', { ...body, page: { limit: 2 } });
    await remit.remove('agent:hr-assistant#delegator@user:alice');
    expect(await search('resource', { ...body, page: { limit: 2, token: first.page.next_token } })).toEqual({ page: { next_token: '' }, results: [] }); // prettier-ignore
    expect((await search('resource', body)).context).toMatchObject({ reasons: [{ code: 'delegation_missing' }] });
    await remit.touch('agent:hr-assistant#delegator@user:alice[expiration:2099-12-31T23:59:59Z]');
    const rest = await search('resource', { ...body, page: { token: first.page.next_token } });
    expect([...ids(first), ...ids(rest)]).toEqual(whole);
  });

  it.each([
    ['a type that is not known', { resource: { type: 'spaceship' } }, 'action_unknown'],
    ['an action that is not known', { action: { name: 'fly' } }, 'action_unknown'],
    ['somebody who is not known', { subject: { type: 'user', id: 'nobody' } }, 'subject_mismatch'],
    ['another subject than the token’s', { subject: { type: 'user', id: 'bob' } }, 'subject_mismatch'],
    ['no token', { context: {} }, 'token_missing'],
    ['a token that is none', { context: { token: 'x.y.z' } }, 'token_malformed'],
  ])('of %s finds nothing, and says why, alike each time', async (_of, change, code) => {
    const token = await mint('alice', 'hr-assistant');
    const body = { subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, resource: { type: 'employee' }, context: { token }, ...change }; // prettier-ignore
    const found = await search('resource', body);
    expect(found).toMatchObject({ page: { next_token: '' }, results: [], context: { reasons: [{ code }] } });
    expect(await search('resource', body)).toEqual(found);
  });

  it('that lacks a scope says which, and one that finds nothing of what it may ask for says nothing', async () => {
    const ask = async (scope: string, purpose?: string): Promise<Found> =>
      search('resource', {
        subject: { type: 'user', id: 'alice' },
        action: { name: 'read' },
        resource: { type: 'employee' },
        context: { token: await mint('alice', 'hr-assistant', { scope, purpose }) },
      });
    expect((await ask('code.read')).context).toMatchObject({
      reasons: [{ code: 'scope_insufficient' }],
      remedies: [{ type: 'scope', scope: 'hr.employees.read' }],
      challenge: expect.stringContaining('insufficient_scope') as string,
    });
    const details = [{ type: 'remit', actions: ['read'], resources: ['employee:nobody'] }];
    const token = await mint('alice', 'hr-assistant', { details });
    const question = { subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, context: { token } };
    expect(await search('resource', { ...question, resource: { type: 'employee' } })).toEqual({ page: { next_token: '' }, results: [] }); // prettier-ignore
  });

  it('leaves one record, which names no token', async () => {
    const token = await mint('alice', 'hr-assistant');
    const count = async (): Promise<number> =>
      Number((await remit.service.database.run([{ sql: 'select count(*)::int as n from records' }]))[0]?.[0]?.['n']);
    const before = await count();
    const body = { subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, resource: { type: 'employee' }, context: { token } }; // prettier-ignore
    const found = await search('resource', body);
    expect(await count()).toBe(before + 1);
    expect(await lastRecord(remit)).toMatchObject({
      client: 'dev',
      search: 'resource',
      found: found.results.length,
      items: found.results,
      request: { subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, resource: { type: 'employee' } },
    });
    expect(JSON.stringify(await lastRecord(remit))).not.toMatch(clearText('eyJ'));
  });

  it('is open to an agent with its own token, for itself', async () => {
    const token = await mint('alice', 'hr-assistant');
    const body = { subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, resource: { type: 'employee' } };
    // Its request alone says that it masks what it reads.
    const own = await search('resource', { ...body, context: { supported_obligations: ['mask'] } }, { authorization: `Bearer ${token}` }); // prettier-ignore
    expect(ids(own)).toEqual(ids(await search('resource', { ...body, context: { token } })));
    const other = await search('resource', { ...body, subject: { type: 'user', id: 'bob' } }, { authorization: `Bearer ${token}` }); // prettier-ignore
    // An agent reads codes, and nothing of the policies or of what is stored.
    expect(other).toMatchObject({ results: [], context: { reasons: [{ code: 'subject_mismatch' }] } });
    expect(other.context?.reasons).toEqual([{ code: 'subject_mismatch' }]);
  });
});

describe('for subjects', () => {
  it('finds the people who may, as single questions do', async () => {
    for (const [type, id, name] of [
      ['employee', 'erin', 'read'],
      ['employee', 'grace', 'update'],
      ['repository', 'payments-api', 'push'],
      ['repository', 'handbook', 'read'],
    ] as const) {
      const question = { action: { name }, resource: { type, id }, context: { mode: 'human' } };
      const found = await search('subject', { ...question, subject: { type: 'user' } });
      const singly = await selectAllowed(await stored('user'), (user) => ({
        ...question,
        subject: { type: 'user', id: user },
      }));
      expect(ids(found)).toEqual(singly);
    }
  });

  it('with a token finds nobody but those whom it names', async () => {
    const token = await mint('alice', 'hr-assistant');
    const question = { action: { name: 'read' }, resource: { type: 'employee', id: 'erin' }, context: { token } };
    expect(ids(await search('subject', { ...question, subject: { type: 'user' } }))).toEqual(['alice']);
    expect(ids(await search('subject', { ...question, subject: { type: 'agent' } }))).toEqual(['hr-assistant']);
    expect(ids(await search('subject', { ...question, subject: { type: 'team' } }))).toEqual([]);
    const zoe = { ...question, resource: { type: 'employee', id: 'zoe' } };
    expect(ids(await search('subject', { ...zoe, subject: { type: 'user' } }))).toEqual([]);
  });
});

describe('for actions', () => {
  it.each([
    ['alice', 'hr-assistant', 'employee', 'erin', ['read', 'update']],
    ['bob', 'payroll-exporter', 'employee', 'zoe', ['export', 'read', 'update']],
    ['alice', 'hr-assistant', 'employee', 'zoe', []],
    ['carol', 'code-bot', 'repository', 'payments-api', ['push', 'read']],
    ['carol', 'code-bot', 'repository', 'nowhere', []],
  ])('%s by %s on %s:%s', async (user, agent, type, id, names) => {
    const body = { subject: { type: 'user', id: user }, resource: { type, id }, context: { token: await mint(user, agent) } }; // prettier-ignore
    expect((await search('action', body)).results).toEqual(names.map((name) => ({ name })));
  });
});

describe('a page token', () => {
  const body = (token: string, more: object = {}): object => ({
    subject: { type: 'user', id: 'alice' },
    action: { name: 'read' },
    resource: { type: 'employee' },
    context: { token },
    ...more,
  });

  it('is good for its question only, and only as it was given', async () => {
    const token = await mint('alice', 'hr-assistant');
    const { next_token: next } = (await search('resource', body(token, { page: { limit: 2 } }))).page;
    const bytes = Buffer.from(next, 'base64url');
    const flipped = (at: number): string => Buffer.from(bytes.map((b, i) => (i === (at + bytes.length) % bytes.length ? b ^ 1 : b))).toString('base64url'); // prettier-ignore
    for (const change of [
      { page: { token: `${next}x` } },
      ...[0, 11, 12, 27, 28, -1].map((at) => ({ page: { token: flipped(at) } })),
      { page: { token: bytes.subarray(0, 28).toString('base64url') } },
      { page: { token: bytes.subarray(0, 20).toString('base64url') } },
      { page: { token: `${next}=` } },
      { page: { token: ` ${next}` } },
      { page: { token: 'x' } },
      { page: { token: next }, action: { name: 'update' } },
      { page: { token: next }, resource: { type: 'repository' } },
      { page: { token: next }, subject: { type: 'agent', id: 'hr-assistant' } },
      { page: { token: next }, context: { token, ticket: 'other' } },
    ]) {
      const response = await remit.post('/access/v1/search/resource', body(token, change));
      expect([response.statusCode, response.json<{ error: { at: string } }>().error.at]).toEqual([400, 'page.token']);
    }
    // It says nothing to whoever reads it, and is the same whenever the same is asked.
    const shown = ids(await search('resource', body(token, { page: { limit: 2 } })));
    for (const id of shown) expect(bytes.includes(id)).toBe(false);
    expect((await search('resource', body(token, { page: { limit: 2 } }))).page.next_token).toBe(next);
    // A fresh token of the same question, its members in another order, and another limit, go on.
    const rest = body(await mint('alice', 'hr-assistant'), { page: { token: next, limit: 1 } });
    expect(ids(await search('resource', rest))).toHaveLength(1);
  });

  it('is nobody else’s', async () => {
    const company = await startWith({
      issuers: [],
      clients: [clientNamed('one', 'remit', 'search'), clientNamed('two', 'remit', 'search'), clientNamed('none', 'remit', 'evaluate')],
    }); // prettier-ignore
    const token = await company.mint({ user: 'alice', agent: 'hr-assistant', scope: SCOPES });
    const as = (id: string, more: object = {}) =>
      company.post('/access/v1/search/resource', body(token, more), { authorization: `Bearer ${id}-key` });
    const { next_token: next } = (await as('one', { page: { limit: 1 } })).json<Found>().page;
    expect((await as('one', { page: { token: next } })).statusCode).toBe(200);
    expect((await as('two', { page: { token: next } })).statusCode).toBe(400);
    expect((await as('none')).statusCode).toBe(403);
    await company.stop();
  });

  it.each([0, -1, 1e9, 1.5, '10'])('has no limit of %j', async (limit) => {
    const response = await remit.post('/access/v1/search/resource', body(await mint('alice', 'hr-assistant'), { page: { limit } })); // prettier-ignore
    expect([response.statusCode, response.json<{ error: { at: string } }>().error.at]).toEqual([400, 'page.limit']);
  });
});

describe('the record of a search', () => {
  const last = (company = remit) => lastRecord(company);
  const resource = { type: 'employee', id: 'erin' };

  it('names user and agent, whatever is searched for', async () => {
    const token = await mint('alice', 'hr-assistant', { chain: ['planner'] });
    const acting = { user: 'user:alice', agent: 'agent:hr-assistant', chain: ['agent:planner'] };
    const [user, action] = [{ type: 'user', id: 'alice' }, { name: 'read' }];
    for (const [what, body] of [
      ['resource', { subject: user, action, resource: { type: 'employee' } }],
      ['subject', { subject: { type: 'user' }, action, resource }],
      ['subject', { subject: { type: 'agent' }, action, resource }],
      ['action', { subject: user, resource }],
    ] as const) {
      await search(what, { ...body, context: { token, dry_run: true } });
      expect(await last()).toMatchObject({ acting, dry_run: true, token: { issuer: 'urn:remit:development' } });
    }
  });

  it('names whom a client vouches for', async () => {
    await search('subject', { subject: { type: 'agent', properties: { on_behalf_of: 'alice' } }, action: { name: 'read' }, resource }); // prettier-ignore
    expect(await last()).toMatchObject({ acting: { user: 'user:alice' }, dry_run: false });
    const subject = { type: 'user', id: 'alice', properties: { act: { sub: 'hr-assistant' } } };
    await search('resource', { subject, action: { name: 'read' }, resource: { type: 'employee' } });
    expect(await last()).toMatchObject({ acting: { user: 'user:alice', agent: 'agent:hr-assistant' } });
  });

  it('is there for an empty list too', async () => {
    const body = { subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, records: [], context: { token: 'a.b.c' } }; // prettier-ignore
    expect((await remit.post('/v1/filter', body)).statusCode).toBe(200);
    expect(await last()).toMatchObject({ search: 'filter', found: 0, request: { records: 0 } });
  });

  it('is not waited for without end, and without it nothing is answered', async () => {
    const record = vi.spyOn(remit.service.decisions, 'record').mockReturnValue(new Promise(() => undefined));
    const token = await mint('alice', 'hr-assistant');
    const body = { subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, context: { token } };
    const answers = await Promise.all([
      remit.post('/access/v1/search/resource', { ...body, resource: { type: 'employee' } }),
      remit.post('/v1/filter', { ...body, records: [resource] }),
    ]);
    expect(answers.map((a) => a.statusCode)).toEqual([503, 503]);
    record.mockRestore();
  });

  it('can’t be escaped by a token that ends while the list is judged', async () => {
    const token = await mint('alice', 'hr-assistant', { ttlSeconds: 60 });
    const fetch = remit.service.entities.fetch.bind(remit.service.entities);
    const ending = vi.spyOn(remit.service.entities, 'fetch').mockImplementation((needs) => {
      remit.at(new Date(DAYTIME.getTime() + 3_600_000));
      return fetch(needs);
    });
    const body = { subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, context: { token } };
    const response = await remit.post('/v1/filter', { ...body, records: [resource] });
    ending.mockRestore();
    remit.at(DAYTIME);
    expect([response.statusCode, response.body.includes('"records"')]).toEqual([503, false]);
  });
});

it('has nothing to say where an engine is down: never a part for the whole', async () => {
  const company = await start();
  const token = await company.mint({ user: 'alice', agent: 'hr-assistant', scope: SCOPES });
  const body = { subject: { type: 'user', id: 'alice' }, action: { name: 'read' }, resource: { type: 'employee' }, context: { token } }; // prettier-ignore
  expect(codes(await company.evaluate({ ...body, resource: { type: 'employee', id: 'erin' } }))).toEqual([]);
  await company.service.database.close();
  expect((await company.post('/access/v1/search/resource', body)).statusCode).toBe(503);
  await company.stop();
});
