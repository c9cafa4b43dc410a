/** Whatever a service, or what stands between, answers: nothing but a clear yes is an allow, and errors tell no secret. */
import {
  createClient,
  RemitError,
  RemitUnavailable,
  type CallEvent,
  type ClientOptions,
  type Question,
} from 'remit-client';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collect } from '../../support/collect.js';
import {
  answerJson,
  answerText,
  BROKEN_PROMISES,
  cutConnection,
  FAILURES,
  neverAnswer,
  StandIn,
} from '../../support/stand-in.js';

const KEY = 'the-key-of-the-client';
const TOKEN = 'the-token-of-the-agent';
const question: Question = {
  subject: { type: 'user', id: 'alice' },
  action: 'read',
  resource: { type: 'employee', id: 'erin' },
  context: { token: TOKEN },
};
const service = new StandIn();
beforeAll(() => service.start());
afterAll(() => service.stop());
const connect = (more: Partial<ClientOptions> = {}) =>
  createClient({ url: service.url, key: KEY, timeoutMs: 400, obligations: { mask: true }, ...more });
const fail = async (work: Promise<unknown>): Promise<RemitError> => {
  const result: unknown = await work.then(
    (value) => ({ answered: value }),
    (error: unknown) => error,
  );
  if (!(result instanceof RemitError)) throw new Error(`no error: ${JSON.stringify(result)}`);
  return result;
};

describe('no allow', () => {
  it.each(Object.entries(FAILURES))('%s', async (_name, reaction) => {
    service.react(reaction);
    const error = await fail(connect().can(question));
    expect(error).toBeInstanceOf(RemitUnavailable);
    const told = `${String(error)} ${JSON.stringify(error)} ${String(error.cause)} ${error.stack ?? ''}`;
    for (const secret of [KEY, TOKEN, service.url, new URL(service.url).host, 'elsewhere'])
      expect(told).not.toContain(secret);
  });

  it.each(Object.entries(FAILURES))('in a batch: %s', async (_name, reaction) => {
    service.react(reaction);
    await fail(connect().canAll([question, question]));
  });

  it.each(Object.entries(BROKEN_PROMISES))('%s', async (_name, reaction) => {
    service.react(reaction);
    expect(await connect().can(question)).toMatchObject({ allowed: false });
    expect((await fail(connect().assert(question))).kind).toBe('denied');
  });

  it('a service that is not there', async () => {
    const { url } = service;
    expect(await fail(createClient({ url: url.replace(/\d+$/, '9'), key: KEY }).can(question))).toMatchObject({
      code: 'transport',
    });
  });

  it.each([
    ['fewer answers than questions', [{ decision: true }]],
    ['more', [{ decision: true }, { decision: true }, { decision: true }]],
    ['none', []],
    ['no list', { decision: true }],
  ])('a batch with %s', async (_name, evaluations) => {
    service.react(answerJson({ evaluations }));
    expect(await fail(connect().canAll([question, question]))).toMatchObject({ kind: 'unavailable', code: 'answer' });
  });

  it('a batch that was answered with one decision', async () => {
    service.react(answerJson({ decision: true }));
    expect(await fail(connect().canAll([question, question]))).toMatchObject({ code: 'answer' });
  });
});

