/**
 * What happened before on two replicas, of one SpiceDB server and one PostgreSQL: as many are allowed as the policies let in,
 * whichever replica is asked, by single questions and by filters.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/config.js';
import { buildApp } from '../../src/http/app.js';
import { openService } from '../../src/service/service.js';
import { ask, CLIENTS, FILES } from '../govern/history/documents.js';
import { collectCleanups } from '../support/cleanups.js';
import { dropDatabase, migratedUrl, NEEDS, SERVER } from '../support/postgres/databases.js';
import type { Answer } from '../support/sample.js';
import { BINARY, named, startSpiceDb } from '../support/spicedb.js';
import { loadWorldIn, writeReplicaFiles } from './replica-files.js';

describe.skipIf(SERVER === undefined || BINARY === '')(`${named('the past on two replicas')} on ${NEEDS}`, () => {
  const directory = mkdtempSync(join(tmpdir(), 'remit-past-'));
  const file = join(directory, 'remit.yaml');
  const replicas: { app: FastifyInstance; host: string }[] = [];
  const onSuiteFinished = collectCleanups();
  onSuiteFinished(() => rmSync(directory, { recursive: true, force: true }));

  beforeAll(async () => {
    const spicedb = await startSpiceDb();
    onSuiteFinished(() => spicedb.kill());
    const url = await migratedUrl(directory);
    onSuiteFinished(() => dropDatabase(url));
    await writeReplicaFiles(file, FILES, { spicedb, url }, {
      listen: { port: 0, public_url: 'http://127.0.0.1:7480' },
      clients: CLIENTS.map((client) => ({ ...client, rate: 100_000 })),
      // What is tested is that no more is allowed: not how slow a busy machine is.
      limits: { deadline_ms: 60_000, agent_rate: 100_000 },
    });
    for (const name of ['one', 'two']) {
      const service = await openService(loadConfig(file, { REMIT_DATA: join(directory, name) }));
      onSuiteFinished(() => service.close());
      const app = await buildApp(service);
      onSuiteFinished(() => app.close());
      replicas.push({ app, host: new URL(service.config.publicUrl ?? '').host });
      if (name === 'one') await loadWorldIn(directory, service);
    }
  });

  const post = async <T>(i: number, url: string, body: object): Promise<T> => {
    const { app, host } = replicas[i % 2] as (typeof replicas)[number];
    const headers = { host, authorization: 'Bearer shop-key', 'content-type': 'application/json' };
    const response = await app.inject({ method: 'POST', url, headers, payload: JSON.stringify(body) });
    expect(response.statusCode, response.body).toBe(200);
    return response.json<T>();
  };

  it('allows ten of 50 at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => post<Answer>(i, '/access/v1/evaluation', ask('export', { user: 'ann' }))),
    );
    expect(answers.filter(({ decision }) => decision)).toHaveLength(10);
    for (const { decision, context } of answers) if (!decision) expect(context?.reason).toBe('policy_forbid');
  });

  it('hands out ten, whether they are asked for by themselves or in lists', async () => {
    const { resource: _resource, ...asked } = ask('export', { user: 'ben' }) as { resource: object };
    const records = ['1', '2', '3'].map((id) => ({ type: 'paper', id, properties: {} }));
    const counts = await Promise.all([
      ...Array.from({ length: 6 }, (_, i) =>
        post<{ records: object[] }>(i, '/v1/filter', { ...asked, records }).then((list) => list.records.length),
      ),
      ...Array.from({ length: 10 }, (_, i) =>
        post<Answer>(i, '/access/v1/evaluation', ask('export', { user: 'ben' })).then(({ decision }) => Number(decision)),
      ),
    ]);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(10);
  });

  it('allows one of two that rule each other out', async () => {
    for (const paper of ['plain', 'secret', 'tainted', '1', '2', '3']) {
      const asked = Array.from({ length: 6 }, async (_, i) => {
        const action = i % 2 === 0 ? 'publish' : 'withdraw';
        const { decision } = await post<Answer>(i, '/access/v1/evaluation', ask(action, { user: 'carl', paper }));
        return decision ? action : undefined;
      });
      const allowed = new Set((await Promise.all(asked)).filter((action) => action !== undefined));
      expect(allowed.size).toBe(1);
    }
  });
}, 300_000); // prettier-ignore
