/** Access requests over HTTP, as AuthZEN's access request and approval profile has them: each answer and each error. */
import type { LightMyRequestResponse } from 'fastify';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MAX_KEPT_BUNDLES } from '../../../src/store/request-bundles.js';
import { minutes, QUESTION, recordDenial, startApprovalWorld, type Denial } from '../../support/approval-world.js';
import { DAYTIME, type Running } from '../../support/sample.js';

const PREFIX = 'urn:openid:authzen:access-request:error:';
const UNKNOWN_ID = '00000000-0000-4000-8000-000000000000';

let remit: Running;
beforeAll(async () => {
  remit = await startApprovalWorld();
  return () => remit.stop();
});
beforeEach(async () => {
  remit.at(DAYTIME);
  await remit.service.database.run([
    { sql: 'delete from access_request_bundles' },
    { sql: 'delete from approval_tasks' },
  ]);
});

const submit = (
  body: object,
  { key, credential = 'git-key' }: { key?: string; credential?: string } = {},
): Promise<LightMyRequestResponse> =>
  remit.post('/access/v1/requests', body, {
    authorization: `Bearer ${credential}`,
    ...(key === undefined ? {} : { 'idempotency-key': key }),
  });
const poll = (id: string, credential = 'git-key'): Promise<LightMyRequestResponse> =>
  remit.request('GET', `/access/v1/requests/${id}`, undefined, credential);
const cancel = (id: string, credential = 'git-key'): Promise<LightMyRequestResponse> =>
  remit.request('POST', `/access/v1/requests/${id}/cancel`, { reason: 'done' }, credential);
const agentToken = (user: string | undefined = 'ann', agent = 'coder'): Promise<string> =>
  remit.mint({ user, agent, scope: 'code.write' });
const newRequest = async (more: object = {}): Promise<object> => ({
  ...QUESTION,
  denial: await recordDenial(remit),
  ...more,
});
interface Task {
  readonly task: {
    readonly id: string;
    readonly status: string;
    readonly items?: readonly { readonly status: string; readonly result?: object }[];
  };
  readonly result?: { readonly approval: { readonly id: string; readonly state: string } };
}
async function open(body?: object): Promise<string> {
  const response = await submit(body ?? (await newRequest()));
  expect(response.statusCode, response.body).toBe(202);
  return response.json<Task>().task.id;
}
async function approve(id: string): Promise<void> {
  const task = await remit.service.approvals.find(id);
  if (task === undefined) throw new Error('no task');
  const now = remit.service.now();
  const until = new Date(now.getTime() + 900_000).toISOString();
  const answer = { step: 0, by: { type: 'user', id: 'olga' }, at: now.toISOString(), scope: 'once' as const, until };
  await remit.service.approvals.answer(
    task,
    { answers: [answer], state: 'approved', scope: 'once', approved_until: until },
    now,
  );
}
function problemOf(response: LightMyRequestResponse): [number, string, string | undefined] {
  expect(response.headers['content-type']).toContain('application/problem+json');
  const { type, status, at, title, detail } = response.json<Record<string, string>>();
  expect([String(status), typeof title, typeof detail]).toEqual([String(response.statusCode), 'string', 'string']);
  return [response.statusCode, (type ?? '').replace(PREFIX, ''), at];
}

describe('the metadata', () => {
  it('says where access is requested, and has the keys', async () => {
    const metadata = (await remit.request('GET', '/.well-known/authzen-configuration')).json<Record<string, string>>();
    expect(metadata).toMatchObject({
      access_request_endpoint: `${metadata['policy_decision_point']}/access/v1/requests`,
      jwks_uri: `${metadata['policy_decision_point']}/.well-known/jwks.json`,
      capabilities: ['urn:openid:authzen:capability:access-request'],
    });
    const keys = await remit.request('GET', '/.well-known/jwks.json');
    expect(keys.json()).toEqual(remit.service.signing.jwks);
    expect(keys.body).not.toContain('"d"');
  });
});

