/**
 * Two replicas as they are run, on one SpiceDB server and one PostgreSQL: replaced one after the other under load, and
 * each part killed under load. Nothing is allowed wrongly, and no decision that was answered is without its record.
 */
import { recordsIn } from '../support/record-values.js';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { stringify } from 'yaml';
import { loadConfig } from '../../src/config/config.js';
import { readSources } from '../../src/config/files.js';
import { PostgresDatabase } from '../../src/store/database/postgres.js';
import { loadRules } from '../../src/policy/load.js';
import { openService } from '../../src/service/service.js';
import { migrateSchema } from '../../src/store/migrations.js';
import { loadWorld, readWorldFile } from '../../src/config/world.js';
import { NEEDS, postgresConfig, SERVER } from '../support/postgres/databases.js';
import { BINARIES, Throwaway } from '../support/postgres/server.js';
import { clientNamed, codes } from '../support/sample.js';
import { BINARY, named, startSpiceDb, type RunningSpiceDb } from '../support/spicedb.js';
import { makeKey, type Key } from '../tokens/keys.js';
import { Balancer, Caller, serve, type Remit } from './processes.js';
import { collectCleanups } from '../support/cleanups.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const CALLERS = 8;
const BACK = { timeout: 90_000, interval: 20 };
/** Load before, between and after what happens. */
const WHILE_MS = 1_000;

