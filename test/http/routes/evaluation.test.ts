/** The AuthZEN endpoints: what is asked, in which forms, and everything that is refused. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Rationale } from '../../../src/model/decision.js';
import { codes, start, type Answer, type Running } from '../../support/sample.js';

let remit: Running;
let token: string;
beforeAll(async () => {
  remit = await start();
  token = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read hr.employees.write' });
  return () => remit.stop();
});

const URL = '/access/v1/evaluation';
const BATCH = '/access/v1/evaluations';
const subject = { type: 'user', id: 'alice' };
const erin = { type: 'employee', id: 'erin' };
const zoe = { type: 'employee', id: 'zoe' };
const read = { name: 'read' };
const question = (over: object = {}) => ({ subject, action: read, resource: erin, context: { token }, ...over });

describe('an evaluation', () => {
  it('answers with all that a client needs to go on and to explain', async () => {
    const { decision, context } = await remit.evaluate(question());
    expect(decision).toBe(true);
    expect(context).toMatchObject({
      id: expect.stringMatching(/^[0-9a-f-]{14}7[0-9a-f-]{21}$/) as string,
      evaluated_at: '2030-03-04T10:00:00.000Z',
      valid_until: '2030-03-04T10:05:00.000Z',
      reasons: [],
      remedies: [],
      obligations: [{ id: 'mask', type: 'mask', properties: { fields: ['salary', 'ssn'] } }],
    });
    expect(context?.evaluation_id).toBe(context?.id);
    expect(context).not.toHaveProperty('reason');
    expect(JSON.stringify(context)).not.toContain(token.slice(0, 20));
  });

  it('says the code of the first reason of a deny', async () => {
    const { context } = await remit.evaluate(question({ action: { name: 'delete' } }));
    expect(context?.reason).toBe(context?.reasons[0]?.code);
    expect(context?.reason).toMatch(/^[a-z_]+$/);
  });

  it('is minimal on request: the decision, and obligations where there are any', async () => {
    const response = await remit.post(URL, question(), { prefer: 'return=minimal' });
    expect(response.json()).toEqual({
      decision: true,
      context: { obligations: [{ id: 'mask', type: 'mask', properties: { fields: ['salary', 'ssn'] } }] },
    });
    expect(response.headers['preference-applied']).toBe('return=minimal');
    expect(
      (await remit.post(URL, question({ resource: zoe }), { prefer: 'respond-async, return=minimal' })).json(),
    ).toEqual({ decision: false });
  });

  it('takes a null for what is optional as if it were not said', async () => {
    const nulls = { subject: { ...subject, properties: null }, action: { ...read, properties: null } };
    expect((await remit.evaluate(question(nulls))).decision).toBe(true);
    expect(codes(await remit.evaluate(question({ context: null })))).toEqual(['token_missing']);
    const response = await remit.post(BATCH, {
      ...question(),
      options: null,
      evaluations: [
        { subject: null, context: null },
        { resource: zoe, action: null },
      ],
    });
    expect(response.json<{ evaluations: Answer[] }>().evaluations.map((a) => a.decision)).toEqual([true, false]);
    expect((await remit.post(BATCH, { ...question(), evaluations: null })).json()).toMatchObject({ decision: true });
  });

  it('has its id in a header, minimal or not, and so has an item of a batch', async () => {
    const response = await remit.post(URL, question());
    expect(response.headers['remit-decision-id']).toBe(response.json<Answer>().context?.id);
    const minimal = { prefer: 'return=minimal' };
    const [single, batch] = [
      await remit.post(URL, question(), minimal),
      await remit.post(BATCH, { ...question(), evaluations: [{}, { resource: zoe }, 7] }, minimal),
    ].map(({ headers }) => String(headers['remit-decision-id']));
    const find = async (name: string) => {
      const found = await remit.request('GET', `/v1/decisions/${name}?values=true`);
      return found.statusCode === 200 ? found.json<{ decision: boolean }>().decision : found.statusCode;
    };
    expect(await Promise.all([single, batch, `${batch}.0`, `${batch}.1`, `${batch}.2`].map(String).map(find))).toEqual([true, 404, true, false, 404]); // prettier-ignore
    expect((await remit.request('POST', `/v1/decisions/${batch}.0/outcome`, { outcome: 'executed' })).statusCode).toBe(201); // prettier-ignore
    const full = await remit.post(BATCH, { ...question(), evaluations: [{}, {}] });
    const [, second] = full.json<{ evaluations: Answer[] }>().evaluations;
    const named = await remit.request('GET', `/v1/decisions/${String(full.headers['remit-decision-id'])}.1`);
    expect(named.json()).toMatchObject({ id: second?.context?.id });
  });

  it('that is minimal has a record without the path that grants, which it does not look for', async () => {
    const newest = async () => {
      const { results } = (await remit.request('GET', '/v1/decisions?limit=1&values=true')).json<{
        results: { rationale: Rationale }[];
      }>();
      return results[0]?.rationale.steps.find(({ step }) => step === 'relationship')?.evidence;
    };
    await remit.post(URL, question());
    expect(await newest()).toHaveProperty('path');
    await remit.post(URL, question(), { prefer: 'return=minimal' });
    expect(await newest()).toHaveProperty('revision');
    expect(await newest()).not.toHaveProperty('path');
  });

  it('echoes X-Request-ID, also where it refuses, and keeps it on record', async () => {
    const answered = await remit.post(URL, question(), { 'x-request-id': 'abc-123' });
    expect(answered.headers['x-request-id']).toBe('abc-123');
    const { id } = answered.json<Answer>().context ?? {};
    expect((await remit.request('GET', `/v1/decisions/${id ?? ''}?values=true`)).json()).toMatchObject({
      request: { request_id: 'abc-123' },
    });
    expect((await remit.post(URL, '{', { 'x-request-id': 'def' })).headers['x-request-id']).toBe('def');
    expect((await remit.post(URL, question())).headers['x-request-id']).toBeUndefined();
  });

  it('takes null as if it were not said', async () => {
    const properties = { salary: null, status: null };
    expect((await remit.evaluate(question({ resource: { ...erin, properties } }))).decision).toBe(true);
    for (const member of [{ consistency: { at_least: null } }, { approval: { id: null } }]) {
      const response = await remit.post(URL, question({ context: { token, ...member } }));
      expect([response.statusCode, response.json<Answer>().decision], response.body).toEqual([200, true]);
    }
  });

  it('decides a dry run and says so on record', async () => {
    const { context } = await remit.evaluate(question({ context: { token, dry_run: true } }));
    expect((await remit.request('GET', `/v1/decisions/${context?.id ?? ''}?values=true`)).json()).toMatchObject({
      dry_run: true,
      decision: true,
    });
  });

  it('takes a ZedToken of its own writes, and refuses any other', async () => {
    const written = await remit.post('/v1/relationships', {
      updates: [{ operation: 'touch', relationship: 'team:data#member@user:erin' }],
    });
    const { zedtoken } = written.json<{ zedtoken: string }>();
    expect((await remit.evaluate(question({ context: { token, consistency: { at_least: zedtoken } } }))).decision).toBe(
      true,
    );
    const forged = await remit.post(
      URL,
      question({ context: { token, consistency: { at_least: 'GhUKEzE3OTUzMTQz' } } }),
    );
    expect(forged.statusCode).toBe(400);
    expect(forged.json()).toMatchObject({ error: { at: 'context.consistency.at_least' } });
    await remit.remove('team:data#member@user:erin');
  });
});

describe('bad input is refused, naming the place', () => {
  // Questions are made when asked, since only then there is a token.
  const malformed: [string, string | object | (() => object), number, string | undefined][] = [
    ['no body', '', 400, undefined],
    ['no JSON', 'hello', 400, undefined],
    ['half an object', '{"subject":', 400, undefined],
    ['a trailing comma', '{"subject":{},}', 400, undefined],
    ['a comment', '{/*x*/"subject":{}}', 400, undefined],
    ['two values', '{}{}', 400, undefined],
    ['an array', () => [question()], 400, undefined],
    ['a string', '"x"', 400, undefined],
    ['null', 'null', 400, undefined],
    [
      'a duplicate key',
      '{"subject":{"type":"user","id":"alice","id":"bob"},"action":{"name":"read"},"resource":{"type":"employee","id":"erin"}}',
      400,
      'subject.id',
    ],
    ['a duplicate key, escaped', '{"action":{"name":"read","n\\u0061me":"delete"}}', 400, 'action.name'],
    [
      '__proto__',
      '{"subject":{"type":"user","id":"alice","properties":{"__proto__":{"a":1}}}}',
      400,
      'subject.properties.__proto__',
    ],
    ['a lone surrogate', '{"action":{"name":"\\ud800"}}', 400, 'action.name'],
    ['a lone surrogate as a key', '{"action":{"\\udfff":1}}', 400, undefined],
    ['NUL', '{"action":{"name":"a\\u0000"}}', 400, 'action.name'],
    ['33 levels', `${'{"a":'.repeat(33)}1${'}'.repeat(33)}`, 400, 'a.a.a.a.a.a.a.a'],
    ['5,000 levels', `${'['.repeat(5000)}${']'.repeat(5000)}`, 400, undefined],
    ['no subject', { action: read, resource: erin }, 400, 'subject'],
    ['no action', { subject, resource: erin }, 400, 'action'],
    ['no resource', { subject, action: read }, 400, 'resource'],
    ['a subject without type', () => question({ subject: { id: 'alice' } }), 400, 'subject.type'],
    ['a subject without id', () => question({ subject: { type: 'user' } }), 400, 'subject.id'],
    ['an action without name', () => question({ action: {} }), 400, 'action.name'],
    ['a subject that is a string', () => question({ subject: 'alice' }), 400, 'subject'],
    ['a subject that is an array', () => question({ subject: [subject] }), 400, 'subject'],
    ['an id that is a number', () => question({ resource: { type: 'employee', id: 7 } }), 400, 'resource.id'],
    ['an empty id', () => question({ resource: { type: 'employee', id: '' } }), 400, 'resource.id'],
    ['an id with a newline', () => question({ resource: { type: 'employee', id: 'a\nb' } }), 400, 'resource.id'],
    [
      'an id of 10,000 characters',
      () => question({ resource: { type: 'employee', id: 'x'.repeat(10_000) } }),
      400,
      'resource.id',
    ],
    [
      'an id of 257 code points',
      () => question({ resource: { type: 'employee', id: '😀'.repeat(257) } }),
      400,
      'resource.id',
    ],
    [
      'an id too long when encoded',
      () => question({ resource: { type: 'employee', id: '😀'.repeat(200) } }),
      400,
      'resource.id',
    ],
    ['an id that is not NFC', () => question({ resource: { type: 'employee', id: 'e\u0301' } }), 400, 'resource.id'],
    ['a name of 300 characters', () => question({ action: { name: 'x'.repeat(300) } }), 400, 'action.name'],
    [
      'properties that are an array',
      () => question({ resource: { ...erin, properties: [] } }),
      400,
      'resource.properties',
    ],
    [
      'a property of a wrong type',
      () => question({ resource: { ...erin, properties: { salary: '1' } } }),
      400,
      'resource.properties.salary',
    ],
    [
      'a number that is no whole one',
      () => question({ resource: { ...erin, properties: { salary: 1.5 } } }),
      400,
      'resource.properties.salary',
    ],
    [
      'a number beyond what is exact',
      () => question({ resource: { ...erin, properties: { salary: 2 ** 53 } } }),
      400,
      'resource.properties.salary',
    ],
    ['a context that is a string', () => question({ context: 'x' }), 400, 'context'],
    ['a token that is an object', () => question({ context: { token: {} } }), 400, 'context.token'],
    ['a token of 9 KiB', () => question({ context: { token: 'x'.repeat(9 * 1024) } }), 400, 'context.token'],
    ['a mode there is not', () => question({ context: { mode: 'root' } }), 400, 'context.mode'],
    ['dry_run as a string', () => question({ context: { token, dry_run: 'yes' } }), 400, 'context.dry_run'],
    ['a body of 2 MiB', () => question({ context: { token, pad: 'x'.repeat(2 * 1024 * 1024) } }), 413, undefined],
  ];
  it.each(malformed)('%s', async (_name, given, status, at) => {
    const response = await remit.post(URL, typeof given === 'function' ? (given as () => object)() : given);
    expect(response.statusCode).toBe(status);
    const { error } = response.json<{ error: { code: string; message: string; at?: string } }>();
    expect(error.message).not.toBe('');
    if (at !== undefined) expect(error.at).toContain(at);
  });

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp', 'multipart/form-data; boundary=x'])(
    'the content type %s',
    async (type) => {
      const response = await remit.post(URL, JSON.stringify(question()), { 'content-type': type });
      expect(response.statusCode).toBe(400);
      expect(response.json()).toMatchObject({ error: { code: 'content_type' } });
    },
  );

  it.each([
    ['POST', URL, '{"subject":{},"context":{"token":"x","amount":1e400}}', 'context.amount'],
    [
      'POST',
      '/access/v1/evaluations',
      '{"evaluations":[{},{"resource":{"properties":{"n":1234567890123456789}}}]}',
      'evaluations[1].resource.properties.n',
    ],
    ['POST', '/v1/filter', '{"records":[{"id":"a","balance":0.1000000000000000055}]}', 'records[0].balance'],
    ['PUT', '/v1/entities/employee/a', '{"attributes":{"salary":9007199254740993}}', 'attributes.salary'],
    [
      'POST',
      '/v1/relationships',
      '{"updates":[{"relationship":{"caveat":{"context":{"n":[-1e-400]}}}}]}',
      'updates[0].relationship.caveat.context.n[0]',
    ],
  ] as const)('a number that reading would change: %s %s', async (method, url, body, at) => {
    const headers = {
      authorization: `Bearer ${remit.service.devKey ?? ''}`,
      host: '127.0.0.1:7480',
      'content-type': 'application/json',
    };
    const response = await remit.app.inject({ method, url, headers, payload: body });
    expect(response.statusCode).toBe(400);
    expect(response.json()).toEqual({
      error: {
        code: 'malformed_json',
        at,
        message: `In the body, "${at}" is a number that reading would change: write it as a text, in quotes, or as a whole number within ±(2^53 − 1), which a Long is.`,
      },
    });
  });

  it('bytes that are no UTF-8', async () => {
    const bytes = Buffer.from('{"action":{"name":"\xff"}}', 'latin1');
    const { authorization, host } = { authorization: `Bearer ${remit.service.devKey ?? ''}`, host: '127.0.0.1:7480' };
    const response = await remit.app.inject({
      method: 'POST',
      url: URL,
      headers: { authorization, host, 'content-type': 'application/json' },
      payload: bytes,
    });
    expect(response.statusCode).toBe(400);
    expect(response.json()).toMatchObject({
      error: { code: 'malformed_json', message: 'The body is not well-formed UTF-8.' },
    });
  });

  it('takes the longest id there may be, and denies it like any other', async () => {
    const answer = await remit.evaluate(question({ resource: { type: 'employee', id: '日'.repeat(113) } }));
    expect(codes(answer)).toEqual(['relationship_missing']);
  });

  it('a token that is no token is a deny with its code', async () => {
    for (const bad of ['x', 'a.b.c', `${token}.`, `${token}\n`, ` ${token}`]) {
      const answer = await remit.evaluate(question({ context: { token: bad } }));
      expect(codes(answer)[0]).toMatch(/^token_/);
    }
  });

  it('and the service goes on', async () => {
    expect((await remit.evaluate(question())).decision).toBe(true);
  });
});

