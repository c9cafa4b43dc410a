/** One Remit as it is run: how it ends, how it starts, and how it takes more than it has memory for. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { parse, stringify } from 'yaml';
import { loadConfig } from '../../src/config/config.js';
import { openService } from '../../src/service/service.js';
import { SAMPLE } from '../support/sample.js';
import { Caller, serve, type Remit } from './processes.js';
import { collectCleanups } from '../support/cleanups.js';

const BACK = { timeout: 60_000, interval: 20 };
const HEAP_MB = 192;

describe('a process', { timeout: 300_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'remit-process-'));
  const data = join(directory, 'data');
  const file = join(directory, 'remit.yaml');
  let remit: Remit;
  let caller: Caller;
  let key: string;
  let question: object;

  const onSuiteFinished = collectCleanups();
  onSuiteFinished(() => rmSync(directory, { recursive: true, force: true }));
  beforeAll(async () => {
    const sample = parse(readFileSync(SAMPLE, 'utf8')) as { schema: Record<string, string>; policies: string; world: string };
    const at = (path: string): string => join(SAMPLE, '..', path);
    writeFileSync(
      file,
      stringify({
        ...sample,
        listen: { port: 0 },
        schema: { relationships: at(sample.schema['relationships'] ?? ''), actions: at(sample.schema['actions'] ?? '') },
        policies: at(sample.policies),
        world: at(sample.world),
        limits: { deadline_ms: 30_000, agent_rate: 100_000 },
        shutdown: { grace_ms: 2_000, limit_ms: 30_000 },
      }),
    );
    const service = await openService(loadConfig(file, { REMIT_DATA: data }));
    key = service.devKey ?? '';
    caller = new Caller(key);
    onSuiteFinished(() => caller.close());
    question = {
      subject: { type: 'user', id: 'alice' },
      action: { name: 'read' },
      resource: { type: 'employee', id: 'erin' },
      context: {
        token: await service.devIssuer?.mint({
          user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read', ttlSeconds: 3600, now: new Date(),
        }),
      },
    };
    await service.close();
  }, 120_000); // prettier-ignore

  const open = async (node: readonly string[] = []): Promise<void> => {
    const started = await serve(file, { data, node });
    onSuiteFinished(() => started.child.kill('SIGKILL'));
    remit = started;
  };
  const ask = () => caller.call('POST', `${remit.url}/access/v1/evaluation`, question);
  const ready = async (): Promise<unknown> =>
    caller.call('GET', `${remit.url}/health/ready`).then(
      ({ status, body }) => [status, (body as unknown as { status: string }).status],
      () => undefined,
    );

  it('told to stop: says so first, goes on deciding, takes no more, and keeps every record', async () => {
    await open();
    expect(await ready()).toEqual([200, 'ready']);
    const answered: string[] = [];
    let asking = true;
    let refused: unknown;
    const callers = Array.from({ length: 8 }, async () => {
      while (asking) {
        try {
          const { status, body } = await ask();
          expect([status, body.decision]).toEqual([200, true]);
          answered.push(body.context?.id ?? '');
          // However fast the machine is, all of them together stay below the client's rate.
          await sleep(20);
        } catch (error) {
          // Once it takes no more connections, and not before.
          refused = (error as { code?: string }).code;
          asking = false;
        }
      }
    });
    await vi.waitUntil(() => answered.length > 20, BACK);
    const ending = remit.end('SIGTERM');
    await expect.poll(ready, BACK).toEqual([503, 'stopping']);
    const then = answered.length;
    await vi.waitUntil(() => answered.length > then + 5, BACK);
    await Promise.all(callers);
    expect(['ECONNREFUSED', 'ECONNRESET']).toContain(refused);
    const { code } = await ending;
    expect([code, remit.log()]).toEqual([0, '']);

    const service = await openService(loadConfig(file, { REMIT_DATA: data }));
    for (const id of answered) expect(await service.decisions.find(id), id).toMatchObject({ record: { id } });
    await service.close();
  });

  it('a second signal ends it at once, whatever is under way', async () => {
    await open();
    const ending = remit.end('SIGTERM');
    await expect.poll(ready, BACK).toEqual([503, 'stopping']);
    remit.child.kill('SIGINT');
    expect((await ending).code).toBe(130);
  });

  it('with little memory and flooded with large bodies: refuses, stays up, and decides again', async () => {
    await open([`--max-old-space-size=${HEAP_MB}`]);
    expect((await ask()).body.decision).toBe(true);
    // What becomes largest of its size once it is read: very many very small values.
    const filler = JSON.stringify(Array.from({ length: 250_000 }, (_, i) => [i % 10]));
    const body = `{"subject":{"type":"user","id":"alice"},"x":${filler}}`;
    // All announced before any is sent: what there is no room for is refused without being read.
    const announced = await Promise.all(Array.from({ length: 12 }, () => announce(body)));
    await vi.waitUntil(() => announced.some(({ status }) => status() === 503), BACK);
    for (const { finish } of announced) finish();
    await vi.waitUntil(() => announced.every(({ status }) => status() !== undefined), { ...BACK, timeout: 120_000 });
    const statuses = announced.map(({ status }) => status());
    expect(new Set(statuses)).toEqual(new Set([400, 503]));
    expect([remit.child.exitCode, remit.child.signalCode]).toEqual([null, null]);
    await vi.waitUntil(async () => (await ask()).body.decision, BACK);
    expect(remit.log()).toBe('');
    expect((await remit.end('SIGINT')).code).toBe(0);
  });

  /** A request whose body is only begun. */
  function announce(body: string): Promise<{ readonly status: () => number | undefined; readonly finish: () => void }> {
    return new Promise((resolve) => {
      let status: number | undefined;
      const sent = request(`${remit.url}/access/v1/evaluation`, {
        method: 'POST',
        agent: false,
        headers: {
          authorization: `Bearer ${key}`,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        },
      });
      sent.on('response', (response) => {
        response.resume();
        status = response.statusCode;
      });
      // Whoever is refused before the body was taken may find the connection closed.
      sent.on('error', () => (status ??= 503));
      sent.write(body.slice(0, 1), () => resolve({ status: () => status, finish: () => sent.end(body.slice(1)) }));
    });
  }
});