describe('records that come back', () => {
  const records = ['a', 'b'].map((id) => ({ type: 'employee', id, properties: {} }));
  const { subject, action } = question;
  it.each([
    ['that were not sent', [{ type: 'employee', id: 'c', properties: {} }]],
    ['twice', [records[0], records[0]]],
    ['in another order', [records[1], records[0]]],
    ['of another type', [{ type: 'user', id: 'a', properties: {} }]],
    ['without properties', [{ type: 'employee', id: 'a' }]],
  ])('%s are no answer', async (_name, answered) => {
    service.react(answerJson({ records: answered, removed: 0 }));
    expect(await fail(connect().filter({ subject, action, records }))).toMatchObject({ code: 'answer' });
  });

  it('with an obligation that is unknown are left out alone', async () => {
    const obligations = [{ id: 'x', type: 'watermark', properties: {} }];
    service.react(answerJson({ records: [{ ...records[0], obligations }, records[1]], removed: 0 }));
    expect(await connect().filter({ subject, action, records })).toMatchObject({ records: [{ id: 'b' }], removed: 1 });
  });

  it('with an obligation that the caller carries out come with it', async () => {
    const obligations = [{ id: 'x', type: 'watermark', properties: { text: 'draft' } }];
    service.react(answerJson({ records: [{ ...records[0], obligations }, records[1]], removed: 0 }));
    const answer = await connect({ obligations: { watermark: true } }).filter({ subject, action, records });
    expect(answer.records).toEqual([{ ...records[0], obligations }, records[1]]);
  });

  it('of a refused question are none', async () => {
    const context = { reasons: [{ code: 'token_expired' }] };
    service.react(answerJson({ records: [], removed: 2, context }));
    expect(await fail(connect().filter({ subject, action, records }))).toMatchObject({ code: 'token_expired' });
  });

  it('are not asked for twice where the first request may have arrived, unless a key makes it one', async () => {
    service.react(cutConnection);
    await fail(connect().filter({ subject, action, records }));
    expect(service.requests.length).toBe(1);
    service.reactInTurn(cutConnection, answerJson({ records, removed: 0 }));
    const asked = connect({ timeoutMs: 5_000 }).filter({ subject, action, records }, { idempotencyKey: 'mine' });
    expect(await asked).toMatchObject({ records: [{ id: 'a' }, { id: 'b' }] });
    expect(service.requests.map(({ headers }) => headers['idempotency-key'])).toEqual(['mine', 'mine']);
  });

  it.each([[{}], [[{ index: 2, code: 'x', message: 'y' }]], [[{ index: 0.5, code: 'x', message: 'y' }]], [['0']]])(
    'with invalid ones that are not of the request are no answer: %j',
    async (invalid) => {
      service.react(answerJson({ records: [], removed: 0, invalid }));
      expect(await fail(connect().filter({ subject, action, records }))).toMatchObject({ code: 'answer' });
    },
  );
});

describe('the id of a decision', () => {
  const id = '0199b6a0-5c1e-7c1a-9f0e-2d1c3b4a5000';
  it('is that of the header where the answer has none', async () => {
    service.react(answerJson({ decision: false }, 200, { 'remit-decision-id': id }));
    expect(await connect().can(question)).toMatchObject({ allowed: false, id });
    expect(await fail(connect().assert(question))).toMatchObject({ decisionId: id });
    service.react(answerJson({ decision: false, context: { id: 'own' } }, 200, { 'remit-decision-id': id }));
    expect(await connect().can(question)).toMatchObject({ id: 'own' });
    service.react(
      answerJson({ evaluations: [{ decision: true }, { decision: false }] }, 200, { 'remit-decision-id': id }),
    );
    const answers = await connect().canAll([question, question]);
    expect(answers.map((answer) => answer.id)).toEqual([`${id}.0`, `${id}.1`]);
  });

  it('is none where the header has something else', async () => {
    service.react(answerJson({ decision: false }, 200, { 'remit-decision-id': `${id}/../x` }));
    expect(await connect().can(question)).toMatchObject({ id: undefined });
  });
});

