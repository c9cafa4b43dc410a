/** Delegations: what a person gives, narrows and ends, and what every other caller is refused. */
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MAX_DELEGATIONS_OF_USER } from '../../../src/store/delegations.js';
import { parseRecord } from '../../../src/records/parse-record.js';
import { redecide } from '../../../src/records/redecide.js';
import type { ReplayableRecord } from '../../../src/model/decision.js';
import { clientNamed, codes, DAYTIME, startWith, step, T, type Answer, type Running } from '../../support/sample.js';
import { makeKey, type Key } from '../../tokens/keys.js';

const ISSUER = 'https://corp.example';
const TOMORROW = '2030-03-05T10:00:00.000Z';
const EDGE = 'agent:hr-assistant#delegator@user:bob';

let key: Key;
let remit: Running;
beforeAll(async () => {
  key = await makeKey('ES256', 'k1');
  remit = await startWith({
    issuers: [
      {
        issuer: ISSUER,
        jwks: { keys: [key.jwk] },
        audience: 'remit',
        primary: true,
        user_clients: ['web'],
        shape: 'act',
      },
    ],
    clients: [
      { ...clientNamed('api', 'api', 'evaluate', 'search', 'asserts_subject') },
      clientNamed('root', 'root', 'admin', 'evaluate', 'read_values'),
      clientNamed('portal', 'portal', 'delegate'),
      clientNamed('shop', 'shop', 'delegate'),
    ],
  });
  return () => remit.stop();
});
beforeEach(async () => {
  remit.at(DAYTIME);
  for (const user of ['alice', 'bob', 'carol'])
    for (const { agent } of (await call(user, 'GET', '')).json<{ delegations: { agent: string }[] }>().delegations)
      await call(user, 'DELETE', `/${encodeURIComponent(agent)}`);
  // What was ended keeps its mark against clients: each test begins without.
  await remit.service.database.run([{ sql: `delete from delegations where state in ('closed', 'barred')` }]);
});

const sign = (claims: object): Promise<string> =>
  key.sign(
    { alg: 'ES256', typ: 'at+jwt', kid: 'k1' },
    { iss: ISSUER, aud: 'remit', iat: T, exp: T + 1e6, client_id: 'web', auth_time: T, ...claims },
  );
const send = (authorization: string, method: 'GET' | 'POST' | 'PATCH' | 'DELETE', url: string, body?: object) =>
  remit.request(method, url, body, authorization);
const call = async (user: string, method: Parameters<typeof send>[1], path: string, body?: object) =>
  send(await sign({ sub: user }), method, `/v1/delegations${path}`, body);
const as = (client: string, method: Parameters<typeof send>[1], path: string, body?: object) =>
  send(`${client}-key`, method, `/v1/delegations${path}`, body);
const write = async (operation: 'touch' | 'delete', relationship: string) => {
  const response = await send('root-key', 'POST', '/v1/relationships', { updates: [{ operation, relationship }] });
  expect(response.statusCode, response.body).toBe(200);
};
const ask = async (claims: object = {}, more: object = {}): Promise<Answer> => {
  const token = await sign({
    sub: 'bob',
    aud: 'api',
    act: { sub: 'hr-assistant' },
    client_id: undefined,
    scope: 'hr.employees.read hr.employees.write hr.employees.read.background hr.employees.write.background',
    ...claims,
  });
  const body = {
    subject: { type: 'user', id: 'bob' },
    action: { name: 'update' },
    resource: { type: 'employee', id: 'zoe' },
    context: { token },
    ...more,
  };
  return (await send('api-key', 'POST', '/access/v1/evaluation', body)).json();
};
const DETAIL = { type: 'remit', actions: ['update'], resources: ['employee:zoe'] };

