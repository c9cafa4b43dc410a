/** Decision records in a list: whose they are, in which order, and what of them is shown to whom. */
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { clientNamed, DAYTIME, start, startWith, type Answer, type Running } from '../../support/sample.js';

interface Listed {
  readonly page: { readonly next_token: string };
  readonly results: readonly {
    readonly id: string;
    readonly client: string;
    readonly decision: boolean;
    readonly facts?: { readonly said: Record<string, unknown>; readonly entities: Record<string, unknown> };
  }[];
}

let remit: Running;
let token: string;
beforeAll(async () => {
  remit = await startWith({
    issuers: [],
    clients: [
      clientNamed('plain', 'remit', 'evaluate'),
      clientNamed('other', 'remit', 'evaluate'),
      clientNamed('admin', 'remit', 'evaluate', 'admin', 'search', 'read_values'),
      clientNamed('reader', 'remit', 'evaluate', 'read_values'),
      clientNamed('root', 'remit', 'admin'),
      clientNamed('filterer', 'remit', 'filter'),
      clientNamed('searcher', 'remit', 'search'),
      clientNamed('scraper', 'remit', 'metrics'),
    ],
  });
  token = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read', audience: 'remit' });
  return () => remit.stop();
});

const as = (who: string) => ({ authorization: `Bearer ${who}-key` });
const ask = async (who: string, over: object = {}): Promise<string> => {
  const response = await remit.post(
    '/access/v1/evaluation',
    {
      subject: { type: 'user', id: 'alice' },
      action: { name: 'read' },
      resource: { type: 'employee', id: 'erin' },
      context: { token },
      ...over,
    },
    as(who),
  );
  return response.json<Answer>().context?.id ?? '';
};
const get = (url: string, who: string) =>
  remit.app.inject({ method: 'GET', url, headers: { host: '127.0.0.1:7480', ...as(who) } });
const list = async (who: string, query = ''): Promise<Listed> => {
  const response = await get(`/v1/decisions${query}`, who);
  expect(response.statusCode, response.body).toBe(200);
  return response.json();
};