describe.skipIf(SERVER === undefined || BINARIES === undefined || BINARY === '')(`${named('replicas that come and go')} on ${NEEDS}`, { timeout: 240_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'remit-replicas-'));
  const file = join(directory, 'remit.yaml');
  const balancer = new Balancer();
  const caller = new Caller('api-key');
  const running: Remit[] = [];
  let postgres: Throwaway;
  let spicedb: RunningSpiceDb;
  let key: Key;
  let tokens: Record<Who, string>;
  let replicas = 0;

  const datastore = () => ['--log-level=fatal', '--datastore-engine=postgres', `--datastore-conn-uri=${postgres.url('spicedb')}`];

  const onSuiteFinished = collectCleanups();
  onSuiteFinished(() => rmSync(directory, { recursive: true, force: true }));
  beforeAll(async () => {
    postgres = await Throwaway.start({ fsync: 'off' });
    onSuiteFinished(() => postgres.remove());
    const admin = new Client(postgres.url());
    await admin.connect();
    await admin.query('create database spicedb');
    await admin.end();
    const migrated = spawnSync(BINARY, ['datastore', 'migrate', 'head', ...datastore()], { encoding: 'utf8' });
    expect(migrated.status, migrated.stderr).toBe(0);
    spicedb = await startSpiceDb({ flags: datastore() });
    onSuiteFinished(() => spicedb.kill());
    onSuiteFinished(() => running.forEach(({ child }) => child.kill('SIGKILL')));
    onSuiteFinished(() => caller.close());
    onSuiteFinished(() => balancer.close());
    const database = new PostgresDatabase(postgresConfig(postgres.url()));
    await migrateSchema(database).finally(() => database.close());
    key = await makeKey('ES256', 'corp');
    const { endpoint, key: token } = spicedb.address;
    writeFileSync(
      file,
      stringify({
        listen: { port: 0 },
        schema: { relationships: `${root}schema/acme.zed`, actions: `${root}schema/acme.cedarschema` },
        policies: `${root}policies`,
        records: recordsIn(directory),
        database: { mode: 'postgres', url: postgres.url(), connect_timeout_ms: 10_000, statement_timeout_ms: 20_000 },
        spicedb: { mode: 'server', endpoint, token, insecure_plaintext: true },
        issuers: [{ issuer: 'https://corp.example', audience: 'api', primary: true, jwks: { keys: [key.jwk] } }],
        clients: [{ ...clientNamed('api', 'api', 'evaluate', 'admin'), rate: 100_000 }],
        // What is tested is that nothing fails: not how slow a busy machine is, nor how fast an idle one.
        limits: { deadline_ms: 10_000, agent_rate: 100_000 },
        shutdown: { grace_ms: 3_000, limit_ms: 20_000 },
      }),
    );
    const config = loadConfig(file, { REMIT_DATA: join(directory, 'loading') });
    await spicedb.schema(loadRules(readSources(config.sources)).graph);
    const service = await openService(config);
    const acme = join(root, 'fixtures/acme.yaml');
    await loadWorld(acme, readWorldFile(acme, service.activePolicies.rules), { relationships: service.activePolicies.engine, entities: service.entities });
    await service.close();
    tokens = {
      allowed: await mint('alice', 'allowed'),
      revoked: await mint('alice', 'revoked'),
      undelegated: await mint('dave', 'undelegated'),
    };
    const [first] = [await join_(), await join_()];
    for (const operation of ['touch', 'delete'])
      expect((await caller.call('POST', `${first.url}/v1/relationships`, {
        updates: [{ operation, relationship: 'agent:hr-assistant#delegator@user:dave' }],
      })).status).toBe(200);
    expect((await caller.call('POST', `${first.url}/v1/revocations`, { jti: 'revoked' })).status).toBe(201);
  }, 180_000); // prettier-ignore

  const mint = (user: string, jti: string): Promise<string> => {
    const iat = Math.floor(Date.now() / 1000);
    return key.sign(
      { alg: 'ES256', typ: 'at+jwt', kid: 'corp' },
      { iss: 'https://corp.example', aud: 'api', sub: user, act: { sub: 'hr-assistant' }, scope: 'hr.employees.read', jti, iat, exp: iat + 3600 },
    );
  }; // prettier-ignore

  /** Another replica, which gets its share of the load once it is ready. */
  async function join_(): Promise<Remit> {
    replicas += 1;
    const remit = await serve(file, { data: join(directory, `replica-${replicas}`) });
    running.push(remit);
    balancer.add(remit.url);
    await vi.waitUntil(() => balancer.isReady(remit.url), BACK);
    return remit;
  }

  type Who = 'allowed' | 'revoked' | 'undelegated';
  const WHY: Record<Who, readonly string[]> = {
    allowed: [],
    revoked: ['token_revoked'],
    undelegated: ['delegation_missing'],
  };

  /** Load until it is told to stop, held against what each answer may be. */
  function load() {
    const counted = { answered: [] as string[], failed: [] as string[], wrong: [] as string[] };
    let going = true;
    const ask = async (who: Who): Promise<void> => {
      const url = balancer.next();
      if (url === undefined) {
        await sleep(20);
        return;
      }
      try {
        const { status, body } = await caller.call('POST', `${url}/access/v1/evaluation`, {
          subject: { type: 'user', id: who === 'undelegated' ? 'dave' : 'alice' },
          action: { name: 'read' },
          resource: { type: 'employee', id: 'erin' },
          context: { token: tokens[who] },
        });
        if (status === 503 && !body.decision) counted.failed.push(`503 ${body.context?.error?.code ?? ''}`);
        else if (status !== 200) counted.wrong.push(`${status} ${JSON.stringify(body)}`);
        else if (body.decision !== (who === 'allowed') || codes(body).join() !== WHY[who].join())
          // A deny of what may be is a wrong answer, too; an allow of anything else is the worst there is.
          counted.wrong.push(`${who} ${JSON.stringify(body)}`);
        else counted.answered.push(body.context?.id ?? '');
      } catch (error) {
        counted.failed.push(String(error));
      }
    };
    const workers = Array.from({ length: CALLERS }, async (_, at) => {
      for (let i = at; going; i += 1) await ask((['allowed', 'revoked', 'undelegated'] as const)[i % 3] ?? 'revoked');
    });
    return {
      counted,
      stop: async () => {
        going = false;
        await Promise.all(workers);
        return counted;
      },
    };
  }

  /** How many of the decisions that were answered have a record. */
  async function recorded(ids: readonly string[]): Promise<number> {
    const client = new Client(postgres.url());
    await client.connect();
    try {
      const { rows } = await client.query<{ n: number }>(
        'select count(*)::int as n from records where id = any($1::uuid[])',
        [ids],
      );
      return rows[0]?.n ?? 0;
    } finally {
      await client.end();
    }
  }

  it('are replaced one after the other under load: not one decision fails', async () => {
    const under = load();
    await sleep(WHILE_MS);
    for (const old of running.filter(({ child }) => child.exitCode === null && child.signalCode === null)) {
      await join_();
      const { code } = await old.end('SIGTERM');
      expect(code).toBe(0);
      expect(old.log()).not.toContain('stopped before everything was finished');
      balancer.remove(old.url);
      await sleep(WHILE_MS);
    }
    const { answered, failed, wrong } = await under.stop();
    expect([failed, wrong]).toEqual([[], []]);
    expect(answered.length).toBeGreaterThan(50);
    expect(await recorded(answered)).toBe(answered.length);
  });

  it('each part killed in turn under load: nothing wrong, nothing lost, all well again', async () => {
    const under = load();
    const times: Record<string, number> = {};
    const alive = () => running.filter(({ child }) => child.exitCode === null && child.signalCode === null);
    /** From the moment that what was killed is up again until every replica answers. */
    const recovery = async (what: string): Promise<void> => {
      const from = performance.now();
      for (const { url } of alive()) {
        await vi.waitUntil(() => balancer.isReady(url), BACK);
        const before = under.counted.answered.length;
        await vi.waitUntil(() => under.counted.answered.length > before + 10, BACK);
      }
      times[what] = Math.round(performance.now() - from);
      await sleep(WHILE_MS);
    };

    await sleep(WHILE_MS);
    for (const [i, remit] of alive().entries()) {
      await remit.end('SIGKILL');
      await sleep(WHILE_MS);
      balancer.remove(remit.url);
      const again = await join_();
      times[`Remit ${'AB'[i] ?? ''}, its start included`] = Math.round(again.startMs);
      await recovery(`Remit ${'AB'[i] ?? ''}`);
    }
    await spicedb.kill();
    await sleep(WHILE_MS);
    spicedb = await startSpiceDb({ port: spicedb.port, key: spicedb.address.key, flags: datastore() });
    await recovery('SpiceDB');
    await postgres.kill();
    await sleep(WHILE_MS);
    await postgres.up();
    await recovery('PostgreSQL');

    const { answered, failed, wrong } = await under.stop();
    expect(wrong).toEqual([]);
    expect(failed.length).toBeGreaterThan(0);
    // What was denied while no record could be written is written as soon as one can be.
    await vi.waitUntil(async () => (await recorded(answered)) === answered.length, BACK);
    console.info(`${answered.length} answered, ${failed.length} failed; ms until all was well again:`, times);
  });
}); // prettier-ignore