describe('a person', () => {
  it('delegates, and the agent acts until that is ended', async () => {
    expect(codes(await ask())).toEqual(['delegation_missing']);
    const given = await call('bob', 'POST', '', { agent: 'hr-assistant', ends: TOMORROW });
    expect([given.statusCode, given.json()]).toEqual([
      201,
      {
        agent: 'hr-assistant', user: 'bob', ends: TOMORROW, online: true, background: false,
        given_by: 'user', given_at: DAYTIME.toISOString(),
      },
    ]); // prettier-ignore
    const allowed = await ask();
    expect(codes(allowed)).toEqual([]);
    expect(step(allowed, 'delegation')?.evidence).toMatchObject({
      narrowed_by: [{ delegation: EDGE, ends: TOMORROW, access: ['online'] }],
    });
    // An answer can be kept for as long as the delegation holds.
    expect((await ask({}, { action: { name: 'read' } })).context?.valid_until).toBe(TOMORROW);
    expect((await call('bob', 'GET', '/hr-assistant')).json()).toEqual(given.json());
    expect((await call('bob', 'GET', '')).json()).toEqual({ delegations: [given.json()] });
    expect((await call('bob', 'DELETE', '/hr-assistant')).statusCode).toBe(204);
    expect(codes(await ask())).toEqual(['delegation_missing']);
    expect((await call('bob', 'GET', '')).json()).toEqual({ delegations: [] });
    expect((await call('bob', 'DELETE', '/hr-assistant')).statusCode).toBe(404);
    // It is gone from both places, so that an administrator can give one again.
    await write('touch', EDGE);
    expect(codes(await ask())).toEqual([]);
    await write('delete', EDGE);
  });

  it('says for how long, or that it holds until it is ended', async () => {
    expect((await call('bob', 'POST', '', { agent: 'hr-assistant' })).statusCode).toBe(400);
    const given = await call('bob', 'POST', '', { agent: 'agent:hr-assistant', until_ended: true });
    expect(given.json()).toMatchObject({ agent: 'hr-assistant', until_ended: true });
    expect(codes(await ask())).toEqual([]);
  });

  it('lets the agent act in the background, or only then', async () => {
    await call('bob', 'POST', '', { agent: 'hr-assistant', ends: TOMORROW });
    expect(codes(await ask({ access: 'background' }))).toEqual(['delegation_missing']);
    await call('bob', 'POST', '', { agent: 'hr-assistant', ends: TOMORROW, background: true, online: false });
    expect(codes(await ask({ access: 'background' }))).toEqual([]);
    expect(codes(await ask())).toEqual(['delegation_missing']);
  });

  it('bounds what it is for', async () => {
    await call('bob', 'POST', '', { agent: 'hr-assistant', ends: TOMORROW, details: [DETAIL] });
    expect(codes(await ask())).toEqual([]);
    const other = await ask({}, { action: { name: 'read' } });
    expect(other.context?.reasons).toMatchObject([
      {
        code: 'authorization_details_mismatch',
        message: `details of the delegation ${EDGE}[0].actions does not name "read".`,
      },
    ]);
    // People aren't told that it is the token's fault.
    expect(Object.values(other.context?.reason_user ?? {})).toEqual([
      expect.stringMatching(/: What was delegated does not cover this\.$/),
    ]);
    const held = { ...DETAIL, resources: { type: 'employee', permission: 'manage' } };
    await call('bob', 'POST', '', { agent: 'hr-assistant', ends: TOMORROW, details: [held] });
    expect(codes(await ask())).toEqual([]);
    expect(codes(await ask({}, { resource: { type: 'employee', id: 'erin' } }))).toContain(
      'authorization_details_mismatch',
    );
    const bounded = { ...DETAIL, constraints: { 'context.amount': { max: { value: 100, unit: 'EUR', decimals: 0 } } } };
    await call('bob', 'POST', '', { agent: 'hr-assistant', ends: TOMORROW, details: [bounded] });
    const token = (value: number) => ({ amount: { value, unit: 'EUR', decimals: 2 } });
    const withAmount = async (value: number): Promise<string[]> => {
      const jwt = await sign({ sub: 'bob', aud: 'api', act: { sub: 'hr-assistant' }, client_id: undefined, scope: 'hr.employees.write' }); // prettier-ignore
      return codes(await ask({}, { context: { ...token(value), token: jwt } }));
    };
    expect(await withAmount(10_000)).toEqual([]);
    expect(await withAmount(10_001)).toEqual(['authorization_details_mismatch']);
  });

  it('is held to what the graph and the clock say, each by itself', async () => {
    await call('bob', 'POST', '', { agent: 'hr-assistant', ends: TOMORROW });
    // A live relationship whose row has ended.
    await write('touch', EDGE);
    remit.at(new Date(TOMORROW));
    expect(codes(await ask())).toEqual(['delegation_missing']);
    // A live row whose relationship is gone.
    remit.at(DAYTIME);
    expect(codes(await ask())).toEqual([]);
    await write('delete', EDGE);
    expect(codes(await ask())).toEqual(['delegation_missing']);
  });

  it('finds what has ended swept away, with its relationship', async () => {
    await call('bob', 'POST', '', { agent: 'hr-assistant', ends: TOMORROW });
    remit.at(new Date(Date.parse(TOMORROW) + 60_000));
    await remit.service.delegations.sweep();
    expect((await call('bob', 'GET', '')).json()).toEqual({ delegations: [] });
    remit.at(DAYTIME);
    expect(codes(await ask())).toEqual(['delegation_missing']);
  });

  it('sees a relationship alone, which narrows nothing, and can narrow or end it', async () => {
    await write('touch', EDGE);
    expect((await call('bob', 'GET', '/hr-assistant')).json()).toEqual({
      agent: 'hr-assistant', user: 'bob', until_ended: true, online: true, background: true, given_by: 'administrator',
    }); // prettier-ignore
    expect(codes(await ask({ access: 'background' }))).toEqual([]);
    const narrowed = await call('bob', 'PATCH', '/hr-assistant', { background: false, ends: TOMORROW });
    expect(narrowed.json()).toMatchObject({ ends: TOMORROW, background: false, given_by: 'user' });
    expect(codes(await ask({ access: 'background' }))).toEqual(['delegation_missing']);
    expect((await call('bob', 'DELETE', '/hr-assistant')).statusCode).toBe(204);
    expect(codes(await ask())).toEqual(['delegation_missing']);
  });

  it('narrows, and never widens', async () => {
    const details = [{ ...DETAIL, actions: ['update', 'read'] }];
    await call('bob', 'POST', '', {
      agent: 'hr-assistant',
      ends: TOMORROW,
      details,
      limits: [{ count: 5, per: 'P1D' }],
    });
    for (const [wider, at] of [
      [{ ends: '2030-03-05T10:00:00.001Z' }, 'ends'],
      [{ until_ended: true }, 'until_ended'],
      [{ background: true }, 'background'],
      [{ details: [{ type: 'remit', actions: ['update', 'delete'], resources: ['employee:zoe'] }] }, 'details'],
      [{ details: [{ type: 'remit', actions: ['update'] }] }, 'details'],
      [{ online: false }, 'online'],
      [{ ends: '2030-03-04T10:00:00Z' }, 'ends'],
      [{ limits: [] }, 'limits'],
      [{ limits: [{ count: 6, per: 'P1D' }] }, 'limits'],
      [{ limits: [{ count: 5, per: 'P1W' }] }, 'limits'],
      [{ limits: [{ count: 5, per: 'P1D', window: 'calendar' }] }, 'limits'],
      [{ user: 'alice' }, ''],
    ] as const) {
      const response = await call('bob', 'PATCH', '/hr-assistant', wider);
      expect([wider, response.statusCode]).toEqual([wider, 400]);
      expect(response.json<{ error: { at?: string } }>().error.at ?? '').toBe(at);
    }
    const response = await call('bob', 'PATCH', '/hr-assistant', { details: [DETAIL], ends: '2030-03-04T12:00:00Z' });
    expect(response.json()).toMatchObject({ ends: '2030-03-04T12:00:00.000Z', details: [DETAIL] });
    expect(codes(await ask({}, { action: { name: 'read' } }))).toEqual(['authorization_details_mismatch']);
    expect((await call('bob', 'PATCH', '/nobody', { background: false })).statusCode).toBe(404);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['a past end', { ends: '2030-03-04T09:59:59Z' }, 'ends'],
    ['an end that is none', { ends: 'tomorrow' }, 'ends'],
    ['an end and none', { ends: TOMORROW, until_ended: true }, 'until_ended'],
    ['neither', { until_ended: false }, 'ends'],
    ['no access', { ends: TOMORROW, online: false }, 'online'],
    ['a limit without a bound', { ends: TOMORROW, limits: [{ per: 'P1D' }] }, 'limits[0]'],
    ['a limit with a fraction', { ends: TOMORROW, limits: [{ count: 1.5, per: 'P1D' }] }, 'limits[0].count'],
    ['a limit in a place that is no zone', { ends: TOMORROW, limits: [{ count: 1, per: 'P1D', window: 'calendar', zone: 'Mars/Olympus' }] }, 'limits[0]'],
    ['a limit on an amount that no action has', { ends: TOMORROW, limits: [{ amount: { value: 1, unit: 'EUR' }, per: 'P1D' }] }, 'limits[0].amount'],
    ['too many limits', { ends: TOMORROW, limits: Array.from({ length: 11 }, () => ({ count: 1, per: 'P1D' })) }, 'limits'],
    ['no details at all', { ends: TOMORROW, details: [] }, 'details'],
    ['details of another type', { ends: TOMORROW, details: [{ ...DETAIL, type: 'other' }] }, 'details[0].type'],
    ['a detail with a member that is not understood', { ends: TOMORROW, details: [{ ...DETAIL, until: 1 }] }, 'details[0].until'],
    ['a detail without actions', { ends: TOMORROW, details: [{ type: 'remit' }] }, 'details[0].actions'],
    ['a slip in an action', { ends: TOMORROW, details: [{ ...DETAIL, actions: ['updte'] }] }, 'details[0].actions[0]'],
    ['a slip in a type', { ends: TOMORROW, details: [{ ...DETAIL, resources: ['employe:zoe'] }] }, 'details[0].resources[0]'],
    ['an id that is not encoded', { ends: TOMORROW, details: [{ ...DETAIL, resources: ['employee:z e'] }] }, 'details[0].resources[0]'],
    ['a permission that there is not', { ends: TOMORROW, details: [{ ...DETAIL, resources: { type: 'employee', permission: 'own' } }] }, 'details[0].resources.permission'],
    ['a constraint that is not understood', { ends: TOMORROW, details: [{ ...DETAIL, constraints: { x: { most: 1 } } }] }, 'details[0].constraints.x'],
    ['too many details', { ends: TOMORROW, details: Array.from({ length: 33 }, () => DETAIL) }, 'details'],
    ['details that are too long', { ends: TOMORROW, details: Array.from({ length: 9 }, () => ({ ...DETAIL, purpose: 'x'.repeat(1000) })) }, 'details'],
    ['an id that is none', { agent: 'a\u0000', ends: TOMORROW }, 'agent'],
    ['an id that is too long', { agent: 'ü'.repeat(400), ends: TOMORROW }, 'agent'],
    ['an empty id', { agent: 'agent:', ends: TOMORROW }, 'agent'],
    ['a member that there is not', { ends: TOMORROW, forever: true }, ''],
  ])('is told what is wrong with %s', async (_, body, at) => {
    const response = await call('bob', 'POST', '', { agent: 'hr-assistant', ...body });
    expect([response.statusCode, response.json<{ error: { at?: string } }>().error.at ?? '']).toEqual([400, at]);
    expect(codes(await ask())).toEqual(['delegation_missing']);
  }); // prettier-ignore

  it('may name any agent, and the wildcard is none', async () => {
    const odd = '*?/é 😀';
    const given = await call('bob', 'POST', '', { agent: odd, ends: TOMORROW });
    expect(given.json()).toMatchObject({ agent: odd });
    expect((await call('bob', 'GET', `/${encodeURIComponent(odd)}`)).json()).toEqual(given.json());
    expect(codes(await ask())).toEqual(['delegation_missing']);
    expect((await call('bob', 'DELETE', `/${encodeURIComponent(odd)}`)).statusCode).toBe(204);
  });

  it('has signed in lately to delegate what deletes, and not to end anything', async () => {
    const details = [{ type: 'remit', actions: ['update', 'delete'] }];
    const body = { agent: 'hr-assistant', ends: TOMORROW, details };
    for (const claims of [{ auth_time: T - 301 }, { auth_time: undefined }]) {
      const response = await send(await sign({ sub: 'bob', ...claims }), 'POST', '/v1/delegations', body);
      expect([response.statusCode, response.headers['www-authenticate']]).toEqual([
        401,
        expect.stringContaining('error="insufficient_user_authentication"'),
      ]);
      expect(response.headers['www-authenticate']).toContain('max_age="300"');
    }
    expect((await call('bob', 'POST', '', body)).statusCode).toBe(201);
    const old = await sign({ sub: 'bob', auth_time: undefined });
    expect((await send(old, 'DELETE', '/v1/delegations/hr-assistant')).statusCode).toBe(204);
    expect((await send(old, 'POST', '/v1/delegations', { agent: 'hr-assistant', ends: TOMORROW })).statusCode).toBe(
      201,
    );
  });

  it('has a thousand delegations at most', async () => {
    await remit.service.database.run([
      {
        sql: `insert into delegations (giver_type, giver_id, agent_type, agent_id, state, bounds, made_by, made_at, version, settled)
              select 'user', 'carol', 'agent', 'a' || n, 'given', '{"online":true,"background":false}', 'user:carol', now(),
                gen_random_uuid(), true from generate_series(1, $1::int) n`,
        params: [MAX_DELEGATIONS_OF_USER - 1],
      },
    ]);
    const give = async (agent: string) => (await call('carol', 'POST', '', { agent, ends: TOMORROW })).statusCode;
    expect(await Promise.all(['b1', 'b2', 'b3'].map(give))).toEqual(expect.arrayContaining([201, 429, 429]));
    expect(await give('a1')).toBe(201);
    expect((await call('carol', 'GET', '')).json<{ delegations: object[] }>().delegations).toHaveLength(1000);
    // What has ended makes room, however much that is.
    await remit.service.database.run([
      { sql: `update delegations set state = 'closed' where giver_id = 'carol' and agent_id like 'a%'` },
      { sql: `update delegations set state = 'barred', bars = true where giver_id = 'carol' and agent_id like 'a9%'` },
    ]);
    expect(await give('b4')).toBe(201);
    expect(await give('a1')).toBe(201);
    await remit.service.database.run([{ sql: `delete from delegations where giver_id = 'carol'` }]);
  });
});