describe('another attempt', () => {
  const allow = answerJson({ decision: true });
  it.each([429, 502, 503, 504])('is made after %i, with the same Idempotency-Key', async (status) => {
    service.reactInTurn(answerText('{"decision": false}', status), allow);
    expect(await connect({ timeoutMs: 5_000 }).can(question)).toMatchObject({ allowed: true });
    const keys = service.requests.map(({ headers }) => headers['idempotency-key']);
    expect(keys).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/), keys[0]]);
  });

  it('is made after a cut connection', async () => {
    service.reactInTurn(cutConnection, allow);
    expect(await connect({ timeoutMs: 5_000 }).can(question, { idempotencyKey: 'mine' })).toMatchObject({
      allowed: true,
    });
    expect(service.requests.map(({ headers }) => headers['idempotency-key'])).toEqual(['mine', 'mine']);
  });

  it.each([500, 501, 400, 403, 404, 409, 302])('is not made after %i', async (status) => {
    service.reactInTurn(answerText('{}', status, { location: '/' }), allow);
    await fail(connect().can(question));
    expect(service.requests.length).toBe(1);
  });

  it('is not made where the service wants a longer pause than there is time', async () => {
    service.reactInTurn(answerText('{}', 503, { 'retry-after': '60' }), allow);
    expect(await fail(connect().can(question))).toMatchObject({ status: 503, retryAfter: 60 });
    expect(service.requests.length).toBe(1);
  });

  it('ends', async () => {
    service.react(answerText('{}', 503));
    await fail(connect({ timeoutMs: 60_000 }).can(question));
    expect(service.requests.length).toBe(5);
  });
});

describe('the deadline', () => {
  it('is one for all attempts', async () => {
    service.reactInTurn(cutConnection, cutConnection, neverAnswer);
    expect(await fail(connect({ timeoutMs: 700 }).can(question))).toMatchObject({ code: 'timeout' });
  });

  it('holds for a credential that never comes, and for a handler that never ends', async () => {
    const never = (): Promise<string> => new Promise(() => undefined);
    expect(
      await fail(createClient({ url: service.url, credential: never, timeoutMs: 100 }).can(question)),
    ).toMatchObject({
      code: 'timeout',
    });
    service.react(
      answerJson({ decision: true, context: { obligations: [{ id: 'n', type: 'note', properties: {} }] } }),
    );
    expect(await fail(connect({ obligations: { note: never } }).can(question))).toMatchObject({ code: 'timeout' });
  });

  it('and a signal end the call', async () => {
    service.react(neverAnswer);
    const controller = new AbortController();
    const asked = fail(connect({ timeoutMs: 60_000 }).can(question, { signal: controller.signal }));
    controller.abort();
    expect(await asked).toMatchObject({ code: 'aborted' });
    expect(await fail(connect().can(question, { signal: AbortSignal.abort() }))).toMatchObject({ code: 'aborted' });
  });
});

describe('obligations', () => {
  const allow = (...types: string[]) =>
    answerJson({ decision: true, context: { obligations: types.map((type) => ({ id: type, type, properties: {} })) } });

  it('are carried out before the allow, and one that fails makes it a deny', async () => {
    const carried: string[] = [];
    const table = {
      note: () => carried.push('note'),
      fail: () => Promise.reject(new Error('the secret of a handler')),
      last: async () => carried.push('last'),
    };
    const client = connect({ obligations: table });
    service.react(allow('note', 'last'));
    expect(await client.can(question)).toMatchObject({ allowed: true });
    service.react(allow('fail', 'unknown', 'last'));
    expect(await client.can(question)).toMatchObject({ allowed: false, code: 'obligation_failed' });
    expect(carried).toEqual(['note', 'last', 'last']);
  });

  it('of a name that every object has are unknown', async () => {
    service.react(allow('toString'));
    expect(await connect().can(question)).toMatchObject({ allowed: false, code: 'obligation_unknown' });
  });

  it('are carried out on a deny, too, which stays one', async () => {
    let count = 0;
    service.react(
      answerJson({ decision: false, context: { obligations: [{ id: 's', type: 'step-up', properties: {} }] } }),
    );
    const client = connect({ obligations: { 'step-up': () => (count += 1) } });
    expect(await client.can(question)).toMatchObject({ allowed: false, code: 'denied' });
    expect(count).toBe(1);
  });

  it('of search results leave out the result alone', async () => {
    const obligations = [{ id: 'x', type: 'watermark', properties: {} }];
    service.react(
      answerJson({
        results: [
          { type: 'employee', id: 'a', obligations },
          { type: 'employee', id: 'b' },
        ],
      }),
    );
    const results = connect().search.resources({ ...question, resource: { type: 'employee' } });
    expect(await collect(results)).toEqual([{ type: 'employee', id: 'b' }]);
  });
});

