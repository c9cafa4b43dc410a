import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { parse, stringify } from 'yaml';
import { clientNamed, SAMPLE, start, type Running } from '../../support/sample.js';

/** What one caller may have in flight: half of what there is. */
const IN_FLIGHT = 4;
const KEY = 'api-key';
const SOON = { timeout: 20_000, interval: 10 };

/** The sample with room for a few requests at a time. */
async function startSmall(): Promise<Running> {
  const directory = mkdtempSync(join(tmpdir(), 'remit-admission-'));
  const sample = parse(readFileSync(SAMPLE, 'utf8')) as Record<string, unknown>;
  const at = (path: unknown): string => join(SAMPLE, '..', String(path));
  const { relationships, actions } = sample['schema'] as Record<string, unknown>;
  const file = join(directory, 'remit.yaml');
  writeFileSync(
    file,
    stringify({
      ...sample,
      schema: { relationships: at(relationships), actions: at(actions) },
      policies: at(sample['policies']),
      world: at(sample['world']),
      // No rate but the limits that are tested.
      clients: [
        { ...clientNamed('api', 'remit', 'evaluate'), rate: 1_000_000 },
        clientNamed('other', 'remit', 'evaluate'),
      ],
      limits: { deadline_ms: 20_000, in_flight: 2 * IN_FLIGHT },
    }),
  );
  return start(file, directory);
}