describe('a request', () => {
  it('opens a task, which its caller polls until it is approved', async () => {
    const response = await submit(await newRequest());
    const { task } = response.json<Task>();
    const url = `${remit.app.getBaseUrl()}/access/v1/requests/${task.id}`;
    expect([response.statusCode, response.headers['location']]).toEqual([202, url]);
    expect(task).toEqual({
      id: task.id,
      status: 'pending',
      status_endpoint: url,
      expires_at: minutes(1440).toISOString(),
      progress: { current_step: 1, total_steps: 1 },
      display: { title: 'Merge a pull request' },
      links: { review: `${remit.app.getBaseUrl()}/v1/approvals/${task.id}`, cancel: `${url}/cancel` },
    });
    expect((await poll(task.id)).json()).toEqual({ task });
    await approve(task.id);
    const approved = (await poll(task.id)).json<Task>();
    expect(approved.task).toEqual({ ...task, status: 'approved', links: undefined });
    expect(approved.result).toEqual({
      mode: 'reevaluate',
      approval: {
        id: task.id,
        approved_at: DAYTIME.toISOString(),
        approved_until: minutes(15).toISOString(),
        state: approved.result?.approval.state,
      },
    });
    const keys = createLocalJWKSet({ keys: [...remit.service.signing.jwks.keys] });
    const { payload } = await jwtVerify(approved.result?.approval.state ?? '', keys, { currentDate: DAYTIME });
    expect(payload).toMatchObject({ iss: remit.app.getBaseUrl(), approval: { id: task.id } });
  });

  it('is bound by the evaluation, by the token, or by both', async () => {
    const denial = await recordDenial(remit);
    const sign = (of: Denial): Promise<string> => remit.service.signing.signBindingToken(of, ['ticket'], 'x', DAYTIME);
    const binding_token = await sign(denial);
    const { evaluation_id, expires_at } = denial;
    const ids = new Set<string>();
    for (const given of [
      { evaluation_id, expires_at },
      { binding_token, expires_at },
      { ...denial, binding_token },
    ])
      ids.add(await open({ ...QUESTION, denial: given }));
    // The token again is the same task again.
    expect(ids.size).toBe(1);
    const other = await recordDenial(remit);
    for (const [given, at] of [
      [{ expires_at }, 'denial'],
      [{ ...other, binding_token }, 'denial'],
      [{ binding_token: `${binding_token}x`, expires_at }, 'denial'],
      [{ ...denial, binding_token: 'x.y.z' }, 'denial'],
      [{ ...denial, evaluation_id: 'x' }, 'denial'],
      [{ ...denial, evaluation_id: UNKNOWN_ID }, 'denial'],
      [{ ...denial, evaluated_at: minutes(1).toISOString() }, 'denial'],
      [undefined, 'denial'],
    ] as const)
      expect(problemOf(await submit({ ...QUESTION, denial: given }))).toEqual([400, 'invalid_denial_binding', at]);
    expect((await submit({ ...QUESTION, denial: { evaluation_id } })).statusCode).toBe(400);
  });

  it('is for what was denied, to the letter of every member that decides', async () => {
    const denial = await recordDenial(remit);
    const id = await open({ ...QUESTION, denial });
    const { subject, action, resource, context } = QUESTION;
    for (const [same, name] of [
      [{ subject: { ...subject, properties: { act: { sub: 'coder' } } } }, 'the actor'],
      [{ context: { ...context, business_justification: 'soon' } }, 'what decides nothing'],
      [{ action: { ...action, properties: { ...action.properties, none: null } } }, 'null'],
    ] as const)
      expect(await open({ ...QUESTION, denial, ...same }), name).toBe(id);
    for (const [change, at] of [
      [{ subject: { type: 'user', id: 'bob' } }, 'subject'],
      [{ subject: { type: 'agent', id: 'coder' } }, 'subject'],
      [{ action: { ...action, name: 'push' } }, 'action.name'],
      [{ action: { name: 'merge' } }, 'action.properties.branch'],
      [{ action: { name: 'merge', properties: { branch: 'Main' } } }, 'action.properties.branch'],
      [{ action: { name: 'merge', properties: { branch: ['main'] } } }, 'action.properties.branch'],
      [{ action: { name: 'merge', properties: { branch: 'main', force: true } } }, 'action.properties.force'],
      [{ action: { name: 'merge', properties: { branch: 'main', __proto__x: 1 } } }, 'action.properties.__proto__x'],
      [{ resource: { type: 'repository', id: 'web' } }, 'resource'],
      [{ resource: { ...resource, properties: { public: true } } }, 'resource'],
      [{ context: {} }, 'context.ticket'],
      [{ context: { ticket: 'T-2' } }, 'context.ticket'],
    ] as const)
      expect(problemOf(await submit({ ...QUESTION, denial, ...change })), JSON.stringify(change)).toEqual([
        400,
        'invalid_denial_binding',
        at,
      ]);
  });

  it('compares numbers by their value', async () => {
    const question = { action: { name: 'merge', properties: { amount: 10, deep: { b: [1.5], a: 1e3 } } } };
    const denial = await recordDenial(remit, { question });
    const body = (properties: string): string =>
      JSON.stringify({ ...QUESTION, denial }).replace('{"branch":"main"}', properties);
    const responses = await Promise.all(
      ['{"deep":{"a":1000.0,"b":[15e-1]},"amount":1e1}', '{"amount":"10","deep":{"a":1000,"b":[1.5]}}'].map((text) =>
        submit(JSON.parse(body(text)) as object),
      ),
    );
    expect(responses.map(({ statusCode }) => statusCode)).toEqual([202, 400]);
  });

  it('is for a denial that approvals would lift, and that is fresh', async () => {
    for (const options of [{ decision: true }, { dryRun: true }, { offer: undefined }])
      expect(problemOf(await submit({ ...QUESTION, denial: await recordDenial(remit, options) }))).toEqual([
        400,
        'not_requestable',
        'denial',
      ]);
    const denial = await recordDenial(remit);
    const early = { ...denial, expires_at: DAYTIME.toISOString() };
    const binding_token = await remit.service.signing.signBindingToken(denial, [], 'x', DAYTIME);
    // What is echoed counts beside a token, and the record's own end otherwise.
    expect((await submit({ ...QUESTION, denial: early })).statusCode).toBe(202);
    for (const given of [
      { ...early, binding_token },
      { expires_at: early.expires_at, binding_token },
    ])
      expect(problemOf(await submit({ ...QUESTION, denial: given }))).toEqual([410, 'expired_denial', 'denial']);
    remit.at(minutes(10));
    for (const end of [denial.expires_at, minutes(60).toISOString()])
      for (const given of [
        { ...denial, expires_at: end },
        { binding_token, expires_at: end },
      ])
        expect(problemOf(await submit({ ...QUESTION, denial: given }))).toEqual([410, 'expired_denial', 'denial']);
  });

  it('names no actor that the record doesn’t prove', async () => {
    const denial = await recordDenial(remit, { chain: ['agent:planner'] });
    const ask = (actor: object): Promise<LightMyRequestResponse> =>
      submit({ ...QUESTION, denial, client: { id: 'x', actor } });
    const planner = { id: 'planner', type: 'agent' };
    for (const proven of [{ id: 'coder' }, { id: 'coder', issuer: 'urn:remit:development', act: planner }])
      expect((await ask(proven)).statusCode).toBe(202);
    for (const [actor, at] of [
      [planner, 'client.actor'],
      [{ id: 'coder', issuer: 'https://elsewhere.example' }, 'client.actor'],
      [{ id: 'coder', type: 'user' }, 'client.actor'],
      [{ id: 'coder', act: { id: 'ann' } }, 'client.actor.act'],
      [{ id: 'coder', act: { ...planner, act: { id: 'root' } } }, 'client.actor.act.act'],
    ] as const)
      expect(problemOf(await ask(actor))).toEqual([400, 'invalid_denial_binding', at]);
  });

  it('is told only at URLs of its client’s configuration', async () => {
    const body = await newRequest();
    const ask = (endpoint: string, credential?: string): Promise<LightMyRequestResponse> =>
      submit({ ...body, callback: { endpoint } }, credential === undefined ? {} : { credential });
    expect((await ask('https://git.example/told')).statusCode).toBe(202);
    for (const endpoint of ['https://git.example/told/', 'http://127.0.0.1/', 'https://evil.example/told', ''])
      expect((await ask(endpoint)).json()).toMatchObject({ error: { at: 'callback.endpoint' } });
    expect((await ask('https://git.example/told', 'other-key')).statusCode).toBe(400);
    expect((await ask('https://git.example/told', await agentToken())).statusCode).toBe(400);
  });

  it('refuses what is no request, or can’t be read by people', async () => {
    const body = await newRequest();
    for (const [change, at] of [
      [{ subject: undefined }, 'subject'],
      [{ resource: undefined }, 'resource'],
      [{ action: undefined }, 'action'],
      [{ requested_access: { requested_until: minutes(0).toISOString() } }, 'requested_access.requested_until'],
      [{ requested_access: { requested_until: 'tomorrow' } }, 'requested_access.requested_until'],
      [{ requested_access: { emergency: true } }, 'requested_access.emergency'],
      [{ requested_access: { details: [] } }, 'requested_access.details'],
      [{ items: [] }, 'items'],
    ] as const)
      expect((await submit({ ...body, ...change })).json(), at).toMatchObject({ error: { at } });
    const question = { action: { name: 'merge', properties: { text: 'x'.repeat(20_000) } } };
    // The action names who may answer in an emergency; it is their yes that would not lift this deny.
    const emergency = await submit({ ...body, requested_access: { emergency: true } });
    expect(emergency.json()).toMatchObject({
      error: { message: expect.stringContaining('would not lift this deny') as string },
    });
    const denial = await recordDenial(remit, { question });
    expect(problemOf(await submit({ ...QUESTION, ...question, denial }))).toEqual([400, 'not_requestable', undefined]);
  });
});