describe('results', () => {
  const { subject, action, resource } = question;
  it.each<[string, unknown]>([
    ['another type', { type: 'user', id: 'a' }],
    ['no type', { id: 'a' }],
    ['no id', { type: 'employee' }],
    ['a list for a type', { type: ['employee'], id: 'a' }],
  ])('of %s refuse the answer', async (_name, result) => {
    service.react(answerJson({ results: [{ type: 'employee', id: 'first' }, result] }));
    const search = { subject, action, resource: { type: 'employee' } };
    // Not one of the page counts.
    expect(await fail(connect().search.resources(search).next())).toMatchObject({ code: 'answer' });
    const inverse = { subject: { type: 'employee' }, action, resource };
    expect(await fail(connect().search.subjects(inverse).next())).toMatchObject({ code: 'answer' });
  });
});

describe('pages', () => {
  it('that lead round end', async () => {
    service.react(answerJson({ page: { next_token: 'same' }, results: [{ name: 'read' }] }));
    await fail(collect(connect().search.actions(question)));
    expect(service.requests.length).toBe(2);
  });

  it('of a question that is refused as a whole are a deny', async () => {
    service.react(answerJson({ results: [], context: { reasons: [{ code: 'token_expired' }] } }));
    expect(await fail(collect(connect().search.actions(question)))).toMatchObject({
      kind: 'denied',
      code: 'token_expired',
    });
  });
});

describe('the credential', () => {
  it('is never sent to another server that an answer names', async () => {
    const elsewhere = new StandIn();
    await elsewhere.start();
    const expires = '2999-01-01T00:00:00Z';
    const offer = { endpoint: `${elsewhere.url}/access/v1/requests`, expires_at: expires };
    service.react(answerJson({ decision: false, context: { access_request: offer } }));
    const denied = await connect().can(question);
    expect(await fail(connect().requestAccess(denied))).toMatchObject({ kind: 'setup', code: 'origin' });
    const status = { id: 't', status: 'pending', status_endpoint: `${elsewhere.url}/t` };
    service.reactInTurn(
      answerJson({ decision: false, context: { access_request: { ...offer, endpoint: `${service.url}/r` } } }),
      answerJson({ task: status }, 202),
    );
    expect(await fail(connect().requestAccess(await connect().can(question)))).toMatchObject({ code: 'origin' });
    service.react(
      answerJson({
        policy_decision_point: service.url,
        access_evaluation_endpoint: `${elsewhere.url}/access/v1/evaluation`,
      }),
    );
    expect(await fail(connect({ discovery: true }).can(question))).toMatchObject({ code: 'origin' });
    service.react(answerText('{}', 307, { location: `${elsewhere.url}/access/v1/evaluation` }));
    await fail(connect().can(question));
    expect(elsewhere.requests).toEqual([]);
    await elsewhere.stop();
  });

  it('is not sent for the metadata', async () => {
    service.react(answerJson({ policy_decision_point: 'https://elsewhere.example' }));
    expect(await fail(connect({ discovery: true }).can(question))).toMatchObject({ code: 'identity' });
    expect(service.requests.map(({ path, headers }) => [path, headers.authorization])).toEqual([
      ['/.well-known/authzen-configuration', undefined],
    ]);
  });

  it('metadata of an identifier with a path are between host and path', async () => {
    const url = `${service.url}/tenants/a`;
    service.reactInTurn(
      answerJson({ policy_decision_point: url, access_evaluation_endpoint: `${url}/evaluate` }),
      answerJson({ decision: true }),
    );
    expect(await connect({ url, discovery: true }).can(question)).toMatchObject({ allowed: true });
    expect(service.requests.map(({ path }) => path)).toEqual([
      '/.well-known/authzen-configuration/tenants/a',
      '/tenants/a/evaluate',
    ]);
  });
});