describe('no other caller', () => {
  it.each<[string, object]>([
    ['an agent for the user', { sub: 'bob', act: { sub: 'hr-assistant' }, client_id: undefined }],
    ['an agent alone', { sub: 'hr-assistant', client_id: 'hr-assistant' }],
    ['a user by way of an agent', { sub: 'bob', client_id: 'hr-assistant' }],
    ['a user by way of another application', { sub: 'bob', client_id: 'batch' }],
    ['a user by way of none', { sub: 'bob', client_id: undefined }],
  ])('%s', async (_, claims) => {
    const token = await sign(claims);
    for (const [method, path, body] of [
      ['POST', '/v1/delegations', { agent: 'hr-assistant', ends: TOMORROW, user: 'alice' }],
      ['GET', '/v1/delegations', undefined],
      ['GET', '/v1/delegations/hr-assistant?user=alice', undefined],
      ['PATCH', '/v1/delegations/hr-assistant', { background: false }],
      ['DELETE', '/v1/delegations/hr-assistant', undefined],
      ['DELETE', '/v1/agents/hr-assistant/access', undefined],
    ] as const)
      expect([method, path, (await send(token, method, path, body)).statusCode]).toEqual([method, path, 403]);
  });

  it('sees or changes another user’s', async () => {
    await call('bob', 'POST', '', { agent: 'hr-assistant', ends: TOMORROW });
    expect((await call('alice', 'GET', '/hr-assistant?user=bob')).statusCode).toBe(404);
    expect((await call('alice', 'DELETE', '/hr-assistant?user=bob')).statusCode).toBe(404);
    expect((await call('alice', 'PATCH', '/hr-assistant?user=bob', { background: false })).statusCode).toBe(404);
    const posted = await call('alice', 'POST', '', { agent: 'hr-assistant', user: 'bob', ends: TOMORROW });
    expect(posted.statusCode).toBe(404);
    const stop = await send(await sign({ sub: 'alice' }), 'DELETE', '/v1/agents/hr-assistant/access?user=bob');
    expect(stop.statusCode).toBe(404);
    expect(codes(await ask())).toEqual([]);
    expect((await call('bob', 'GET', '/hr-assistant?user=bob')).statusCode).toBe(200);
  });

  it('is a client without the flag', async () => {
    for (const client of ['api', 'root']) {
      expect((await as(client, 'POST', '', { agent: 'hr-assistant', user: 'bob', ends: TOMORROW })).statusCode).toBe(
        403,
      );
      expect((await as(client, 'GET', '?user=bob')).statusCode).toBe(403);
    }
    expect((await send('portal-key', 'DELETE', '/v1/agents/hr-assistant/access?user=bob')).statusCode).toBe(403);
    expect((await send('nobody', 'GET', '/v1/delegations')).statusCode).toBe(401);
  });
});

