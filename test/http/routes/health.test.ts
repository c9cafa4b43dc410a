import { beforeAll, describe, expect, it, vi } from 'vitest';
import { Fault } from '../../../src/model/faults.js';
import { ON_SERVER, start, type Running } from '../../support/sample.js';

const READY = '/health/ready';
const SOON = { timeout: 20_000, interval: 50 };

describe('/health/ready', () => {
  let remit: Running;
  beforeAll(async () => {
    remit = await start();
    return () => remit.stop();
  });
  const stranger = (authorization?: string) =>
    remit.app.inject({
      url: READY,
      headers: {
        host: `127.0.0.1:${remit.service.config.port}`,
        ...(authorization === undefined ? {} : { authorization }),
      },
    });

  it('tells whoever asks in a word, and an admin client in full', async () => {
    for (const authorization of [undefined, 'Bearer nobody', 'Basic YTpi', `Bearer ${await remit.mint({ user: 'a', agent: 'b' })}`])
      expect((await stranger(authorization)).json()).toEqual({ status: 'ready' });
    const { version } = remit.service.activePolicies.rules;
    // What works in the background asks the database too, now and then.
    const inFull = async () => (await remit.request('GET', READY)).json<object>();
    await expect.poll(inFull, SOON).toEqual({
      status: 'ready',
      checks: { database: 'ok', relationships: 'ok', records: 'ok' },
      policy_version: version,
      load: {
        in_flight: 0,
        body_bytes: 0,
        shed: { in_flight: 0, bodies: 0, memory: 0 },
        records: { waiting: 0, pending_corrections: 0 },
        database: expect.objectContaining({ active: 0, waiting: 0 }) as unknown,
        relationships: expect.objectContaining({ active: 0, waiting: 0 }) as unknown,
      },
    });
  }); // prettier-ignore

  it('asks the engines once, however many want to know', async () => {
    const run = vi.spyOn(remit.service.database, 'run');
    await Promise.all(Array.from({ length: 200 }, () => stranger()));
    expect(run.mock.calls.length).toBeLessThanOrEqual(1);
    run.mockRestore();
  });

  it('is not ready while records can not be written, although the database answers, and is again by itself', async () => {
    const run = remit.service.database.run.bind(remit.service.database);
    // What a full disk does: what is there can be read.
    const full = vi.spyOn(remit.service.database, 'run').mockImplementation((statements) =>
      statements.some(({ sql }) => sql.includes('insert into records'))
        ? Promise.reject(new Fault('database_unavailable', '53100 could not extend file'))
        : run(statements),
    );
    const body = {
      subject: { type: 'user', id: 'alice' },
      action: { name: 'read' },
      resource: { type: 'employee', id: 'erin' },
      context: { token: await remit.mint({ user: 'alice', agent: 'hr-assistant', scope: 'hr.employees.read' }) },
    };
    const refused = await remit.post('/access/v1/evaluation', body);
    expect([refused.statusCode, refused.headers['retry-after'], refused.json<{ decision: boolean }>().decision]).toEqual([503, '1', false]);
    await expect.poll(async () => (await remit.request('GET', READY)).json<object>(), SOON).toMatchObject({
      status: 'unready',
      checks: { database: 'ok', relationships: 'ok', records: 'failed' },
      load: { records: { pending_corrections: 1 } },
    });
    expect((await stranger()).json()).toEqual({ status: 'unready' });
    expect((await remit.service.metrics.exposition()).text).toContain('remit_record_corrections_pending 1\n');
    full.mockRestore();
    // Nobody asks for a decision: the looking itself finds out.
    await expect.poll(async () => (await stranger()).statusCode, SOON).toBe(200);
    const { id } = refused.json<{ context: { id: string } }>().context;
    expect((await remit.request('GET', `/v1/decisions/${id}`)).json()).toMatchObject({ decision: false });
  }); // prettier-ignore

  it('says that the service stops, at once, and answers go on with the connection closed behind them', async () => {
    expect((await stranger()).statusCode).toBe(200);
    remit.app.health.readiness.stopping = true;
    const response = await stranger();
    expect([response.statusCode, response.json()]).toEqual([503, { status: 'stopping' }]);
    expect(response.headers.connection).toBe('close');
    expect((await remit.request('GET', '/health/live')).statusCode).toBe(200);
  });
});

it.skipIf(ON_SERVER)(
  '/health/ready says so at once where an embedded engine is lost, and nothing is decided',
  async () => {
    const remit = await start();
    expect((await remit.request('GET', READY)).statusCode).toBe(200);
    const { engine } = remit.service.activePolicies;
    const thread = Reflect.get(Reflect.get(engine, 'worker') as object, 'worker') as {
      terminate: () => Promise<number>;
    };
    await thread.terminate();
    expect(remit.service.hasLostEngine()).toBe(true);
    // The answer of a moment ago doesn't count any more.
    const response = await remit.request('GET', READY);
    expect([response.statusCode, response.json()]).toEqual([
      503,
      expect.objectContaining({
        status: 'unready',
        checks: { database: 'ok', relationships: 'failed', records: 'ok' },
      }),
    ]);
    await remit.stop();
  },
);