it.each<[string, unknown, string | undefined]>([
  [
    'its words of permissions',
    'This client may not "search" or "filter".',
    'it lacks the permission "search" or "filter"',
  ],
  ['its words of parties', 'This is for agents, with a token of their own.', 'this is for agents'],
  ['more than one party', 'This is for people and agents, with a token.', 'this is for people and agents'],
  [
    'whose token it is',
    'This is for clients, agents and people: this token is x.',
    'this is for clients, agents and people',
  ],
  ['a token in their place', `This client may not "${TOKEN}".`, undefined],
  ['more after them', `This client may not "search". ${TOKEN}`, undefined],
  ['a party that is none', `This is for ${TOKEN}.`, undefined],
  ['no text', { text: TOKEN }, undefined],
])('a 403 passes on nothing of the service’s own texts but names: %s', async (_name, message, detail) => {
  service.react(answerJson({ error: { code: 'forbidden', message } }, 403));
  await expect(connect().can(question)).rejects.toMatchObject({
    code: 'forbidden',
    message: `the authorization service does not let this client ask this${detail === undefined ? '' : `: ${detail}`} (status 403)`,
  });
});

describe('options', () => {
  it.each([
    ['plain http', { url: 'http://pdp.example' }],
    ['a name that begins like the loopback address', { url: 'http://127.0.0.1.evil.example' }],
    ['a name that begins like localhost', { url: 'http://localhost.evil.example' }],
    ['another scheme', { url: 'ftp://127.0.0.1' }],
    ['a password in the address', { url: 'https://a:s3cret@pdp.example' }],
    ['a query', { url: 'https://pdp.example?s3cret' }],
    ['no address', { url: 's3cret' }],
    ['a key of two lines', { key: 's3cret\r\nX: y' }],
    ['an empty key', { key: '' }],
    ['a key and a credential', { credential: () => 's3cret' }],
    ['a time that is none', { timeoutMs: Number.NaN }],
    ['a time beyond a timer', { timeoutMs: 2 ** 31 }],
    ['a handler that is none', { obligations: { mask: 'yes' as never } }],
    ['a cache without an age', { cache: {} as never }],
    ['a cache that is none', { cache: true as never }],
    ['a time that is a text', { timeoutMs: '5' as never }],
    ['a hook that is none', { onEvent: 's3cret' as never }],
    ['a fetch that is none', { fetch: {} as never }],
    ['a discovery that is neither true nor false', { discovery: 's3cret' as never }],
    ['a name that is no option', { timeoutMS: 5 }],
    ['another that every object has', { toString: (): string => 's3cret' }],
  ])('refuses %s', (_name, options) => {
    const attempt = (): unknown => createClient({ url: 'https://pdp.example', key: KEY, ...options });
    expect(attempt).toThrow(RemitError);
    expect(attempt).not.toThrow(/s3cret/);
  });

  it.each([
    'https://pdp.example',
    'https://pdp.example/a/',
    'http://127.1.2.3:80',
    'http://[::1]:1',
    'http://localhost',
  ])('takes %s', (url) => {
    expect(() => createClient({ url, key: KEY })).not.toThrow();
  });

  it.each([
    ['no subject id', { ...question, subject: { type: 'user' } }],
    ['an empty resource id', { ...question, resource: { type: 'employee', id: '' } }],
    ['a number for an id', { ...question, resource: { type: 'employee', id: 7 } }],
    ['no action', { ...question, action: undefined }],
    ['a missing resource', { ...question, resource: undefined }],
    ['a context that is a text', { ...question, context: 'x' }],
    ['a context that is a list', { ...question, context: [] }],
  ])('a question with %s is never sent', async (_name, hollow) => {
    service.react(answerJson({ decision: true }));
    expect(await fail(connect().can(hollow as unknown as Question))).toMatchObject({ kind: 'setup' });
    expect(service.requests).toEqual([]);
  });
});

