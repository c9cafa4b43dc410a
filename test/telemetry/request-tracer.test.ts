/** The traces of a running service, as a collector receives them over OTLP. */
import type { IncomingHttpHeaders } from 'node:http';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { DECISION_STEPS } from '../../src/decide/decide.js';
import { RequestTracer } from '../../src/telemetry/request-tracer.js';
import { clientNamed, startWith, type Running } from '../support/sample.js';
import { json, serveKeys, type KeyServer } from '../tokens/server.js';
import { collector, type CollectedSpan, type Collector } from '../support/trace-collector.js';
import { collectCleanups } from '../support/cleanups.js';

// On a machine that is busy, engines take their time to start, and a decision takes what it takes.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 300_000 });

const PATIENCE = { timeout: 100_000, interval: 50 };
const CALLER = { trace: '0af7651916cd43dd8448eb211c80319c', span: 'b7ad6b7169203331' };
const traceparent = (flags: string, trace = CALLER.trace): string => `00-${trace}-${CALLER.span}-${flags}`;

let spans: Collector;
beforeAll(async () => {
  spans = await collector();
  return () => spans.stop();
});

const ask = (token: string, id = 'erin'): object => ({
  subject: { type: 'user', id: 'alice' },
  action: { name: 'read' },
  resource: { type: 'employee', id },
  context: { token },
});

/** All spans of a trace, once its request's own is there: it is the last that ends. */
async function trace(find: (span: CollectedSpan) => boolean): Promise<readonly CollectedSpan[]> {
  const top = await vi.waitUntil(() => spans.spans.find((span) => span.kind === 2 && find(span)), PATIENCE);
  return spans.spans.filter((span) => span.traceId === top.traceId);
}