describe('more than may be in flight', () => {
  let remit: Running;
  let port: number;
  let question: object;
  beforeAll(async () => {
    remit = await startSmall();
    await remit.app.listen({ host: '127.0.0.1', port: 0 });
    const address = remit.app.server.address();
    port = typeof address === 'object' && address !== null ? address.port : 0;
    question = {
      subject: { type: 'user', id: 'alice' },
      action: { name: 'read' },
      resource: { type: 'employee', id: 'erin' },
      context: { token: await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read' }) },
    };
    return () => remit.stop();
  });

  const admission = () => remit.app.health.admission.stats();
  const ask = (body = JSON.stringify(question), key = KEY): Promise<Response> =>
    fetch(`http://127.0.0.1:${port}/access/v1/evaluation`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body,
    });
  const askBatch = (body: string): Promise<Response> =>
    fetch(`http://127.0.0.1:${port}/access/v1/evaluations`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
      body,
    });
  /** Holds every decision at its record until it is let go. */
  const hold = (): (() => void) => {
    let letGo: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (letGo = resolve));
    const record = remit.service.decisions.record.bind(remit.service.decisions);
    const spy = vi.spyOn(remit.service.decisions, 'record').mockImplementation((r) => gate.then(() => record(r)));
    return () => {
      spy.mockRestore();
      letGo();
    };
  };
  /** A request whose body is never finished. */
  const half = (head: string, body = ''): Promise<Socket> =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.write(
          `POST /access/v1/evaluation HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: Bearer ${KEY}\r\ncontent-type: application/json\r\n${head}\r\n\r\n${body}`,
        );
        resolve(socket);
      });
      socket.on('error', () => undefined);
    });

  it('is refused at once with 503 and when to come back; what is in flight is answered, and then others are', async () => {
    const letGo = hold();
    const held = Array.from({ length: IN_FLIGHT }, () => ask());
    await vi.waitUntil(() => admission().inFlight === IN_FLIGHT, SOON);
    const before = admission().shed.inFlight;
    for (const response of await Promise.all(Array.from({ length: 50 }, () => ask()))) {
      expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
      expect(await response.json()).toEqual({
        error: { code: 'overloaded', message: 'Too much is in flight already.' },
      });
    }
    expect(admission()).toMatchObject({ inFlight: IN_FLIGHT, shed: { inFlight: before + 50 } });
    expect((await remit.service.metrics.exposition()).text).toContain(
      `remit_requests_shed_total{cause="in_flight"} ${before + 50}\n`,
    );

    // An operator who looks is never refused.
    for (const path of ['/health/live', '/health/ready'])
      expect((await fetch(`http://127.0.0.1:${port}${path}`)).status).toBe(200);

    // Another caller has a share of its own.
    const other = ask(undefined, 'other-key');
    await vi.waitUntil(() => admission().inFlight === IN_FLIGHT + 1, SOON);

    letGo();
    for (const response of await Promise.all([...held, other]))
      expect(await response.json()).toMatchObject({ decision: true });
    expect(await (await ask()).json()).toMatchObject({ decision: true });
    expect(admission().inFlight).toBe(0);
  });

  it('those who send slowly, or hang up, keep nobody out and leave nothing behind', async () => {
    const sockets = await Promise.all([
      ...Array.from({ length: 50 }, () => half('content-length: 100', '{')),
      ...Array.from({ length: 10 }, () => half('transfer-encoding: chunked', '1\r\n{\r\n')),
    ]);
    expect(await (await ask()).json()).toMatchObject({ decision: true });
    for (const socket of sockets) socket.destroy();
    await vi.waitUntil(() => admission().inFlight === 0 && admission().bodyBytes === 0, SOON);
  });

  it('who hangs up while being answered is counted until the work is done', async () => {
    const letGo = hold();
    const body = JSON.stringify(question);
    const sockets = await Promise.all(
      Array.from({ length: IN_FLIGHT }, () => half(`content-length: ${body.length}`, body)),
    );
    await vi.waitUntil(() => admission().inFlight === IN_FLIGHT, SOON);
    for (const socket of sockets) socket.destroy();
    await vi.waitUntil(async () => (await connections()) === 0, SOON);
    expect((await ask()).status).toBe(503);
    letGo();
    await vi.waitUntil(() => admission().inFlight === 0, SOON);
    expect((await ask()).status).toBe(200);
  });
  const connections = (): Promise<number> =>
    new Promise((resolve) => {
      remit.app.server.closeIdleConnections();
      remit.app.server.getConnections((_error, count) => resolve(count));
    });

  it('whatever is wrong with a request, its place is free again', async () => {
    const url = `http://127.0.0.1:${port}`;
    const bad: [string, RequestInit][] = [
      ['/nowhere', {}],
      ['/access/v1/evaluation', { method: 'POST' }],
      ['/access/v1/evaluation', { method: 'POST', headers: { authorization: 'Bearer nobody' }, body: '{}' }],
      ['/access/v1/evaluation', { method: 'POST', headers: { authorization: `Bearer ${KEY}`, 'content-type': 'text/plain' }, body: '{}' }],
      ['/access/v1/evaluation', { method: 'POST', headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }, body: '{' }],
      ['/access/v1/evaluation', { method: 'POST', headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }, body: '{}' }],
      ['/access/v1/evaluation', { method: 'POST', headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }, body: ' '.repeat(2 * 1024 * 1024) }],
      ['/access/v1/evaluation', { method: 'POST', headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }, body: `{"a":"${'x'.repeat(500_000)}"}` }],
    ]; // prettier-ignore
    for (let i = 0; i < 2 * IN_FLIGHT; i += 1)
      for (const [path, request] of bad) {
        const status = await fetch(`${url}${path}`, request).then((r) => r.status, () => 413);
        expect(status, path).toBeLessThan(500);
      } // prettier-ignore
    await vi.waitUntil(() => admission().inFlight === 0 && admission().bodyBytes === 0, SOON);
  });

  it('bodies in chunks are counted as they grow, and those that stay short keep nobody out', async () => {
    const before = admission().shed.bodies;
    const chunk = `${(100_000).toString(16)}\r\n${'x'.repeat(100_000)}\r\n`;
    const sockets: Socket[] = [];
    while (admission().shed.bodies === before && sockets.length < 2_000)
      sockets.push(await half('transfer-encoding: chunked', chunk.repeat(10)));
    expect(admission().shed.bodies).toBeGreaterThan(before);
    expect((await ask(undefined, 'other-key')).status).toBe(200);
    for (const socket of sockets) socket.destroy();
    await vi.waitUntil(() => admission().bodyBytes === 0, SOON);
  });

  it('a batch is counted by the answers that it will have', async () => {
    const letGo = hold();
    const batch = JSON.stringify({ ...question, evaluations: Array.from({ length: 1000 }, () => ({})) });
    const held = askBatch(batch);
    await vi.waitUntil(() => admission().bodyBytes > 1_000_000, SOON);
    letGo();
    expect((await held).status).toBe(200);
    await vi.waitUntil(() => admission().bodyBytes === 0, SOON);
  });

  it('large bodies are held to a share of the heap, which small ones do not need', async () => {
    const before = admission().shed.bodies;
    const sockets: Socket[] = [];
    // Whatever this machine's heap: more than that is never taken in at once.
    while (admission().shed.bodies === before && sockets.length < 2_000)
      sockets.push(await half('content-length: 1000000', '{'));
    expect(admission().shed.bodies).toBeGreaterThan(before);
    expect((await ask(JSON.stringify({ ...question, x: 'x'.repeat(1_000_000) }))).status).toBe(503);
    expect((await ask()).status).toBe(200);
    // Another caller has room for its own.
    expect((await ask(JSON.stringify({ ...question, x: 'x'.repeat(1_000_000) }), 'other-key')).status).toBe(200);
    for (const socket of sockets) socket.destroy();
    await vi.waitUntil(() => admission().bodyBytes === 0, SOON);
    expect((await ask(JSON.stringify({ ...question, x: 'x'.repeat(1_000_000) }))).status).toBe(200);
  });
});