describe('a client that may delegate', () => {
  const give = (client: string, more: object = {}) =>
    as(client, 'POST', '', { agent: 'hr-assistant', user: 'bob', ends: TOMORROW, ...more });

  it('delegates in the name of a user, who sees it and can end it', async () => {
    const given = await give('portal');
    expect([given.statusCode, given.json()]).toMatchObject([201, { user: 'bob', given_by: 'client:portal' }]);
    expect(codes(await ask())).toEqual([]);
    expect((await call('bob', 'GET', '')).json()).toEqual({ delegations: [given.json()] });
    expect((await as('portal', 'GET', '?user=bob')).json()).toEqual({ delegations: [given.json()] });
    expect((await as('portal', 'PATCH', '/hr-assistant?user=bob', { online: true })).statusCode).toBe(200);
    expect((await call('bob', 'DELETE', '/hr-assistant')).statusCode).toBe(204);
    expect(codes(await ask())).toEqual(['delegation_missing']);
  });

  it('names the user, an end, and none beyond thirty days', async () => {
    expect((await give('portal', { user: undefined })).statusCode).toBe(400);
    expect((await give('portal', { ends: undefined, until_ended: true })).statusCode).toBe(400);
    expect((await give('portal', { ends: '2030-04-03T10:00:00.001Z' })).statusCode).toBe(400);
    expect((await give('portal', { ends: '2030-04-03T10:00:00Z' })).statusCode).toBe(201);
    expect((await as('portal', 'GET', '')).statusCode).toBe(400);
  });

  it('changes nothing that the user made, and sees nothing of it', async () => {
    await call('bob', 'POST', '', { agent: 'hr-assistant', ends: TOMORROW, details: [DETAIL] });
    expect((await give('portal')).statusCode).toBe(409);
    for (const [method, body] of [['GET'], ['DELETE'], ['PATCH', { background: false }]] as const)
      expect((await as('portal', method, '/hr-assistant?user=bob', body)).statusCode).toBe(404);
    expect((await as('portal', 'GET', '?user=bob')).json()).toEqual({ delegations: [] });
    expect(codes(await ask({}, { action: { name: 'read' } }))).toEqual(['authorization_details_mismatch']);
    // Nor what the user has ended.
    await call('bob', 'DELETE', '/hr-assistant');
    const refused = await give('shop');
    expect([refused.statusCode, refused.json<{ error: { message: string } }>().error.message]).toEqual([
      409,
      expect.stringContaining('a client changes only what it alone has given'),
    ]);
    expect(codes(await ask())).toEqual(['delegation_missing']);
  });

  it('changes nothing of another client’s, nor what the user has narrowed of its own', async () => {
    expect((await give('shop')).statusCode).toBe(201);
    expect((await give('portal')).statusCode).toBe(409);
    expect((await as('portal', 'DELETE', '/hr-assistant?user=bob')).statusCode).toBe(404);
    await call('bob', 'PATCH', '/hr-assistant', { details: [DETAIL] });
    expect((await give('shop')).statusCode).toBe(409);
  });

  it('gives nothing in place of a relationship alone, nor where an administrator wrote another than it had given', async () => {
    await write('touch', EDGE);
    expect((await give('portal')).statusCode).toBe(409);
    await write('delete', EDGE);
    expect((await give('portal')).statusCode).toBe(201);
    for (const operation of ['touch', 'delete'] as const) {
      await write(operation, EDGE);
      expect((await give('portal')).statusCode).toBe(409);
      for (const [method, body] of [['DELETE'], ['PATCH', { background: false }]] as const)
        expect((await as('portal', method, '/hr-assistant?user=bob', body)).statusCode).toBe(409);
    }
  });

  it('gives again what it has ended itself, and what has ended by itself', async () => {
    expect((await give('portal')).statusCode).toBe(201);
    expect((await as('portal', 'DELETE', '/hr-assistant?user=bob')).statusCode).toBe(204);
    expect((await give('portal')).statusCode).toBe(201);
    remit.at(new Date(Date.parse(TOMORROW) + 60_000));
    await remit.service.delegations.sweep();
    expect((await give('portal', { ends: '2030-03-06T10:00:00Z' })).statusCode).toBe(201);
  });
});