describe('a list of decisions', () => {
  it('is one’s own, the newest first; an admin’s is everybody’s', async () => {
    const [one, two, three] = [await ask('plain'), await ask('other'), await ask('plain')];
    expect((await list('plain')).results.map((r) => r.id)).toEqual([three, one]);
    expect((await list('other')).results.map((r) => r.id)).toEqual([two]);
    expect((await list('admin')).results.slice(0, 3).map((r) => r.id)).toEqual([three, two, one]);
  });

  it('comes in pages, each once, whatever is decided meanwhile', async () => {
    const asked: string[] = [];
    for (let i = 0; i < 5; i += 1) asked.unshift(await ask('other'));
    const first = await list('other', '?limit=2');
    await ask('other');
    const second = await list('other', `?limit=2&page_token=${first.page.next_token}`);
    expect([...first.results, ...second.results].map((r) => r.id)).toEqual(asked.slice(0, 4));
  });

  it('ends', async () => {
    let [page, seen] = ['', 0];
    do {
      const found = await list('other', `?limit=3${page === '' ? '' : `&page_token=${page}`}`);
      seen += found.results.length;
      page = found.page.next_token;
    } while (page !== '');
    expect(seen).toBe((await list('other')).results.length);
  });

  it('is of a time, and of one outcome', async () => {
    const later = new Date(DAYTIME.getTime() + 60_000);
    remit.at(later);
    const denied = await ask('plain', { resource: { type: 'employee', id: 'zoe' } });
    expect((await list('plain', `?since=${later.toISOString()}`)).results.map((r) => r.id)).toEqual([denied]);
    expect((await list('plain', `?until=${later.toISOString()}`)).results.map((r) => r.id)).not.toContain(denied);
    expect((await list('plain', '?decision=false')).results.every((r) => !r.decision)).toBe(true);
  });

  it('is of a person, an agent, a thing, an action, a reason, a task and a session', async () => {
    const about = { resource: { type: 'employee', id: 'zoe' }, context: { token, task: 'month-end' } };
    const denied = await ask('plain', about);
    const { results } = await list('plain', '?task=month-end');
    expect(results.map((r) => r.id)).toEqual([denied]);
    const [record] = results as unknown as {
      reasons: { code: string }[];
      rationale: { acting: Record<string, string> };
    }[];
    expect(record?.rationale.acting['user']).not.toBe('user:alice');
    const [user, agent, code] = ['user:alice', 'agent:hr-assistant', record?.reasons[0]?.code];
    for (const selected of [`user=${user}`, `agent=${agent}`, 'resource=employee:zoe', 'action=read', `reason=${code}`])
      expect(
        (await list('plain', `?${selected}&limit=1`)).results.map((r) => r.id),
        selected,
      ).toEqual([denied]);
    const both = await list('plain', `?resource=employee:zoe&user=${user}&agent=${agent}&action=read&decision=false`);
    expect(both.results.map((r) => r.id)).toContain(denied);
    for (const other of ['user=user:other', 'resource=employee:nobody', 'session=none', 'action=none'])
      expect((await list('plain', `?${other}`)).results, other).toEqual([]);
    // Another client's stay its own, however they are looked for.
    expect((await list('other', '?task=month-end')).results).toEqual([]);
  });

  it('also says what was searched for', async () => {
    await remit.post(
      '/access/v1/search/resource',
      {
        subject: { type: 'user', id: 'alice' },
        action: { name: 'read' },
        resource: { type: 'employee' },
        context: { token },
      },
      as('admin'),
    );
    expect((await list('admin', '?limit=1')).results[0]).toMatchObject({ search: 'resource', client: 'admin' });
  });

  it.each([
    ['?limit=0', 'limit'],
    ['?limit=201', 'limit'],
    ['?since=yesterday', 'since'],
    ['?decision=maybe', 'decision'],
    ['?who=alice', 'who'],
    ['?page_token=eyJhbGciOiJub25lIn0', 'page_token'],
  ])('refuses %s, naming the place', async (query, place) => {
    const response = await get(`/v1/decisions${query}`, 'plain');
    expect(response.statusCode).toBe(400);
    expect(response.json<{ error: { at?: string; message: string } }>().error).toSatisfy(
      ({ at = '', message }: { at?: string; message: string }) => at.includes(place) || message.includes(place),
    );
  });

  it('refuses another client’s page, and one of another question', async () => {
    await ask('plain');
    const { page } = await list('plain', '?limit=1');
    for (const [query, who] of [
      [`?page_token=${page.next_token}`, 'other'],
      [`?decision=true&page_token=${page.next_token}`, 'plain'],
    ] as const)
      expect((await get(`/v1/decisions${query}`, who)).statusCode).toBe(400);
  });
});

it('a page that took long is followed by a pause as long, for its own caller alone', async () => {
  await ask('plain');
  const { decisions } = remit.service;
  const list = decisions.listClosed.bind(decisions);
  const calls: { readonly client: string | undefined; readonly begin: number; readonly end: number }[] = [];
  const spy = vi.spyOn(decisions, 'listClosed').mockImplementation(async (...args) => {
    const begin = performance.now();
    if (calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 200));
    return list(...args).finally(() => calls.push({ client: args[0].client, begin, end: performance.now() }));
  });
  await get('/v1/decisions', 'plain');
  await Promise.all(['plain', 'other'].map((who) => get('/v1/decisions', who)));
  spy.mockRestore();
  expect(calls.map(({ client }) => client)).toEqual(['plain', 'other', 'plain']);
  const [first, , next] = calls;
  expect((next?.begin ?? 0) - (first?.end ?? 0)).toBeGreaterThan(0.9 * ((first?.end ?? 0) - (first?.begin ?? 0)));
});

