/** Metrics of a running service, as Prometheus reads them; and who may. */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { PLACEHOLDER_ID } from '../../src/lists/record.js';
import { clientNamed, startWith, type Running } from '../support/sample.js';
import { samples, type Sample } from '../support/prometheus-text.js';

// On a machine that is busy, engines take their time to start, and a decision takes what it takes.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 300_000 });

let remit: Running;
let token: string;
const client = { authorization: 'Bearer api-key' };
beforeAll(async () => {
  remit = await startWith({
    issuers: [],
    limits: { deadline_ms: 60_000 },
    clients: [clientNamed('api', 'remit', 'evaluate'), clientNamed('prometheus', 'remit', 'metrics'), clientNamed('ops', 'remit', 'admin')],
  }); // prettier-ignore
  token = await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read' });
  return () => remit.stop();
});

const scrape = (key = 'prometheus-key') =>
  remit.app.inject({ url: '/metrics', headers: { host: '127.0.0.1:7480', authorization: `Bearer ${key}` } });
const read = async (): Promise<readonly Sample[]> => samples((await scrape()).body);
const ask = (over: object = {}) =>
  remit.post(
    '/access/v1/evaluation',
    {
      subject: { type: 'user', id: 'alice' },
      action: { name: 'read' },
      resource: { type: 'employee', id: 'erin' },
      context: { token },
      ...over,
    },
    client,
  );
const value = (all: readonly Sample[], name: string, labels: Readonly<Record<string, string>> = {}): number =>
  all.find((s) => s.name === name && Object.entries(labels).every(([k, v]) => s.labels[k] === v))?.value ?? 0;

it('are for clients with "metrics" or "admin", and for nobody else', async () => {
  expect((await scrape()).headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect((await scrape('ops-key')).statusCode).toBe(200);
  expect((await scrape('api-key')).statusCode).toBe(403);
  expect((await scrape('guessed')).statusCode).toBe(401);
  expect((await scrape(token)).statusCode).toBe(403);
  const anonymous = await remit.app.inject({ url: '/metrics', headers: { host: '127.0.0.1:7480' } });
  expect([anonymous.statusCode, anonymous.body.includes('remit_')]).toEqual([401, false]);
  expect((await remit.post('/v1/relationships', {}, { authorization: 'Bearer prometheus-key' })).statusCode).toBe(403);
});

it('count decisions by outcome, reason and action, with their parts', async () => {
  const before = await read();
  await ask();
  await ask({ resource: { type: 'employee', id: 'zoe' } });
  await ask({ context: {} });
  const after = await read();
  const more = (name: string, labels: Readonly<Record<string, string>>): number =>
    value(after, name, labels) - value(before, name, labels);
  const on = { action: 'read', resource_type: 'employee' };
  expect(more('remit_decisions_total', { outcome: 'allow', reason: '', ...on })).toBe(1);
  expect(more('remit_decisions_total', { outcome: 'deny', reason: 'relationship_missing', ...on })).toBe(1);
  expect(more('remit_decisions_total', { outcome: 'deny', reason: 'token_missing', ...on })).toBe(1);
  expect(more('remit_decision_duration_seconds_count', { outcome: 'deny' })).toBe(2);
  expect(more('remit_decision_phase_duration_seconds_count', { phase: 'token' })).toBe(3);
  expect(more('remit_decision_phase_duration_seconds_count', { phase: 'cedar' })).toBe(2);
  expect(more('remit_decision_phase_duration_seconds_count', { phase: 'record' })).toBe(3);
  expect(more('remit_grouped_total', { queue: 'records' })).toBe(3);
  expect(more('remit_cache_lookups_total', { cache: 'tokens', result: 'hit' })).toBeGreaterThan(0);
  expect(more('remit_http_request_duration_seconds_count', { method: 'POST', route: '/access/v1/evaluation', status: '200' })).toBe(3);
  expect(value(after, 'remit_policy_info', { version: remit.service.activePolicies.rules.version })).toBe(1);
  expect(value(after, 'process_resident_memory_bytes')).toBeGreaterThan(0);
  expect(after.some(({ name }) => name === 'nodejs_eventloop_lag_p99_seconds')).toBe(true);
}); // prettier-ignore

it('a histogram is one that Prometheus takes: cumulative, and all of it in +Inf', async () => {
  const all = await read();
  const names = new Set(all.flatMap(({ name }) => (name.endsWith('_bucket') ? [name.slice(0, -7)] : [])));
  expect(names.size).toBeGreaterThan(4);
  for (const name of names) {
    const keyOf = ({ labels: { le: _, ...labels } }: Sample): string => JSON.stringify(labels);
    for (const counted of all.filter((s) => s.name === `${name}_count`)) {
      const buckets = all.filter((s) => s.name === `${name}_bucket` && keyOf(s) === keyOf(counted));
      const values = buckets.map((b) => b.value);
      expect(values).toEqual([...values].sort((a, b) => a - b));
      expect([buckets.at(-1)?.labels['le'], buckets.at(-1)?.value]).toEqual(['+Inf', counted.value]);
    }
  }
});

it('nothing that a caller says becomes a label, however much of it comes', async () => {
  await ask();
  await remit.request('GET', '/nowhere');
  const before = (await read()).length;
  for (let i = 0; i < 40; i += 1) {
    await ask({ action: { name: `hostile-${i}` } });
    await ask({ resource: { type: `hostile-${i}`, id: 'x' } });
    await ask({ subject: { type: `hostile-${i}`, id: `hostile-${i}` } });
    await ask({ resource: { type: 'employee', id: `hostile-${i}` } });
    await ask({ action: { name: '"} evil 1\n' } });
    await remit.app.inject({ method: 'GET', url: `/hostile-${i}`, headers: { host: '127.0.0.1:7480' } });
    await remit.app.inject({ method: 'PROPFIND', url: '/metrics', headers: { host: '127.0.0.1:7480' } });
  }
  const { body } = await scrape();
  for (const said of ['hostile', 'evil', 'alice', 'erin', 'hr-assistant', 'PROPFIND', PLACEHOLDER_ID + '"', token])
    expect(body).not.toContain(said);
  expect(body).toContain('action="other",resource_type="other"');
  expect(body).toContain('method="other",route="other",status="404"');
  // A few kinds of outcome are new, each with its buckets; a hundred requests of each kind are not.
  expect((await read()).length - before).toBeLessThan(100);
});

describe('faults of engines', () => {
  it('are counted by engine and code, and the decisions by the fault', async () => {
    await remit.crashSpiceDb();
    expect((await ask({ resource: { type: 'employee', id: 'not-kept' } })).statusCode).toBe(503);
    await remit.app.inject({ url: '/health/ready', headers: { host: '127.0.0.1:7480' } });
    const all = await read();
    expect(value(all, 'remit_decisions_total', { outcome: 'unknown', reason: 'relationships_unavailable' })).toBe(1);
    expect(
      value(all, 'remit_engine_faults_total', { engine: 'spicedb', code: 'relationships_unavailable' }),
    ).toBeGreaterThan(0);
    expect(value(all, 'remit_engine_faults_total', { engine: 'database' })).toBe(0);
  });
});