describe('a delegation that is passed on', () => {
  const CHAIN = ['agent:planner#delegator@user:bob', 'agent:hr-assistant#delegator@agent:planner'];
  const bots = { agent: 'planner', ends: TOMORROW };

  it('is narrowed by each link', async () => {
    await write('touch', CHAIN[1] ?? '');
    await call('bob', 'POST', '', { ...bots, details: [DETAIL] });
    const allowed = await ask();
    expect(codes(allowed)).toEqual([]);
    expect(step(allowed, 'delegation')?.evidence).toMatchObject({ path: CHAIN.toReversed(), narrowed_by: [{ delegation: CHAIN[0] }] });
    expect(codes(await ask({}, { action: { name: 'read' } }))).toEqual(['authorization_details_mismatch']);
    expect(codes(await ask({ access: 'background' }))).toEqual(['delegation_missing']);
    // What an agent passed on may be narrowed as well.
    await remit.service.database.run([
      {
        sql: `insert into delegations (giver_type, giver_id, agent_type, agent_id, state, bounds, made_by, made_at, version, settled)
              values ('agent', 'planner', 'agent', 'hr-assistant', 'given', '{"online":false,"background":true}', 'root', now(), gen_random_uuid(), true)`,
      },
    ]);
    await call('bob', 'POST', '', { ...bots, agent: 'other', ends: TOMORROW });
    expect(codes(await ask())).toEqual(['delegation_missing']);
    await remit.service.database.run([{ sql: `delete from delegations where giver_type = 'agent'` }]);
    await write('delete', CHAIN[1] ?? '');
  });
}); // prettier-ignore