it('the hook is told what happened, without secrets, and can not change it', async () => {
  const events: CallEvent[] = [];
  const client = connect({
    onEvent: (event) => {
      events.push(event);
      throw new Error('a broken hook');
    },
  });
  service.react(answerJson({ decision: true, context: { id: 'd1' } }));
  expect(await client.can(question)).toMatchObject({ allowed: true });
  service.react(answerJson({ decision: false, context: { reason: 'policy_forbid' } }));
  await client.can(question);
  service.react(answerText('no', 500));
  await fail(client.can(question));
  service.react(answerText('{}', 401));
  await fail(client.can(question));
  expect(
    events.map(({ operation, result, code, status, attempts, decisionId }) => ({
      operation,
      result,
      code,
      status,
      attempts,
      decisionId,
    })),
  ).toEqual([
    { operation: 'can', result: 'allow', code: undefined, status: 200, attempts: 1, decisionId: 'd1' },
    { operation: 'can', result: 'deny', code: 'policy_forbid', status: 200, attempts: 1, decisionId: undefined },
    { operation: 'can', result: 'unavailable', code: 'status', status: 500, attempts: 1, decisionId: undefined },
    { operation: 'can', result: 'setup', code: 'credential', status: 401, attempts: 1, decisionId: undefined },
  ]);
  expect(JSON.stringify(events)).not.toMatch(new RegExp(`${KEY}|${TOKEN}|127.0.0.1`));
});

it('whatever a program prints of a client, an answer, a deny or a task has no key and no token', async () => {
  const expires = '2999-01-01T00:00:00Z';
  const offer = { endpoint: `${service.url}/r`, expires_at: expires, binding_token: 'bound' };
  const task = { id: 't', status: 'pending', status_endpoint: `${service.url}/t` };
  service.react((request, response) => {
    const body = request.path === '/r' ? { task } : { decision: false, context: { access_request: offer } };
    answerJson(body)(request, response);
  });
  const client = connect();
  const answer = await client.can(question);
  const denied = await fail(client.assert(question));
  const printed = [client, answer, denied, await client.requestAccess(answer)];
  for (const value of printed) {
    const text = inspect(value, { depth: Infinity, showHidden: false }) + JSON.stringify(value);
    expect(text).not.toMatch(new RegExp(`${KEY}|${TOKEN}`));
  }
  expect(inspect(denied, { depth: Infinity }) + JSON.stringify(denied)).not.toMatch(/127\.0\.0\.1|bound/);
  expect(answer.question.context.token).toBe(TOKEN);
});

it('capabilities of another’s token are asked for in the body', async () => {
  service.react(answerJson({ capabilities: [] }));
  expect(await connect().capabilities({ token: TOKEN })).toEqual([]);
  expect(service.requests[0]).toMatchObject({
    method: 'POST',
    path: '/v1/capabilities',
    body: `{"context":{"token":"${TOKEN}"}}`,
  });
});

it.each([{ code: 'timeout' }, 'timeout', false])('an allow with an error beside it is none: %j', async (error) => {
  const service = new StandIn();
  await service.start();
  try {
    service.react(answerJson({ decision: true, context: { error } }));
    const asking = createClient({ url: service.url, key: 'k' });
    const question = { subject: { type: 'user', id: 'a' }, action: 'read', resource: { type: 'doc', id: '1' } };
    expect(await asking.can(question)).toMatchObject({ allowed: false, isUndecided: true });
  } finally {
    await service.stop();
  }
});