describe('the same request again', () => {
  it('is the same task, by its key or by its question', async () => {
    const body = await newRequest();
    const first = (await submit(body, { key: 'k-1' })).json<Task>().task.id;
    expect((await submit(body, { key: 'k-1' })).json<Task>().task.id).toBe(first);
    expect((await submit(await newRequest(), { key: 'k-2' })).json<Task>().task.id).toBe(first);
    expect(problemOf(await submit({ ...body, context: { ticket: 'T-1', x: 1 } }, { key: 'k-1' }))).toEqual([
      409,
      'duplicate_request',
      'Idempotency-Key',
    ]);
    // Also after the denial is too old, and once it is resolved.
    remit.at(minutes(20));
    expect((await submit(body, { key: 'k-1' })).json<Task>().task.id).toBe(first);
    await approve(first);
    const again = await submit(body, { key: 'k-1' });
    expect([again.statusCode, again.json<Task>().task]).toMatchObject([201, { id: first, status: 'approved' }]);
    remit.at(minutes(20 + 25 * 60));
    expect((await submit(body, { key: 'k-1' })).json<Task>().task.id).toBe(first);
    expect((await submit(body, { key: 'a key' })).statusCode).toBe(400);
  });

  it('with a key of another caller is another request', async () => {
    const first = (await submit(await newRequest(), { key: 'k' })).json<Task>().task.id;
    const denial = await recordDenial(remit, { client: 'other' });
    const second = await submit({ ...QUESTION, denial }, { key: 'k', credential: 'other-key' });
    expect(second.statusCode).toBe(202);
    expect(second.json<Task>().task.id).not.toBe(first);
  });

  it('opens one task where many come at once', async () => {
    const body = await newRequest();
    const ids = await Promise.all(Array.from({ length: 12 }, (_, i) => submit(body, { key: `k-${i % 3}` })));
    expect(new Set(ids.map((response) => response.json<Task>().task.id)).size).toBe(1);
  });

  it('is refused while too many wait, and for a while after a no', async () => {
    const branch = (i: number): object => ({ action: { name: 'merge', properties: { branch: `b-${i}` } } });
    const ask = async (i: number): Promise<LightMyRequestResponse> =>
      submit({ ...QUESTION, ...branch(i), denial: await recordDenial(remit, { question: branch(i) }) });
    const statuses: number[] = [];
    for (let i = 0; i < 22; i += 1) statuses.push((await ask(i)).statusCode);
    expect(statuses).toEqual([...Array.from({ length: 20 }, () => 202), 429, 429]);
    // When there is room again depends on people: a caller that waits a minute floods nobody.
    expect((await ask(22)).headers['retry-after']).toBe('60');
    const id = (await ask(3)).json<Task>().task.id;
    const task = await remit.service.approvals.find(id);
    if (task === undefined) throw new Error('no task');
    const denied = { by: { type: 'user', id: 'olga' }, at: DAYTIME.toISOString() };
    await remit.service.approvals.answer(task, { answers: [], state: 'denied', scope: 'once', denied }, DAYTIME);
    expect((await poll(id)).json()).toMatchObject({ task: { status: 'denied' } });
    expect(problemOf(await ask(3))).toEqual([400, 'not_requestable', undefined]);
    expect((await ask(20)).statusCode).toBe(202);
    expect((await cancel((await ask(4)).json<Task>().task.id)).statusCode).toBe(200);
    remit.at(minutes(61));
    expect((await ask(3)).statusCode).toBe(202);
  });
});

