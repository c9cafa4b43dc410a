/** Relationships, entities, records and health over HTTP: what is written lasts, what fails never allows. */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { parseStoredRelationship } from '../../../src/graph/relationship-text.js';
import { codes, ON_SERVER, SAMPLE, start, type Answer, type Running } from '../../support/sample.js';

const URL = '/access/v1/evaluation';

/** Ends an embedded engine's thread as a crash would. */
const crash = (engine: object): Promise<void> => (engine as { kill: () => Promise<void> }).kill();

async function question(remit: Running, over: object = {}): Promise<object> {
  const token = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read' });
  return {
    subject: { type: 'user', id: 'alice' },
    action: { name: 'read' },
    resource: { type: 'employee', id: 'erin' },
    context: { token },
    ...over,
  };
}

describe('administration', () => {
  let remit: Running;
  beforeAll(async () => {
    remit = await start();
    return () => remit.stop();
  });

  it('writes relationships as text and as JSON, and reads them in both forms', async () => {
    const json = {
      resource: { type: 'team', id: 'caf\u00e9 *' },
      relation: 'member',
      subject: { type: 'user', id: 'ann b' },
    };
    const response = await remit.post('/v1/relationships', {
      updates: [
        { operation: 'create', relationship: json },
        { operation: 'touch', relationship: 'team:core#member@team:caf=C3=A9=20=2A#member' },
      ],
    });
    expect(response.statusCode).toBe(200);
    expect(response.json()).toEqual({ zedtoken: expect.any(String) as string });
    const read = await remit.request(
      'GET',
      `/v1/relationships?resource_type=team&resource_id=${encodeURIComponent('caf\u00e9 *')}`,
    );
    expect(read.json()).toEqual({
      relationships: [{ ...json, relationship: 'team:caf=C3=A9=20=2A#member@user:ann=20b' }],
      truncated: false,
    });
    const userset = await remit.request('GET', '/v1/relationships?resource_type=team&resource_id=core');
    expect(userset.json()).toMatchObject({
      relationships: [{ subject: { type: 'team', id: 'caf\u00e9 *', relation: 'member' } }],
    });
    const again = await remit.post('/v1/relationships', { updates: [{ operation: 'create', relationship: json }] });
    expect(again.statusCode).toBe(409);
    const few = await remit.request('GET', '/v1/relationships?resource_type=employee&limit=5');
    expect(few.json<{ relationships: object[]; truncated: boolean }>()).toMatchObject({
      relationships: { length: 5 },
      truncated: true,
    });
  });

  it('shows ids that another application wrote as they are, and deletes them; lists pass them over', async () => {
    const texts = ['team:YWJj==#member@user:alice', 'team:core#member@user:=c3=bc'];
    await remit.service.activePolicies.engine.write(
      texts.map((text) => ({ operation: 'touch', relationship: parseStoredRelationship(text) })),
      'another application',
    );
    const read = await remit.request('GET', '/v1/relationships?resource_type=team&relation=member&limit=1000');
    expect(read.json<{ relationships: object[] }>().relationships).toEqual(
      expect.arrayContaining([
        {
          relationship: texts[0],
          resource: { type: 'team', encoded_id: 'YWJj==' },
          relation: 'member',
          subject: { type: 'user', id: 'alice' },
        },
        {
          relationship: texts[1],
          resource: { type: 'team', id: 'core' },
          relation: 'member',
          subject: { type: 'user', encoded_id: '=c3=bc' },
        },
      ]),
    );
    const update = (operation: string, relationship = texts[0]): Promise<{ statusCode: number }> =>
      remit.post('/v1/relationships', { updates: [{ operation, relationship }] });
    expect((await update('touch')).statusCode).toBe(400);
    for (const text of texts) expect((await update('delete', text)).statusCode).toBe(200);
    const after = await remit.request('GET', '/v1/relationships?resource_type=team&relation=member&limit=1000');
    expect(after.body).not.toContain('encoded_id');
  });

  it('keeps an expiration', async () => {
    await remit.touch('agent:code-bot#delegator@user:erin[expiration:2099-01-01T00:00:00Z]');
    const read = await remit.request(
      'GET',
      '/v1/relationships?resource_type=agent&resource_id=code-bot&subject_type=user&subject_id=erin',
    );
    expect(read.json()).toMatchObject({ relationships: [{ expires_at: '2099-01-01T00:00:00Z' }] });
    await remit.remove('agent:code-bot#delegator@user:erin');
  });

  it.each([
    ['no updates', { updates: [] }, 'updates'],
    [
      '1,001 updates',
      {
        updates: Array.from({ length: 1001 }, (_, i) => ({
          operation: 'touch',
          relationship: `team:t${i}#member@user:a`,
        })),
      },
      'updates',
    ],
    [
      'an operation there is not',
      { updates: [{ operation: 'upsert', relationship: 'team:a#member@user:b' }] },
      'updates[0].operation',
    ],
    ['no relationship', { updates: [{ operation: 'touch', relationship: 'nonsense' }] }, 'updates[0].relationship'],
    [
      'an id that is not encoded',
      { updates: [{ operation: 'touch', relationship: 'team:a b#member@user:b' }] },
      'updates[0].relationship',
    ],
    [
      'the wildcard with a relation',
      { updates: [{ operation: 'touch', relationship: 'team:a#member@user:*#member' }] },
      'updates[0].relationship',
    ],
    [
      'the same twice',
      {
        updates: [
          { operation: 'touch', relationship: 'team:a#member@user:b' },
          { operation: 'delete', relationship: 'team:a#member@user:b' },
        ],
      },
      'updates[1].relationship',
    ],
    [
      'an unknown member',
      { updates: [{ operation: 'touch', relationship: 'team:a#member@user:b', why: 'x' }] },
      'updates[0]',
    ],
    ['a relation there is not', { updates: [{ operation: 'touch', relationship: 'team:a#boss@user:b' }] }, 'updates'],
    [
      'a subject that does not fit',
      { updates: [{ operation: 'touch', relationship: 'employee:a#manager@team:b' }] },
      'updates',
    ],
    [
      'the wildcard where the schema has none',
      { updates: [{ operation: 'touch', relationship: 'team:a#member@user:*' }] },
      'updates',
    ],
    [
      'a caveat whose context loses digits',
      {
        updates: [{ operation: 'touch', relationship: 'team:a#member@user:b[limit:{"max":1234567890123456789}]' }],
      },
      'updates[0].relationship',
    ],
    [
      'a relation that its definition lacks',
      {
        updates: [
          { operation: 'touch', relationship: 'team:a#member@user:b' },
          { operation: 'touch', relationship: 'team:a#membr@user:b' },
        ],
      },
      'updates[1].relationship',
    ],
    [
      'an impossible expiration',
      { updates: [{ operation: 'touch', relationship: 'agent:a#delegator@user:b[expiration:soon]' }] },
      'updates[0].relationship',
    ],
  ])('refuses %s', async (_name, body, at) => {
    const response = await remit.post('/v1/relationships', body);
    expect(response.statusCode).toBe(400);
    expect(response.json<{ error: { at: string } }>().error.at).toContain(at);
  });

  const FITTING = {
    resource: { type: 'team', id: 'a' },
    relation: 'member',
    subject: { type: 'user', id: 'b' },
  };
  it.each([
    ['no relationship', {}, 'updates[0].relationship', 'is required'],
    ['none that is one', { relationship: 7 }, 'updates[0].relationship', 'is of a wrong type'],
    ['an empty text', { relationship: '' }, 'updates[0].relationship', 'must not be empty'],
    [
      'one of JSON without a relation',
      { relationship: { resource: FITTING.resource, subject: FITTING.subject } },
      'updates[0].relationship.relation',
      'is required',
    ],
    [
      'one of JSON with a member that is not known',
      { relationship: { ...FITTING, why: 'x' } },
      'updates[0].relationship',
      'has members that are not known: "why"',
    ],
  ])('says what is wrong with an update that has %s', async (_name, update, at, message) => {
    const response = await remit.post('/v1/relationships', { updates: [{ operation: 'touch', ...update }] });
    expect([response.statusCode, response.json()]).toMatchObject([400, { error: { at, message } }]);
  });

  it('stores, replaces and removes entities', async () => {
    const at = '/v1/entities/employee/new%20one%2F%2A';
    const put = await remit.request('PUT', at, { attributes: { status: 'active', salary: 5 } });
    expect(put.json()).toEqual({
      type: 'employee',
      id: 'new one/*',
      attributes: { status: 'active', salary: 5 },
      parents: [],
    });
    await remit.request('PUT', at, { attributes: { status: 'on_leave' } });
    expect((await remit.request('GET', at)).json()).toMatchObject({ attributes: { status: 'on_leave' } });
    expect((await remit.request('DELETE', at)).statusCode).toBe(204);
    expect((await remit.request('GET', at)).statusCode).toBe(404);
    expect((await remit.request('DELETE', at)).statusCode).toBe(404);
  });

  it.each([
    ['a type there is not', '/v1/entities/emploiee/x', {}, 'did you mean "employee"?'],
    [
      'an attribute of a wrong type',
      '/v1/entities/agent/x',
      { attributes: { suspended: 'no' } },
      'attributes.suspended',
    ],
    [
      'a parent that the schema does not allow',
      '/v1/entities/employee/x',
      { parents: [{ type: 'agent', id: 'y' }] },
      'no parent',
    ],
    [
      'an attribute that the schema does not declare',
      '/v1/entities/agent/x',
      { attributes: { suspened: true } },
      'did you mean "suspended"?',
    ],
    ['an unknown member', '/v1/entities/employee/x', { attribute: {} }, ''],
    ['an id with a control character', '/v1/entities/employee/a%00b', {}, 'control'],
    ['attributes that are a list', '/v1/entities/employee/x', { attributes: [] }, ''],
  ])('refuses %s', async (_name, url, body, text) => {
    const response = await remit.request('PUT', url, body);
    expect(response.statusCode).toBe(400);
    expect(response.body).toContain(text.replaceAll('"', '\\"'));
  });

  it('takes one outcome of a decision, and shows it with the record', async () => {
    const { context } = await remit.evaluate(await question(remit));
    const url = `/v1/decisions/${context?.id ?? ''}`;
    const outcome = {
      outcome: 'executed',
      at: '2030-03-04T10:00:01Z',
      detail: 'read 1 record',
      properties: { rows: 1 },
    };
    expect((await remit.post(`${url}/outcome`, outcome)).statusCode).toBe(201);
    expect((await remit.post(`${url}/outcome`, outcome)).statusCode).toBe(201);
    expect((await remit.post(`${url}/outcome`, { outcome: 'failed' })).statusCode).toBe(409);
    expect((await remit.request('GET', `${url}?values=true`)).json()).toMatchObject({
      decision: true,
      outcome: { ...outcome, reported_by: 'dev' },
    });
    expect((await remit.post(`${url}/outcome`, { outcome: 'dunno' })).statusCode).toBe(400);
    expect((await remit.post('/v1/decisions/0199e2d8-0000-7000-8000-000000000000/outcome', outcome)).statusCode).toBe(
      404,
    );
  });
});