describe('the record', () => {
  it('holds what the decision rested on, and replays', async () => {
    await call('bob', 'POST', '', {
      agent: 'hr-assistant',
      ends: TOMORROW,
      details: [{ ...DETAIL, resources: { type: 'employee', permission: 'manage' }, constraints: { 'context.ticket': 'T-1' } }],
    });
    for (const ticket of ['T-1', 'T-2']) {
      const token = await sign({ sub: 'bob', aud: 'api', act: { sub: 'hr-assistant' }, client_id: undefined, scope: 'hr.employees.write' });
      const answer = await ask({}, { context: { ticket, token } });
      expect(answer.decision).toBe(ticket === 'T-1');
      const id = answer.context?.id ?? '';
      const record = (await send('root-key', 'GET', `/v1/decisions/${id}?values=true`)).json<ReplayableRecord>();
      expect(record.facts.delegations).toMatchObject({ [EDGE]: { state: 'given', ends: TOMORROW } });
      const { decision, missing } = redecide(parseRecord(record, 'it') as ReplayableRecord, remit.service.activePolicies.rules);
      expect([decision.decision, missing]).toEqual([answer.decision, []]);
      expect(decision.rationale).toEqual(record.rationale);
      expect(decision.reasons).toEqual(record.reasons);
    }
  });
}); // prettier-ignore