describe('injection', () => {
  it.each([
    ['an entity for an attribute', { status: { __entity: { type: 'Agent', id: 'x' } } }, 400],
    ['an extension call for an attribute', { status: { __extn: { fn: 'unknown', arg: 'x' } } }, 400],
    [
      'undeclared members with Cedar’s names',
      { __entity: { type: 'HR::Employee', id: 'dave' }, __extn: { fn: 'unknown', arg: 'x' } },
      200,
    ],
    ['JavaScript’s own members', { constructor: { prototype: {} }, toString: 1, hasOwnProperty: 1 }, 200],
  ])('%s', async (_name, properties, status) => {
    const response = await remit.post(URL, question({ resource: { ...zoe, properties } }));
    expect(response.statusCode).toBe(status);
    if (status === 200) expect(codes(response.json())).toEqual(['relationship_missing']);
  });

  it('what a request says of `can`, `now` and `delegation` is not listened to', async () => {
    const lies = {
      can: { view_salary: true },
      now: '2030-03-04T10:00:00Z',
      delegation: { depth: 0, mode: 'human' },
    };
    const approval = { by: 'x', approved_at: '2030-03-04T10:00:00Z' };
    const answer = await remit.evaluate(
      question({
        action: { name: 'read', properties: { ...lies, approval } },
        resource: { ...erin, properties: { ...lies, approval } },
        context: { ...lies, token },
      }),
    );
    expect(answer.context?.obligations.map((o) => o.type)).toEqual(['mask']);
  });

  it("what a client without the flag says of the subject doesn't count", async () => {
    const suspended = await remit.mint({ user: 'alice', agent: 'retired-bot', scope: 'hr.employees.read' });
    const lie = { type: 'agent', id: 'retired-bot', properties: { suspended: false } };
    // The development client has the flag, so its word does count; an agent's own never does.
    const own = await remit.post(
      URL,
      { subject: lie, action: read, resource: erin },
      { authorization: `Bearer ${suspended}` },
    );
    expect(own.json<Answer>().decision).toBe(false);
  });
});