it('has relationships, entities, records and keys again after a restart, and the world only once', async () => {
  const first = await start();
  const before = await first.evaluate(await question(first));
  await first.touch('employee:zoe#manager@user:alice');
  await first.remove('employee:dave#manager@user:alice');
  await first.request('PUT', '/v1/entities/agent/hr-assistant', {
    attributes: { name: 'Renamed', kind: 'assistant', suspended: false },
  });
  const token = await first.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read' });
  const key = first.service.devKey;
  await first.stop({ keep: true });

  const second = await start(SAMPLE, first.data);
  const ask = (id: string) =>
    second.evaluate({
      subject: { type: 'user', id: 'alice' },
      action: { name: 'read' },
      resource: { type: 'employee', id },
      context: { token },
    });
  expect(second.service.devKey).toBe(key);
  expect((await ask('zoe')).decision).toBe(true);
  expect(codes(await ask('erin'))).toEqual(['relationship_missing']);
  expect(Object.values((await ask('zoe')).context?.reason_user ?? {})[0]).toContain('Renamed');
  const record = await second.request('GET', `/v1/decisions/${before.context?.id ?? ''}`);
  expect(record.json()).toMatchObject({ id: before.context?.id, decision: true });
  await second.stop();
});

describe('an engine that is gone', () => {
  it('a stopped database: no allow, no deny, no 500, and readiness says so', async () => {
    const remit = await start();
    const body = await question(remit);
    expect((await remit.evaluate(body)).decision).toBe(true);
    await crash(remit.service.database);
    const response = await remit.post(URL, body);
    expect(response.statusCode).toBe(503);
    expect(response.json<Answer>()).toMatchObject({
      decision: false,
      context: { reasons: [], obligations: [], error: { code: 'database_unavailable' } },
    });
    const export_ = await question(remit, { action: { name: 'export' } });
    // Nor a deny: nothing is answered that isn't recorded.
    expect((await remit.post(URL, export_)).statusCode).toBe(503);
    const batch = await remit.post('/access/v1/evaluations', { evaluations: [body, body] });
    expect(batch.statusCode).toBe(200);
    expect(
      batch.json<{ evaluations: Answer[] }>().evaluations.map((a) => [a.decision, a.context?.error?.code]),
    ).toEqual([
      [false, 'database_unavailable'],
      [false, 'database_unavailable'],
    ]);
    expect((await remit.request('GET', '/health/ready')).statusCode).toBe(503);
    expect((await remit.request('GET', '/health/live')).statusCode).toBe(200);
    expect((await remit.request('GET', '/v1/entities/user/nobody-asked-yet')).statusCode).toBe(503);
    expect(
      (
        await remit.post('/v1/relationships', {
          updates: [{ operation: 'touch', relationship: 'team:a#member@user:b' }],
        })
      ).statusCode,
    ).toBe(ON_SERVER ? 200 : 503); // The embedded one journals there first.
    await remit.stop();
  });

  it('a stopped SpiceDB: the same', async () => {
    const remit = await start();
    const body = await question(remit);
    expect((await remit.evaluate(body)).decision).toBe(true);
    await remit.crashSpiceDb();
    const response = await remit.post(URL, body);
    expect(response.statusCode).toBe(503);
    expect(response.json<Answer>()).toMatchObject({
      decision: false,
      context: { error: { code: 'relationships_unavailable' } },
    });
    const ready = await remit.request('GET', '/health/ready');
    expect([ready.statusCode, ready.json<{ checks: object }>().checks]).toEqual([
      503,
      { database: 'ok', relationships: 'failed', records: 'ok' },
    ]);
    await remit.stop();
  });

  it('an engine that hangs is waited for until the deadline, and no longer', async () => {
    const remit = await start(SAMPLE, undefined, { deadlineMs: 1000 });
    const body = await question(remit);
    await remit.evaluate(body);
    // The table is held for three seconds: longer than a decision may take.
    const hanging = remit.service.database
      .run([{ sql: 'lock table records' }, { sql: 'select pg_sleep(3)' }])
      .catch(() => undefined);
    const response = await remit.post(URL, body);
    expect(response.json<Answer>()).toMatchObject({
      decision: false,
      context: { error: { code: 'deadline_exceeded' } },
    });
    await hanging;
    expect((await remit.evaluate(body)).decision).toBe(true);
    await remit.stop();
  });
});