describe('what a decision rests on', () => {
  it('is shown to an admin and to nobody else: it tells what is stored', async () => {
    const id = await ask('plain');
    const { facts } = (await get(`/v1/decisions/${id}?values=true`, 'admin')).json<Listed['results'][number]>();
    expect(facts?.entities).toMatchObject({ 'agent:hr-assistant': { attributes: { suspended: false } } });
    expect((await list('admin', '?limit=1&values=true')).results[0]?.facts).toBeDefined();
    for (const response of [await get(`/v1/decisions/${id}`, 'plain'), await get('/v1/decisions?limit=1', 'plain')]) {
      expect(response.body).toContain(id);
      expect(response.body).not.toContain('facts');
      expect(response.body).toContain('"redacted":true');
    }
  });

  it('keeps of a request what can decide, and nothing that nobody asked for', async () => {
    const id = await ask('plain', {
      resource: { type: 'employee', id: 'erin', properties: { status: 'active', password: 'hunter2' } },
      context: { token, cookie: 'hunter2', purpose: 'payroll' },
    });
    const text = (await get(`/v1/decisions/${id}?values=true`, 'admin')).body;
    expect(text).not.toContain('hunter2');
    expect(text).not.toContain(token.slice(-20));
    expect(JSON.parse(text)).toMatchObject({
      facts: { said: { resource: { status: 'active' }, context: { purpose: 'payroll' } } },
    });
  });

  it('has no more of a purpose than can be one: a text as long as a token’s, and only in the context', async () => {
    const purposes = fc.oneof(fc.string({ maxLength: 2000, size: 'max' }), fc.jsonValue(), fc.constant('x'.repeat(1025)));
    await fc.assert(
      fc.asyncProperty(purposes.map((value) => JSON.parse(JSON.stringify(value)) as unknown), async (purpose) => {
        fc.pre(purpose !== null);
        const id = await ask('plain', {
          subject: { type: 'user', id: 'alice', properties: { purpose } },
          action: { name: 'read', properties: { purpose } },
          resource: { type: 'employee', id: 'erin', properties: { purpose } },
          context: { token, purpose },
        });
        fc.pre(id !== ''); // Some texts are refused.
        const { facts } = (await get(`/v1/decisions/${id}?values=true`, 'admin')).json<Listed['results'][number]>();
        const kept = typeof purpose === 'string' && purpose.length <= 1024 ? purpose : null;
        expect(facts?.said).toEqual({
          context: { purpose: kept },
          supported_obligations: ['mask', 'visible_fields', 'notification'],
        });
      }),
      { numRuns: 30, examples: [['payroll'], [['payroll']], ['x'.repeat(1024)], ['x'.repeat(1025)]] },
    );
  }); // prettier-ignore

  it('is left out where it would be long', async () => {
    const id = await ask('plain', {
      subject: { type: 'user', id: 'alice', properties: { name: 'x'.repeat(31_000) } },
      resource: { type: 'employee', id: 'erin', properties: { ssn: 'é'.repeat(31_000) } },
    });
    // In bytes: the same number of characters would be short enough.
    const inBytes = await ask('plain', {
      resource: { type: 'employee', id: 'erin', properties: { ssn: '字'.repeat(31_000) } },
    });
    expect(
      (await get(`/v1/decisions/${inBytes}?values=true`, 'admin')).json<Listed['results'][number]>().facts,
    ).toBeUndefined();
    const record = (await get(`/v1/decisions/${id}?values=true`, 'admin')).json<Listed['results'][number]>();
    expect(record.id).toBe(id);
    expect(record.facts).toBeUndefined();
  });
});