describe('a task', () => {
  it('is known to the caller that asked, and to no other', async () => {
    const id = await open();
    const strangers = ['other-key', await agentToken(), await agentToken('bob')];
    for (const credential of strangers)
      for (const [name, call] of [
        ['poll', poll],
        ['cancel', cancel],
      ] as const)
        for (const task of [id, UNKNOWN_ID, 'x', '../v1/decisions'.replaceAll('/', '%2F')])
          expect(problemOf(await call(task, credential)), name).toEqual([404, 'unknown_task', undefined]);
    expect((await poll(id, await remit.mint({ user: 'ann' }))).statusCode).toBe(403);
    expect((await poll(id, 'root-key')).statusCode).toBe(403);
    expect((await poll(id, 'nothing')).statusCode).toBe(401);
    for (const credential of strangers)
      expect(problemOf(await submit(await newRequest(), { credential }))).toEqual([
        400,
        'invalid_denial_binding',
        'denial',
      ]);
  });

  it('of an agent that asked for itself is known to it for the same user alone', async () => {
    const denial = await recordDenial(remit, { client: 'agent:coder' });
    const body = { ...QUESTION, denial };
    const response = await submit(body, { credential: await agentToken(), key: 'k' });
    expect(response.statusCode, response.body).toBe(202);
    const { id } = response.json<Task>().task;
    expect((await poll(id, await agentToken())).json()).toMatchObject({ task: { status: 'pending' } });
    for (const credential of [await agentToken('bob'), await agentToken('ann', 'planner'), 'git-key'])
      expect(problemOf(await poll(id, credential))).toEqual([404, 'unknown_task', undefined]);
    const ofBob = await recordDenial(remit, { client: 'agent:coder', user: 'bob' });
    const question = { ...QUESTION, subject: { type: 'user', id: 'ann' } };
    for (const given of [ofBob, await recordDenial(remit)])
      expect(problemOf(await submit({ ...question, denial: given }, { credential: await agentToken() }))).toEqual([
        400,
        'invalid_denial_binding',
        'denial',
      ]);
    expect((await cancel(id, await agentToken())).json()).toMatchObject({ task: { status: 'cancelled' } });
  });

  it('is cancelled while it waits, and makes one transition only', async () => {
    const id = await open();
    const withoutBody = await remit.request('POST', `/access/v1/requests/${id}/cancel`, undefined, 'git-key');
    expect(withoutBody.json()).toMatchObject({ task: { status: 'cancelled' } });
    expect(problemOf(await cancel(id))).toEqual([409, 'invalid_task_state', undefined]);
    const good = await open();
    await approve(good);
    expect(problemOf(await cancel(good))).toEqual([409, 'invalid_task_state', undefined]);
    await remit.service.approvals.end(good, 'revoked', 'user:ann', DAYTIME);
    expect((await poll(good)).json()).toMatchObject({ task: { status: 'approved' } });
    const late = await open();
    remit.at(minutes(1440));
    expect((await poll(late)).json()).toMatchObject({ task: { status: 'expired' } });
    expect(problemOf(await cancel(late))).toEqual([410, 'task_expired', undefined]);
  });
});