describe('what anybody may read', () => {
  let remit: Running;
  beforeAll(async () => {
    remit = await start();
    await remit.app.listen({ host: '127.0.0.1', port: 0 });
    return () => remit.stop();
  });

  it.each(['127.0.0.1', 'localhost'])(
    'the AuthZEN metadata names the address it is asked at, %s, and only what is there',
    async (name) => {
      const address = remit.app.server.address();
      const base = `http://${name}:${typeof address === 'object' && address !== null ? address.port : 0}`;
      expect(await (await fetch(`${base}/.well-known/oauth-protected-resource`)).json()).toMatchObject({
        resource: base,
      });
      const anonymous = await fetch(`${base}/v1/capabilities`);
      expect(anonymous.headers.get('www-authenticate')).toContain(
        `resource_metadata="${base}/.well-known/oauth-protected-resource"`,
      );
      const metadata = await (await fetch(`${base}/.well-known/authzen-configuration`)).json();
      expect(metadata).toEqual({
        policy_decision_point: base,
        access_evaluation_endpoint: `${base}/access/v1/evaluation`,
        access_evaluations_endpoint: `${base}/access/v1/evaluations`,
        search_subject_endpoint: `${base}/access/v1/search/subject`,
        search_resource_endpoint: `${base}/access/v1/search/resource`,
        search_action_endpoint: `${base}/access/v1/search/action`,
        supported_obligations: ['mask', 'visible_fields', 'notification'],
        access_request_endpoint: `${base}/access/v1/requests`,
        jwks_uri: `${base}/.well-known/jwks.json`,
        capabilities: ['urn:openid:authzen:capability:access-request'],
      });
    },
  );

  it('the first page says what this is, to a program and to a browser', async () => {
    const address = remit.app.server.address();
    const base = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
    const index = (await (await fetch(base)).json()) as { documentation: string; openapi: string };
    expect(index).toMatchObject({ name: 'Remit', documentation: `${base}/docs`, openapi: `${base}/openapi.json` });
    const page = await fetch(base, { headers: { accept: 'text/html,*/*' } });
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    const links = [...(await page.text()).matchAll(/href="([^"]+)"/g)].map(([, path = '']) => path);
    for (const url of [...links.map((path) => base + path), index.documentation, index.openapi])
      expect([url, (await fetch(url)).status]).toEqual([url, 200]);
  });

  it('the OpenAPI document names each operation, once, and says which are open', async () => {
    const address = remit.app.server.address();
    const base = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
    const document = (await (await fetch(`${base}/openapi.json`)).json()) as {
      paths: Record<string, Record<string, { operationId: string; summary: string; security?: [] }>>;
    };
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method, ...operation })),
    );
    const ids = operations.map(({ operationId }) => operationId);
    expect(ids.filter((id) => !/^[a-z][A-Za-z]+$/.test(id))).toEqual([]);
    expect(new Set(ids).size).toBe(ids.length);
    expect(operations.filter(({ summary }) => summary === '')).toEqual([]);
    for (const { path, method, security } of operations) {
      const url = path.replace(/\{[^}]+\}/g, 'x');
      const { status } = await fetch(base + url, { method: method.toUpperCase() });
      expect([method, path, status === 401], String(status)).toEqual([method, path, security === undefined]);
    }
  }); // prettier-ignore

  it('the OpenAPI document shows how each kind of decision is asked for, by examples that run', async () => {
    const address = remit.app.server.address();
    const base = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
    const { components } = (await (await fetch(`${base}/openapi.json`)).json()) as {
      components: { schemas: Record<string, { example?: object }> };
    };
    for (const [method, path, name, status] of [
      ['POST', '/v1/relationships', 'RelationshipUpdates', 200],
      ['PUT', '/v1/entities/employee/ann', 'EntityAttributes', 200],
      ['POST', '/v1/revocations', 'RevocationRequest', 201],
    ] as const) {
      const response = await fetch(base + path, {
        method,
        headers: { authorization: `Bearer ${remit.service.devKey ?? ''}`, 'content-type': 'application/json' },
        body: JSON.stringify(components.schemas[name]?.example),
      });
      expect(response.status, `${path}: ${await response.text()}`).toBe(status);
    }
    for (const [path, name, member] of [
      ['/access/v1/evaluation', 'EvaluationRequest', 'decision'],
      ['/access/v1/evaluations', 'EvaluationsRequest', 'evaluations'],
      ['/access/v1/search/resource', 'ResourceSearchRequest', 'results'],
      ['/access/v1/search/subject', 'SubjectSearchRequest', 'results'],
      ['/access/v1/search/action', 'ActionSearchRequest', 'results'],
      ['/v1/filter', 'FilterRequest', 'records'],
    ] as const) {
      const example = components.schemas[name]?.example;
      expect(example, name).toBeDefined();
      const response = await remit.post(path, example ?? {}, { host: base.slice('http://'.length) });
      expect(response.statusCode, `${path}: ${response.body}`).toBe(200);
      expect(response.json<Record<string, unknown>>()[member], path).toBeDefined();
    }
  });

  it('the OpenAPI document has every route, made from the schemas that validate', async () => {
    const address = remit.app.server.address();
    const base = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
    const document = (await (await fetch(`${base}/openapi.json`)).json()) as {
      openapi: string;
      paths: Record<string, object>;
      components: { schemas: Record<string, { required?: string[] }> };
    };
    expect(document.openapi).toBe('3.1.0');
    // What is generated from it has one type for each format: nothing is read under another name, or refers to what isn't there.
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]*)"/g)].map(([, name = '']) => name);
    const names = Object.keys(document.components.schemas);
    expect(references.filter((name) => !names.includes(name.replace('#/components/schemas/', '')))).toEqual([]);
    expect(names.filter((name) => name.endsWith('Input') && !names.includes(name.slice(0, -5)))).toEqual([]);
    expect(Object.keys(document.paths).sort()).toEqual([
      '/', '/.well-known/authzen-configuration', '/.well-known/jwks.json', '/.well-known/oauth-protected-resource', '/access/v1/evaluation',
      '/access/v1/evaluations', '/access/v1/requests', '/access/v1/requests/{id}', '/access/v1/requests/{id}/cancel', '/access/v1/search/action', '/access/v1/search/resource', '/access/v1/search/subject', '/health/live', '/health/ready', '/metrics', '/v1/agents/{id}/access',
      '/v1/approvals', '/v1/approvals/events', '/v1/approvals/{id}', '/v1/approvals/{id}/decision',
      '/v1/audit/checkpoint', '/v1/audit/consistency', '/v1/audit/entries', '/v1/audit/key', '/v1/audit/proof/{id}', '/v1/audit/retention', '/v1/audit/unsequenced', '/v1/capabilities',
      '/v1/consents', '/v1/consents/limits', '/v1/consents/requests', '/v1/consents/requests/{id}', '/v1/consents/requests/{id}/decision', '/v1/consents/{id}', '/v1/decisions', '/v1/decisions/{id}', '/v1/decisions/{id}/outcome', '/v1/decisions/{id}/path', '/v1/decisions/{id}/receipt', '/v1/decisions/{id}/review', '/v1/delegations', '/v1/delegations/{agent}',
      '/v1/entities/{type}', '/v1/entities/{type}/{id}', '/v1/filter', '/v1/notifications/failed', '/v1/people/{type}/{id}', '/v1/policies', '/v1/relationships', '/v1/reviews', '/v1/revocations', '/v1/scopes', '/v1/sessions/{id}', '/v1/usage',
    ]); // prettier-ignore
    expect(document.components.schemas['EvaluationRequest']?.required).toEqual(['subject', 'action', 'resource']);
    const parametersOf = (path: string): string[] =>
      (document.paths[path] as { post: { parameters?: { name: string; in: string }[] } }).post.parameters?.map(
        (one) => `${one.in} ${one.name}`,
      ) ?? [];
    expect(parametersOf('/access/v1/evaluation')).toEqual(['header Idempotency-Key', 'header Remit-Token']);
    expect(parametersOf('/access/v1/evaluations')).toEqual(['header Idempotency-Key', 'header Remit-Token']);
    expect(parametersOf('/v1/filter')).toEqual(['header Idempotency-Key', 'header Remit-Token']);
    expect((await fetch(`${base}/docs/`)).status).toBe(200);
  });

  it('the OpenAPI document is written out once, however often and wherever it is asked for', async () => {
    const swagger = vi.spyOn(remit.app, 'swagger');
    const address = remit.app.server.address();
    const host = `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
    const ask = async (url: string) => {
      const { statusCode, headers, rawPayload } = await remit.app.inject({ url, headers: { host } });
      return [statusCode, headers['content-type'], rawPayload.toString()];
    };
    const kept = await Promise.all(['/openapi.json', '/docs/yaml'].map(ask));
    expect(kept).toEqual([
      [200, expect.stringMatching('json'), expect.stringContaining('"/access/v1/evaluation"')],
      [200, expect.stringMatching('yaml'), expect.stringContaining('/access/v1/evaluation:')],
    ]);
    swagger.mockClear();
    const stringify = vi.spyOn(JSON, 'stringify');
    for (let i = 0; i < 3; i += 1) {
      for (const url of ['/openapi.json', '/docs/json']) expect(await ask(url)).toEqual(kept[0]);
      expect(await ask('/docs/yaml')).toEqual(kept[1]);
    }
    const written = [...stringify.mock.calls];
    stringify.mockRestore();
    expect(written).toEqual([]);
    expect(swagger).not.toHaveBeenCalled();
    swagger.mockRestore();
  });
});