describe('an outcome', () => {
  const report = async (body: object, who = 'plain', id?: string) =>
    remit.post(`/v1/decisions/${id ?? (await ask(who))}/outcome`, body, as(who));
  const withDetail = (length: number): object => {
    const rest = JSON.stringify({ outcome: 'executed', properties: { text: '' } }).length;
    return { outcome: 'executed', properties: { text: 'x'.repeat(length - rest) } };
  };

  it('is reported by who asked: an admin sees the decision, and its word counts for nothing there', async () => {
    const id = await ask('plain');
    expect((await get(`/v1/decisions/${id}`, 'root')).statusCode).toBe(200);
    const failed = { outcome: 'failed' };
    expect((await report(failed, 'admin', id)).statusCode).toBe(404);
    expect((await report(failed, 'other', id)).statusCode).toBe(404);
    expect((await report(failed, 'root', id)).statusCode).toBe(403);
    expect((await get(`/v1/decisions/${id}`, 'root')).json()).not.toHaveProperty('outcome');
    expect((await report({ outcome: 'executed' }, 'plain', id)).statusCode).toBe(201);
    expect((await report(failed, 'admin')).statusCode).toBe(201);
  });

  it('is reported by a client that may only search on its own lists', async () => {
    const subject = { type: 'user', id: 'alice' };
    const body = { subject, action: { name: 'read' }, resource: { type: 'employee' }, context: { token } };
    const search = await remit.post('/access/v1/search/resource', body, as('searcher'));
    const id = String(search.headers['remit-decision-id']);
    expect((await report({ outcome: 'executed' }, 'filterer', id)).statusCode).toBe(404);
    expect((await report({ outcome: 'executed' }, 'searcher', id)).statusCode).toBe(201);
    expect((await get(`/v1/decisions/${id}`, 'root')).json()).toMatchObject({ outcome: { reported_by: 'searcher' } });
  });

  it('is reported under the id that the API’s description says where to find', async () => {
    const { paths } = (await get('/openapi.json', 'root')).json<{
      paths: Record<string, Record<string, { responses: { 200?: { headers?: object } } }>>;
    }>();
    const naming = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, { responses }]) =>
        Object.keys(responses[200]?.headers ?? {}).includes('Remit-Decision-Id') ? [`${method} ${path}`] : [],
      ),
    );
    // A route that isn't described so can't name a decision at all, whatever its tests are.
    expect(naming.sort()).toEqual([
      'get /v1/capabilities',
      'post /access/v1/evaluation',
      'post /access/v1/evaluations',
      'post /access/v1/search/action',
      'post /access/v1/search/resource',
      'post /access/v1/search/subject',
      'post /v1/capabilities',
      'post /v1/filter',
    ]);
  });

  it('is reported by a client that may only filter on its own lists', async () => {
    const subject = { type: 'user', id: 'alice' };
    const [action, context] = [{ name: 'read' }, { token }];
    const records = [{ type: 'employee', id: 'erin' }];
    const list = await remit.post('/v1/filter', { subject, action, context, records }, as('filterer'));
    expect(list.statusCode, list.body).toBe(200);
    const id = String(list.headers['remit-decision-id']);
    const executed = { outcome: 'executed' };
    for (const other of ['plain', 'admin', 'searcher'])
      expect((await report(executed, other, id)).statusCode).toBe(404);
    expect((await report(executed, 'scraper', id)).statusCode).toBe(403);
    expect((await report(executed, 'filterer', id)).statusCode).toBe(201);
    expect((await get(`/v1/decisions/${id}`, 'root')).json()).toMatchObject({ outcome: { reported_by: 'filterer' } });
    expect((await report(executed, 'filterer', await ask('plain'))).statusCode).toBe(404);
  });

  it('is at most 16 KiB long, announced or not', async () => {
    expect((await report(withDetail(16 * 1024))).statusCode).toBe(201);
    const response = await report(withDetail(16 * 1024 + 1));
    expect(response.statusCode).toBe(413);
    expect(response.json()).toMatchObject({ error: { message: 'The body must be at most 16 KiB long.' } });
    expect((await report(withDetail(900 * 1024))).statusCode).toBe(413);
    const chunked = await remit.app.inject({
      method: 'POST',
      url: `/v1/decisions/${await ask('plain')}/outcome`,
      headers: { host: '127.0.0.1:7480', 'content-type': 'application/json', 'transfer-encoding': 'chunked', ...as('plain') },
      payload: Readable.from([JSON.stringify(withDetail(17 * 1024))]),
    });
    expect(chunked.statusCode).toBe(413);
  }); // prettier-ignore

  it('is no longer in the answer than it was let in, whatever its numbers', async () => {
    const number = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom(1e308, -5e-324, 1e21));
    const numbers = fc.tuple(number, fc.integer({ min: 0, max: 1_700 })).map(([value, count]) => Array<number>(count).fill(value));
    const seen = new Set<number>();
    await fc.assert(
      fc.asyncProperty(numbers, async (values) => {
        const id = await ask('plain');
        const { statusCode } = await report({ outcome: 'failed', properties: { values } }, 'plain', id);
        seen.add(statusCode);
        const { outcome } = (await get(`/v1/decisions/${id}`, 'plain')).json<{ outcome?: object }>();
        const [stored] = await remit.service.database.run([
          { sql: 'select length(record::text) as length from records where about = $1::uuid', params: [id] },
        ]);
        expect(outcome !== undefined).toBe(statusCode === 201);
        expect(Number(stored?.[0]?.['length'] ?? 0)).toBeLessThan(2 * 16 * 1024);
      }),
      { numRuns: 40, examples: [[Array<number>(60).fill(1e308)], [Array<number>(40).fill(1e308)]] },
    );
    expect([...seen].filter((status) => ![201, 400, 413].includes(status))).toEqual([]);
    expect([...seen]).toEqual(expect.arrayContaining([201, 400]));
  }); // prettier-ignore

  it('and a single record have few places, of which one caller has half: neither holds up what others ask', async () => {
    const { database } = remit.service;
    const mine = await ask('plain');
    const others = await ask('other');
    const run = database.run.bind(database);
    const held: (() => void)[] = [];
    let isHolding = true;
    const spy = vi.spyOn(database, 'run').mockImplementation(async (statements) => {
      const isOfOne = statements.some(({ sql }) => /left join records o|report_outcome/.test(sql));
      if (isOfOne && isHolding) await new Promise<void>((resolve) => held.push(resolve));
      return run(statements);
    });
    const calls = Array.from({ length: 20 }, (_, i) =>
      i % 2 === 0 ? get(`/v1/decisions/${mine}`, 'plain') : report({ outcome: 'executed' }, 'plain', mine),
    );
    await vi.waitUntil(() => held.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(held).toHaveLength(2);
    const other = get(`/v1/decisions/${others}`, 'other');
    await vi.waitUntil(() => held.length === 3);
    // Pages and decisions wait for none of these.
    expect((await list('plain', '?limit=1')).results).toHaveLength(1);
    expect(await ask('other')).not.toBe('');
    isHolding = false;
    for (const release of held) release();
    expect((await other).statusCode).toBe(200);
    for (const { statusCode } of await Promise.all(calls)) expect([200, 201]).toContain(statusCode);
    spy.mockRestore();
  });
});