describe('evaluations', () => {
  const batch = async (body: object): Promise<Answer[]> => {
    const response = await remit.post(BATCH, body);
    expect(response.statusCode).toBe(200);
    return response.json<{ evaluations: Answer[] }>().evaluations;
  };
  const decisions = (list: readonly Answer[]): boolean[] => list.map((a) => a.decision);
  let defaults: object;
  beforeAll(() => {
    defaults = { subject, action: read, context: { token } };
  });

  it('answers each item in order, over the defaults', async () => {
    expect(
      decisions(
        await batch({
          ...defaults,
          evaluations: [{ resource: erin }, { resource: zoe }, { resource: { type: 'employee', id: 'dave' } }],
        }),
      ),
    ).toEqual([true, false, true]);
  });

  it('overrides a default as a whole object', async () => {
    const list = await batch({
      ...defaults,
      resource: erin,
      evaluations: [{}, { resource: { id: 'dave' } }, { action: { name: 'delete' } }],
    });
    expect(decisions(list)).toEqual([true, false, false]);
    expect(list[1]?.context?.error).toEqual({
      status: 400,
      code: 'bad_request',
      message: expect.any(String) as string,
      at: 'evaluations[1].resource.type',
    });
    expect(codes(list[2] as Answer)).toEqual(['policy_forbid']);
  });

  it('stops as its semantic says', async () => {
    const items = [{ resource: erin }, { resource: zoe }, { resource: erin }];
    const by = async (evaluations_semantic: string) =>
      decisions(await batch({ ...defaults, evaluations: items, options: { evaluations_semantic } }));
    expect(await by('execute_all')).toEqual([true, false, true]);
    expect(await by('deny_on_first_deny')).toEqual([true, false]);
    expect(await by('permit_on_first_permit')).toEqual([true]);
    expect(
      (await remit.post(BATCH, { ...defaults, evaluations: items, options: { evaluations_semantic: 'any' } }))
        .statusCode,
    ).toBe(400);
  });

  it('a bad item is denied alone', async () => {
    const list = await batch({
      ...defaults,
      evaluations: [
        { resource: erin },
        {},
        'x',
        { resource: { ...erin, properties: { salary: 'x' } } },
        { resource: { type: 'employee', id: 'a\nb' } },
        { resource: erin },
      ],
    });
    expect(decisions(list)).toEqual([true, false, false, false, false, true]);
    expect(list.slice(1, 5).map((a) => a.context?.error?.at)).toEqual([
      'evaluations[1].resource',
      'evaluations[2]',
      'evaluations[3].resource.properties.salary',
      'evaluations[4].resource.id',
    ]);
  });

  it('an item that loses its token by overriding the context is refused, whatever its client may vouch for', async () => {
    for (const context of [{}, { mode: 'human' }, { agent: 'hr-assistant' }]) {
      const list = await batch({ ...defaults, evaluations: [{ resource: erin }, { resource: erin, context }] });
      expect(decisions(list)).toEqual([true, false]);
      expect(codes(list[1] as Answer)).toEqual(['token_missing']);
    }
    const vouched = {
      subject: { ...subject, properties: { act: { sub: 'hr-assistant' } } },
      resource: erin,
      context: {},
    };
    expect(codes((await batch({ ...defaults, evaluations: [vouched] }))[0] as Answer)).toEqual(['token_missing']);
    const mixed = await batch({
      subject,
      action: read,
      evaluations: [
        { resource: erin, context: { token } },
        { resource: erin, context: { mode: 'human' } },
      ],
    });
    expect(decisions(mixed)).toEqual([true, false]);
  });

  it('without evaluations, or with none, it answers like a single one', async () => {
    for (const body of [question(), question({ evaluations: [] })]) {
      const response = await remit.post(BATCH, body);
      expect(response.json<Answer>().decision).toBe(true);
      expect(response.json()).not.toHaveProperty('evaluations');
    }
    expect((await remit.post(BATCH, { evaluations: [] })).statusCode).toBe(400);
  });

  it('takes a thousand items and not one more', async () => {
    const items = Array.from({ length: 1000 }, (_, i) => ({ resource: i % 2 === 0 ? erin : zoe }));
    const list = await batch({ ...defaults, evaluations: items });
    expect(decisions(list)).toEqual(items.map((_, i) => i % 2 === 0));
    const more = await remit.post(BATCH, { ...defaults, evaluations: [...items, { resource: erin }] });
    expect(more.statusCode).toBe(400);
    expect(more.json()).toMatchObject({ error: { at: 'evaluations' } });
  });

  it.each([
    ['an object', {}],
    ['a string', 'x'],
    ['null', null],
  ])('evaluations as %s are refused', async (_name, evaluations) => {
    expect((await remit.post(BATCH, { ...defaults, evaluations })).statusCode).toBe(400);
  });
});