describe('a request for several questions', () => {
  const WEB = { resource: { type: 'repository', id: 'web' } } as const;
  async function newBundle(): Promise<object> {
    const { action, resource, subject, context } = QUESTION;
    return {
      subject,
      context,
      items: [
        { action, resource, denial: await recordDenial(remit) },
        { action, ...WEB, denial: await recordDenial(remit, { question: WEB }) },
      ],
    };
  }

  it('has an item for each, which people answer one by one', async () => {
    const body = await newBundle();
    const response = await submit(body, { key: 'all' });
    expect(response.statusCode, response.body).toBe(202);
    const { task } = response.json<Task>();
    expect(task).toMatchObject({
      status: 'pending',
      items: [
        { resource: QUESTION.resource, action: QUESTION.action, status: 'pending' },
        { ...WEB, action: QUESTION.action, status: 'pending' },
      ],
    });
    expect((await submit(body, { key: 'all' })).json<Task>().task.id).toBe(task.id);
    expect(problemOf(await submit(await newBundle(), { key: 'all' }))).toEqual([
      409,
      'duplicate_request',
      'Idempotency-Key',
    ]);
    const single = await open();
    await approve(single);
    expect((await poll(task.id)).json()).toMatchObject({
      task: { status: 'pending', items: [{ status: 'approved', result: { approval: { id: single } } }, {}] },
    });
    expect((await cancel(task.id)).json()).toMatchObject({
      task: { status: 'partial', items: [{ status: 'approved' }, { status: 'cancelled' }] },
    });
    expect(problemOf(await cancel(task.id))).toEqual([409, 'invalid_task_state', undefined]);
    await remit.service.database.run([
      {
        sql: `insert into access_request_bundles
                select gen_random_uuid(), requester, user_id, items, kept_until
                from access_request_bundles, generate_series(2, $1::int)`,
        params: [MAX_KEPT_BUNDLES],
      },
    ]);
    expect((await submit(await newBundle())).statusCode).toBe(429);
    // Those that are past their time don't count: they go first.
    const past = `update access_request_bundles set kept_until = $1::timestamptz where id <> $2::uuid`;
    await remit.service.database.run([{ sql: past, params: [DAYTIME.toISOString(), task.id] }]);
    expect((await submit(await newBundle())).statusCode).toBe(202);
    for (const credential of ['other-key', await agentToken()])
      expect(problemOf(await poll(task.id, credential))).toEqual([404, 'unknown_task', undefined]);
  });

  it('opens all of its tasks or none, where the last is one too many or was denied lately', async () => {
    const toItem = async (id: string) => {
      const resource = { type: 'repository', id };
      return { action: QUESTION.action, resource, denial: await recordDenial(remit, { question: { resource } }) };
    };
    const { subject, context } = QUESTION;
    const countOpen = async (): Promise<unknown> => {
      const sql = `select count(*)::int as n from approval_tasks where state = 'pending'`;
      return (await remit.service.database.run([{ sql }]))[0]?.[0]?.['n'];
    };
    const denied = await remit.service.approvals.find(await open());
    if (denied === undefined) throw new Error('no task');
    await remit.service.approvals.answer(denied, { answers: [], state: 'denied', scope: 'once' }, DAYTIME);
    const items = [await toItem('r1'), await toItem('r2'), await toItem('api')];
    expect(problemOf(await submit({ subject, context, items }))).toEqual([400, 'not_requestable', 'items[2]']);
    expect(await countOpen()).toBe(0);
    await open({ subject, context, ...(await toItem('r0')) });
    const many = await Promise.all(Array.from({ length: 20 }, (_, i) => toItem(`r${i + 1}`)));
    expect((await submit({ subject, context, items: many })).statusCode).toBe(429);
    expect(await countOpen()).toBe(1);
    expect((await submit({ subject, context, items: many.slice(1) })).statusCode).toBe(202);
    expect(await countOpen()).toBe(20);
  });

  it('needs a denial of its own for each', async () => {
    const { items } = (await newBundle()) as { items: { denial?: Denial }[] };
    const [first, second] = items;
    const { subject, context } = QUESTION;
    const ask = (list: object[], more: object = {}): Promise<LightMyRequestResponse> =>
      submit({ subject, context, items: list, ...more });
    for (const [list, at] of [
      [[first, { ...second, denial: undefined }], 'items[1].denial'],
      [[first, { ...second, denial: first?.denial }], 'items[1].resource'],
      [[{ ...first, action: { name: 'merge' } }, second], 'items[0].action.properties.branch'],
    ] as const)
      expect(problemOf(await ask(list as unknown as object[]))).toEqual([400, 'invalid_denial_binding', at]);
    expect((await ask(items, { denial: first?.denial })).json()).toMatchObject({ error: { at: 'denial' } });
    expect((await ask(items, { resource: QUESTION.resource })).json()).toMatchObject({ error: { at: 'resource' } });
    expect((await ask(Array.from({ length: 21 }, () => first ?? {}))).json()).toMatchObject({ error: { at: 'items' } });
    const [rows] = await remit.service.database.run([{ sql: 'select count(*)::int as n from approval_tasks' }]);
    expect(rows?.[0]?.['n']).toBe(0);
  });
});