it('numbers that the database writes out in hundreds of digits do not make a record, nor a page, long', async () => {
  const dev = await start();
  const own = await dev.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read' });
  const body = {
    subject: { type: 'user', id: 'alice' },
    action: { name: 'read' },
    resource: { type: 'employee', id: 'erin' },
    context: { purpose: Array.from({ length: 4_000 }, () => 1e308) },
  };
  // Where the token constrains the member, its value is on record whatever it is.
  const constrained = await dev.mint({
    user: 'alice',
    agent: 'hr-assistant',
    details: [{ type: 'remit', actions: ['read'], constraints: { 'action.rows': { max: 1 } } }],
  });
  const rows = { ...body, action: { name: 'read', properties: { rows: Array.from({ length: 4_000 }, () => 1e308) } } };
  const denied = await dev.post('/access/v1/evaluation', rows, { authorization: `Bearer ${constrained}` });
  expect(denied.json<Answer>().context?.reasons.map(({ code }) => code)).toContain('authorization_details_mismatch');
  await dev.post('/access/v1/evaluation', body, { authorization: `Bearer ${own}` });
  const response = await dev.request('GET', '/v1/decisions?limit=1');
  expect(response.json<{ results: object[] }>().results).toHaveLength(1);
  expect(response.body.length).toBeLessThan(100_000);
  await dev.stop();
});

it('an agent’s own question is on record with what it rests on', async () => {
  const dev = await start();
  const own = await dev.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read' });
  const body = {
    subject: { type: 'user', id: 'alice' },
    action: { name: 'read' },
    resource: { type: 'employee', id: 'erin', properties: { status: 'forged' } },
  };
  await dev.post('/access/v1/evaluation', body, { authorization: `Bearer ${own}` });
  const response = await dev.request('GET', '/v1/decisions?limit=1&values=true');
  // What the agent stated denied the question, so it is part of what the decision rests on.
  expect(response.json()).toMatchObject({
    results: [
      {
        client: 'agent:hr-assistant',
        reasons: [{ code: 'attributes_unproven' }],
        facts: { caller: { kind: 'agent' }, said: { resource: { status: 'forged' } } },
      },
    ],
  });
  await dev.stop();
});