describe('a user who stops an agent', () => {
  const stop = async (user: string, path = 'hr-assistant') =>
    (await send(await sign({ sub: user }), 'DELETE', `/v1/agents/${path}/access`)).statusCode;

  it('denies it at once, with the tokens that it has, until the user delegates anew', async () => {
    await call('bob', 'POST', '', { agent: 'hr-assistant', ends: TOMORROW });
    await write('touch', 'agent:hr-assistant#delegator@user:alice');
    const token = await sign({ sub: 'bob', aud: 'api', act: { sub: 'hr-assistant' }, client_id: undefined, scope: 'hr.employees.write' });
    expect(codes(await ask({}, { context: { token } }))).toEqual([]);
    expect(await stop('bob', 'agent:hr-assistant')).toBe(204);
    expect(codes(await ask({}, { context: { token } }))).toEqual(['token_revoked']);
    remit.at(new Date((T + 60) * 1000));
    // Nor with a token that was issued later, nor where a client vouches for the agent.
    expect(codes(await ask({ iat: T + 60 }))).toEqual(['delegation_missing']);
    const vouched = { subject: { type: 'user', id: 'bob', properties: { act: { sub: 'hr-assistant' } } }, context: {} };
    expect(codes(await ask({}, vouched))).toEqual(['delegation_missing']);
    expect((await call('bob', 'GET', '')).json()).toEqual({ delegations: [] });
    // Others' go on, and what was stopped can be stopped again.
    expect((await call('alice', 'GET', '')).json<{ delegations: object[] }>().delegations).toHaveLength(1);
    expect(await stop('bob')).toBe(204);
    remit.at(new Date((T + 120) * 1000));
    expect((await call('bob', 'POST', '', { agent: 'hr-assistant', ends: TOMORROW })).statusCode).toBe(201);
    expect(codes(await ask({ iat: T + 120 }))).toEqual([]);
    expect(codes(await ask({}, { context: { token } }))).toEqual(['token_revoked']);
  });

  it('keeps what other agents pass on from it, and an administrator’s relationship counts', async () => {
    await write('touch', 'agent:hr-assistant#delegator@agent:planner');
    await call('bob', 'POST', '', { agent: 'planner', ends: TOMORROW });
    remit.at(new Date((T + 120) * 1000));
    const later = { iat: T + 120 };
    expect(codes(await ask(later))).toEqual([]);
    expect(await stop('bob')).toBe(204);
    remit.at(new Date((T + 180) * 1000));
    const stopped = await ask({ iat: T + 180 });
    expect([codes(stopped), stopped.context?.reasons[0]?.message]).toEqual([
      ['delegation_missing'],
      'user:bob has stopped agent:hr-assistant, so no delegation is passed on to it.',
    ]);
    expect((await as('portal', 'POST', '', { agent: 'hr-assistant', user: 'bob', ends: TOMORROW })).statusCode).toBe(409);
    await write('touch', EDGE);
    expect(codes(await ask({ iat: T + 180 }))).toEqual([]);
    // The user may narrow that one as well, which gives nothing anew: what others pass on stays barred.
    expect((await call('bob', 'PATCH', '/hr-assistant', { details: [DETAIL] })).statusCode).toBe(200);
    expect(codes(await ask({ iat: T + 180 }))).toEqual([]);
    expect(codes(await ask({ iat: T + 180 }, { action: { name: 'read' } }))).toEqual(['authorization_details_mismatch']);
    await write('delete', EDGE);
    expect(codes(await ask({ iat: T + 180 }))).toEqual(['delegation_missing']);
    await write('delete', 'agent:hr-assistant#delegator@agent:planner');
  });

  it('is also an administrator, who names the user', async () => {
    await call('bob', 'POST', '', { agent: 'hr-assistant', ends: TOMORROW });
    remit.at(new Date((T + 240) * 1000));
    expect((await send('root-key', 'DELETE', '/v1/agents/hr-assistant/access')).statusCode).toBe(400);
    expect(codes(await ask({ iat: T + 240 }))).toEqual([]);
    // As answers name users.
    const named = await send('root-key', 'DELETE', '/v1/agents/agent:hr-assistant/access?user=user:bob');
    expect(named.statusCode, named.body).toBe(204);
    remit.at(new Date((T + 300) * 1000));
    expect(codes(await ask({ iat: T + 300 }))).toEqual(['delegation_missing']);
  });

  it('fills nothing without end: stopping again replaces, and there is a limit for agents that have nothing', async () => {
    const count = async () =>
      Number((await remit.service.database.run([{ sql: `select count(*)::int as n from revocations where revocation->>'revokedBy' = 'user:carol'` }]))[0]?.[0]?.['n']);
    for (let i = 0; i < 3; i += 1) expect(await stop('carol', 'hr-assistant')).toBe(204);
    expect(await count()).toBe(1);
    await remit.service.database.run([
      { sql: `insert into revocations (id, at, revocation) select gen_random_uuid(), now(), '{"revokedBy":"user:carol","jti":"x","revokedAt":"2030-01-01T00:00:00Z"}' from generate_series(1, 1000)` },
    ]);
    expect(await stop('carol', 'nothing-there')).toBe(429);
    await call('carol', 'POST', '', { agent: 'something', ends: TOMORROW });
    expect(await stop('carol', 'something')).toBe(204);
  });

  it.each(['bob', undefined])('is not undone by a client that may delegate: it was stopped by the user or by an administrator', async (user) => {
    const give = (client: string) =>
      as(client, 'POST', '', { agent: 'hr-assistant', user: 'bob', ends: TOMORROW });
    await give('portal');
    const stopped =
      user === undefined
        ? await send('root-key', 'DELETE', '/v1/agents/hr-assistant/access?user=bob')
        : await send(await sign({ sub: user }), 'DELETE', '/v1/agents/hr-assistant/access');
    expect(stopped.statusCode).toBe(204);
    for (const client of ['portal', 'shop']) expect((await give(client)).statusCode).toBe(409);
    remit.at(new Date((T + 400) * 1000));
    expect(codes(await ask({ iat: T + 400 }))).toEqual(['delegation_missing']);
  });
}); // prettier-ignore