describe('every request traced', () => {
  let remit: Running;
  let token: string;
  beforeAll(async () => {
    remit = await startTraced({ sample: 1 });
    token = await mint(remit);
    return () => remit.stop();
  });

  it('a decision is a span with its parts, its eight steps and the calls of engines below it', async () => {
    const response = await remit.post('/access/v1/evaluation', ask(token), { traceparent: traceparent('00') });
    const { id } = response.json<{ context: { id: string } }>().context;
    const all = await trace((span) => span.parentSpanId === CALLER.span);
    expect(all.every(({ traceId }) => traceId === CALLER.trace)).toBe(true);
    const named = (name: string) => all.find((span) => span.name === name);
    const top = named('POST /access/v1/evaluation');
    expect(top?.attributes).toMatchObject({ 'http.route': '/access/v1/evaluation' });
    const decision = named('decision');
    expect(decision?.parentSpanId).toBe(top?.spanId);
    expect(decision?.attributes).toMatchObject({
      'remit.decision.id': id,
      'remit.decision.outcome': 'allow',
      'remit.action': 'read',
      'remit.resource_type': 'employee',
    });
    for (const name of ['token', 'gather', 'record', ...DECISION_STEPS.map(({ step }) => `step ${step}`)])
      expect([name, named(name)?.parentSpanId]).toEqual([name, decision?.spanId]);
    expect(named('cedar')?.parentSpanId).toBe(named('gather')?.spanId);
    const checks = all.filter(({ name }) => /^spicedb (check|checkBulkPermissions)$/.test(name));
    expect(checks.length).toBeGreaterThan(0);
    for (const { parentSpanId, kind } of checks) expect([parentSpanId, kind]).toEqual([named('gather')?.spanId, 3]);
    expect(all.find((s) => s.name === 'database run' && s.parentSpanId === named('record')?.spanId)).toBeDefined();
  });

  it('a deny says at which step and why, an outage is an error', async () => {
    await remit.post('/access/v1/evaluation', ask(token, 'zoe'), { traceparent: traceparent('01', '1'.repeat(32)) });
    const all = await trace((span) => span.traceId === '1'.repeat(32));
    expect(all.find(({ name }) => name === 'step relationship')?.attributes).toMatchObject({
      'remit.step.outcome': 'deny',
    });
    expect(JSON.stringify(all.find(({ name }) => name === 'decision')?.attributes)).toContain('relationship_missing');
  });

  it.each([
    ['nonsense', 'x'],
    ['a version of the future without its form', 'ff-00-00-00'],
    ['zeros', `00-${'0'.repeat(32)}-${CALLER.span}-01`],
    ['two of them', `${traceparent('01', '2'.repeat(32))}, ${traceparent('01', '3'.repeat(32))}`],
    ['a megabyte', `00-${'a'.repeat(5000)}-${CALLER.span}-01`],
    ['an injection', `00-${'4'.repeat(32)}-${CALLER.span}-01\u00e4<script>`],
  ])('a traceparent that is %s is as if there were none', async (_name, value) => {
    const response = await remit.post('/access/v1/evaluation', ask(token), {
      traceparent: value,
      tracestate: `a=${'b'.repeat(6000)},=,,<>`,
      'x-request-id': 'r',
    });
    expect(response.statusCode).toBe(200);
    const { id } = response.json<{ context: { id: string } }>().context;
    const decision = await vi.waitUntil(
      () => spans.spans.find((span) => span.attributes['remit.decision.id'] === id),
      PATIENCE,
    );
    const all = await trace((span) => span.traceId === decision.traceId);
    expect(all.find(({ kind }) => kind === 2)?.parentSpanId ?? '').toBe('');
    expect(all[0]?.traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(['0', '2', '3', '4', 'a'].map((c) => c.repeat(32))).not.toContain(all[0]?.traceId);
  });

  it('decisions that share a call of an engine are linked from it', async () => {
    const ids = ['5', '6', '7', '8'].map((c) => c.repeat(32));
    await Promise.all(
      ids.map((id, i) =>
        remit.post('/access/v1/evaluation', ask(token, `nobody-${i}`), { traceparent: traceparent('01', id) }),
      ),
    );
    for (const id of ids) await trace((span) => span.traceId === id);
    const shared = spans.spans.filter(
      ({ traceId, kind, links }) =>
        ids.includes(traceId) && kind === 3 && links.some((link) => ids.includes(link.traceId)),
    );
    expect(shared.length).toBeGreaterThan(0);
  });

  it('a batch of a thousand has no more spans than a request may have, and says how many are left out', async () => {
    const { context, ...rest } = ask(token) as { context: object };
    const evaluations = Array.from({ length: 200 }, (_, i) => ({ resource: { type: 'employee', id: `e${i}` } }));
    const id = '9'.repeat(32);
    const body = { ...rest, context, evaluations };
    expect((await remit.post('/access/v1/evaluations', body, { traceparent: traceparent('01', id) })).statusCode).toBe(
      200,
    );
    const all = await trace((span) => span.traceId === id);
    expect(all.length).toBeLessThanOrEqual(501);
    const top = all.find(({ kind }) => kind === 2);
    expect(Number(top?.attributes['remit.spans_left_out'])).toBeGreaterThan(500);
  });

  it('says nothing of who, on what, or with which token', async () => {
    const key = remit.service.devKey ?? '';
    await remit.post('/access/v1/evaluation', ask('eyJhbGciOiJFUzI1NiJ9.e30.c2VjcmV0', 'hidden-id'), {
      traceparent: traceparent('01', 'c'.repeat(32)),
      cookie: 'session=hidden-cookie',
    });
    await remit.request('GET', '/v1/entities/employee/hidden-id?token=hidden-query');
    await trace((span) => span.traceId === 'c'.repeat(32));
    await trace((span) => span.name === 'GET /v1/entities/:type/:id');
    const sent = spans.texts.join('\n');
    for (const secret of [key, token, 'c2VjcmV0', 'hidden-', 'alice', 'hr-assistant'])
      expect(sent).not.toContain(secret);
  });
});

describe('those requests traced that their callers ask for', () => {
  let remit: Running;
  let keys: KeyServer;
  let token: string;
  const client = { authorization: 'Bearer api-key' };
  const onSuiteFinished = collectCleanups();
  beforeAll(async () => {
    keys = await serveKeys();
    onSuiteFinished(() => keys.close());
    const issuers = [{ issuer: 'https://login.example', jwks_uri: keys.url, audience: 'api', primary: true }];
    remit = await startTraced({ sample: 0, follow_callers: true }, issuers);
    onSuiteFinished(() => remit.stop());
    token = await mint(remit, 'api');
  });

  it('one that is not traced is no part of one that was', async () => {
    const id = 'e'.repeat(32);
    const traced = await remit.post('/access/v1/evaluation', ask(token), {
      ...client,
      traceparent: traceparent('01', id),
    });
    expect(traced.json<{ decision: boolean }>().decision).toBe(true);
    for (let i = 0; i < 20; i += 1) await remit.post('/access/v1/evaluation', ask(token, `other-${i}`), client);
    // Sent in order: once a later one is there, nothing of the earlier is still to come.
    const last = 'b'.repeat(32);
    await remit.post('/access/v1/evaluation', ask(token), { ...client, traceparent: traceparent('01', last) });
    await trace((span) => span.traceId === last);
    const all = await trace((span) => span.traceId === id);
    expect(all.filter(({ name }) => name === 'decision')).toHaveLength(1);
    expect(all.filter(({ name }) => name === 'spicedb check').length).toBeLessThanOrEqual(2);
    expect(new Set(spans.spans.filter(({ name }) => name === 'decision').map((s) => s.traceId))).toContain(last);
  });

  it('whoever is asked for keys gets the trace', async () => {
    const asked: IncomingHttpHeaders[] = [];
    keys.answer = (response, request) => {
      asked.push(request.headers);
      json({ keys: [] })(response, request);
    };
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const foreign = `${part({ alg: 'ES256', typ: 'at+jwt' })}.${part({ iss: 'https://login.example', sub: 'a' })}.${'A'.repeat(86)}`;
    await remit.post('/access/v1/evaluation', ask(foreign), {
      ...client,
      traceparent: traceparent('01', 'f'.repeat(32)),
      tracestate: 'vendor=1',
    });
    const all = await trace((span) => span.traceId === 'f'.repeat(32));
    const fetched = all.find(({ name }) => name === 'keys fetch');
    expect(asked[0]).toMatchObject({
      traceparent: `00-${'f'.repeat(32)}-${fetched?.spanId ?? '?'}-01`,
      tracestate: 'vendor=1',
    });
  });
});

it('callers choose neither by their flag nor by their trace id, unless they may', async () => {
  const asked = { traceparent: traceparent('01') };
  const closed = new RequestTracer({ endpoint: spans.endpoint, sample: 0, followCallers: false }, () => undefined);
  expect(closed.startRequest(asked, 'x', {})).toBeUndefined();
  const open = new RequestTracer({ endpoint: spans.endpoint, sample: 0, followCallers: true }, () => undefined);
  expect(open.startRequest(asked, 'x', {})?.traceId).toBe(CALLER.trace);
  expect(open.startRequest({ traceparent: traceparent('00') }, 'x', {})).toBeUndefined();
  expect(open.startRequest({}, 'x', {})).toBeUndefined();
  await Promise.all([closed.close(), open.close()]);
});

it('a collector that is away is told of once', async () => {
  const gone = await collector();
  await gone.stop();
  const lines: string[] = [];
  const traces = new RequestTracer({ endpoint: gone.endpoint, sample: 1, followCallers: false }, (line) =>
    lines.push(line),
  );
  for (let i = 0; i < 600; i += 1) traces.startRequest({}, 'x', {})?.end();
  await vi.waitUntil(() => lines.length > 0, PATIENCE);
  await traces.close();
  expect(lines).toEqual([expect.stringMatching(/^traces to http:\/\/127\.0\.0\.1:\d+ can't be sent/)]);
});

async function mint(remit: Running, audience?: string): Promise<string> {
  return remit.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read', audience });
}

function startTraced(traces: object, issuers: readonly object[] = []): Promise<Running> {
  const clients = issuers.length === 0 ? [] : [clientNamed('api', 'api', 'evaluate')];
  const limits = { deadline_ms: 60_000 };
  return startWith({ issuers, clients, limits, telemetry: { traces: { endpoint: spans.endpoint, ...traces } } });
}
