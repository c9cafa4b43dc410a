/**
 * Every fault of the two servers that decisions need, between the real parts: nothing is allowed that should not be, what
 * can't be decided is said to be, nothing piles up, and all is well again without a restart.
 */
import { recordsIn } from '../support/record-values.js';
import { execFileSync } from 'node:child_process';
import { chownSync, cpSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FastifyInstance } from 'fastify';
import { Client } from 'pg';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { stringify } from 'yaml';
import { buildApp } from '../../src/http/app.js';
import { loadConfig } from '../../src/config/config.js';
import { readSources } from '../../src/config/files.js';
import { PostgresDatabase } from '../../src/store/database/postgres.js';
import { FAULTS } from '../../src/model/faults.js';
import { loadRules } from '../../src/policy/load.js';
import { openService, type Service } from '../../src/service/service.js';
import { migrateSchema } from '../../src/store/migrations.js';
import { loadWorld, readWorldFile } from '../../src/config/world.js';
import { NEEDS, postgresConfig, SERVER } from '../support/postgres/databases.js';
import { BINARIES, Throwaway } from '../support/postgres/server.js';
import { clientNamed, DAYTIME, T, type Answer } from '../support/sample.js';
import { BINARY, named, startSpiceDb, type RunningSpiceDb } from '../support/spicedb.js';
import { makeKey, type Key } from '../tokens/keys.js';
import { FaultyProxy, type Mode } from './proxy.js';
import { collectCleanups } from '../support/cleanups.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const IN_FLIGHT = 150;
const CONNECTIONS = 6;
/** Within which all must be well again: many times what it takes. */
const BACK = { timeout: 60_000, interval: 100 };

describe.skipIf(SERVER === undefined || BINARIES === undefined || BINARY === '')(`${named('faults')} on ${NEEDS}`, { timeout: 180_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'remit-faults-'));
  let postgres: Throwaway;
  let spicedb: RunningSpiceDb;
  let wires: { readonly postgres: FaultyProxy; readonly spicedb: FaultyProxy };
  let service: Service;
  let app: FastifyInstance;
  let key: Key;
  let tokens: Record<'allowed' | 'revoked' | 'undelegated', string>;
  const lines: string[] = [];

  const onSuiteFinished = collectCleanups();
  onSuiteFinished(() => rmSync(directory, { recursive: true, force: true }));
  beforeAll(async () => {
    postgres = await Throwaway.start({ max_connections: '20', superuser_reserved_connections: '1' });
    onSuiteFinished(() => postgres.remove());
    spicedb = await startSpiceDb();
    onSuiteFinished(() => spicedb.kill());
    wires = { postgres: await FaultyProxy.to(postgres.port), spicedb: await FaultyProxy.to(spicedb.port) };
    onSuiteFinished(() => Promise.all([wires.postgres.close(), wires.spicedb.close()]));
    key = await makeKey('ES256', 'corp');
    const file = join(directory, 'remit.yaml');
    cpSync(`${root}policies`, join(directory, 'policies'), { recursive: true });
    writeFileSync(
      file,
      stringify({
        schema: { relationships: `${root}schema/acme.zed`, actions: `${root}schema/acme.cedarschema` },
        policies: 'policies',
        data: directory,
        records: recordsIn(directory),
        database: {
          mode: 'postgres', url: postgres.url('postgres', { port: wires.postgres.port }),
          connections: CONNECTIONS, waiting: 50, connect_timeout_ms: 500, statement_timeout_ms: 1_000,
        },
        spicedb: {
          mode: 'server', endpoint: `127.0.0.1:${wires.spicedb.port}`, token: spicedb.address.key, insecure_plaintext: true,
        },
        issuers: [{ issuer: 'https://corp.example', audience: 'api', primary: true, jwks: { keys: [key.jwk] } }],
        clients: [{ ...clientNamed('api', 'api', 'evaluate', 'admin'), rate: 100_000 }],
        limits: { deadline_ms: 1_000, in_flight: IN_FLIGHT, agent_rate: 100_000 },
      }),
    ); // prettier-ignore
    const database = new PostgresDatabase(postgresConfig(postgres.url()));
    await migrateSchema(database).finally(() => database.close());
    const config = loadConfig(file, {});
    await spicedb.schema(loadRules(readSources(config.sources)).graph);
    service = await openService(config, { now: () => DAYTIME, log: (line) => lines.push(line) });
    onSuiteFinished(() => service.close());
    app = await buildApp(service);
    onSuiteFinished(() => app.close());
    const acme = join(root, 'fixtures/acme.yaml');
    await loadWorld(acme, readWorldFile(acme, service.activePolicies.rules), { relationships: service.activePolicies.engine, entities: service.entities });
    tokens = {
      allowed: await mint('alice', 'allowed'),
      revoked: await mint('alice', 'revoked'),
      undelegated: await mint('dave', 'undelegated'),
    };
    expect((await post('/v1/revocations', { jti: 'revoked' })).statusCode).toBe(201);
    for (const operation of ['touch', 'delete'])
      expect(
        (
          await post('/v1/relationships', {
            updates: [{ operation, relationship: 'agent:hr-assistant#delegator@user:dave' }],
          })
        ).statusCode,
      ).toBe(200);
    await back();
  }, 120_000);
  afterEach(back, 120_000);

  const mint = (user: string, jti: string): Promise<string> =>
    key.sign(
      { alg: 'ES256', typ: 'at+jwt', kid: 'corp' },
      { iss: 'https://corp.example', aud: 'api', sub: user, act: { sub: 'hr-assistant' }, scope: 'hr.employees.read', jti, iat: T, exp: T + 300 },
    ); // prettier-ignore
  const post = (url: string, payload: object) =>
    app.inject({
      method: 'POST',
      url,
      headers: { host: '127.0.0.1:7480', authorization: 'Bearer api-key' },
      payload,
    });
  const ask = async (who: keyof typeof tokens): Promise<{ status: number; retry: unknown; answer: Answer }> => {
    const response = await post('/access/v1/evaluation', {
      subject: { type: 'user', id: who === 'undelegated' ? 'dave' : 'alice' },
      action: { name: 'read' },
      resource: { type: 'employee', id: 'erin' },
      context: { token: tokens[who] },
    });
    return { status: response.statusCode, retry: response.headers['retry-after'], answer: response.json<Answer>() };
  };

  /** All is well: what may be is allowed, what was taken back isn't, and nothing is left over. */
  async function back(): Promise<void> {
    await vi.waitUntil(async () => (await ask('allowed')).answer.decision, BACK);
    for (const who of ['revoked', 'undelegated'] as const)
      await vi.waitUntil(async () => {
        const { status, answer } = await ask(who);
        expect(answer.decision).not.toBe(true);
        return status === 200;
      }, BACK);
    await vi.waitUntil(() => {
      const { database, activePolicies, decisions } = service;
      const { pendingCorrections, waiting } = decisions.stats();
      return [database, activePolicies.engine].every((e) => e.stats().active + e.stats().waiting === 0) && waiting + pendingCorrections === 0;
    }, BACK);
    expect(app.health.admission.stats()).toMatchObject({ inFlight: 0, bodyBytes: 0 });
  }

  /** Many at once, more than may be in flight, a few times over. Each answer is one that may be. */
  async function flood(): Promise<{ allowed: number; faults: ReadonlySet<string> }> {
    let allowed = 0;
    const faults = new Set<string>();
    for (let round = 0; round < 3; round += 1) {
      await Promise.all(
        Array.from({ length: 3 * 70 }, async (_, i) => {
          const who = (['allowed', 'revoked', 'undelegated'] as const)[i % 3] ?? 'revoked';
          const { status, retry, answer } = await ask(who);
          if (status === 503) {
            expect(retry).toBe('1');
            expect(answer.decision).not.toBe(true);
            faults.add(answer.context?.error?.code ?? (answer as unknown as { error: { code: string } }).error.code);
            return;
          }
          expect(status).toBe(200);
          if (answer.decision) allowed += 1;
          expect(answer.decision && who !== 'allowed', who).toBe(false);
        }),
      );
      expect(app.health.admission.stats().inFlight).toBeLessThanOrEqual(IN_FLIGHT);
      expect(service.database.stats().active).toBeLessThanOrEqual(CONNECTIONS);
      expect(service.database.stats().waiting).toBeLessThanOrEqual(50);
    }
    for (const fault of faults) expect(Object.keys(FAULTS)).toContain(fault);
    return { allowed, faults };
  }

  const MODES: readonly Mode[] = ['slow', 'refuse', 'hang', 'cut'];
  for (const engine of ['spicedb', 'postgres'] as const) {
    it.each(MODES)(`${engine}, %s: no allow, all said to be, and well again`, async (mode) => {
      await wires[engine].set(mode);
      await flood();
      // What was on its way when it began has arrived or never will.
      const { allowed, faults } = await flood();
      expect(allowed).toBe(0);
      expect(faults.size).toBeGreaterThan(0);
      const ready = await app.inject({ url: '/health/ready', headers: { host: '127.0.0.1:7480' } });
      expect([ready.statusCode, ready.json()]).toEqual([503, { status: 'unready' }]);
      await wires[engine].set('pass');
      await back();
    });

    it(`${engine}, whose connections have lost their other end without a word: found out without a restart`, async () => {
      await wires[engine].set('half-open');
      await flood();
      await back();
      await wires[engine].set('pass');
    });

    it(`${engine}, gone: nothing is asked of it but whether it is back, and the log tells no secret`, async () => {
      lines.length = 0;
      await wires[engine].set('refuse');
      const stats = () => (engine === 'spicedb' ? service.activePolicies.engine : service.database).stats();
      const named = engine === 'spicedb' ? 'spicedb' : 'database';
      await vi.waitUntil(async () => {
        await flood();
        return stats().circuit?.state !== 'closed';
      }, BACK);
      const { refused } = stats().circuit ?? { refused: 0 };
      expect((await service.metrics.exposition()).text).toContain(`remit_circuit_open{engine="${named}"} 1\n`);
      await flood();
      expect(stats().circuit?.refused).toBeGreaterThan(refused);
      await wires[engine].set('pass');
      await back();
      expect(stats().circuit?.state).toBe('closed');
      const { text } = await service.metrics.exposition();
      expect(text).toContain(`remit_circuit_open{engine="${named}"} 0\n`);
      expect(text).toContain(`remit_circuit_opened_total{engine="${named}"} ${stats().circuit?.opened ?? -1}\n`);
      // PostgreSQL's own lines are held back for a while after the last: test/store/database/postgres.test.ts has them.
      if (engine === 'spicedb')
        expect(lines.filter((line) => line.startsWith('SpiceDB at '))).toEqual([
          expect.stringMatching(/^SpiceDB at 127\.0\.0\.1:\d+: can't answer: /),
          expect.stringMatching(/^SpiceDB at 127\.0\.0\.1:\d+: answers again$/),
        ]);
      expect(lines.join('')).not.toMatch(/pass-word/);
    });
  }

  it('PostgreSQL killed under load and started again: no allow without a record', async () => {
    const floods = flood();
    await postgres.kill();
    await floods;
    expect((await flood()).allowed).toBe(0);
    await postgres.up();
    await back();
  });

  it('all of PostgreSQL’s connections taken by others: said to be, and well again when they let go', async () => {
    await wires.postgres.set('refuse');
    await vi.waitUntil(() => service.database.stats().active === 0, BACK);
    const others: Client[] = [];
    try {
      for (;;) {
        const client = new Client(postgres.url());
        client.on('error', () => undefined);
        await client.connect();
        others.push(client);
      }
    } catch (error) {
      expect((error as { code?: string }).code).toBe('53300');
    }
    await wires.postgres.set('pass');
    expect((await flood()).allowed).toBe(0);
    await Promise.all(others.map((client) => client.end()));
    await back();
  });

  it.skipIf(!canMount())(
    `a disk that is full: decisions that can't be recorded aren't allowed, and are again when there is room${canMount() ? '' : ' (skipped: this user may not mount one)'}`,
    async () => {
      const disk = mkdtempSync(join(tmpdir(), 'remit-disk-'));
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk]);
      const { uid, gid } = statSync(postgresDirectory());
      chownSync(disk, uid, gid);
      const admin = new Client(postgres.url());
      await admin.connect();
      try {
        await admin.query(`create tablespace small location '${disk}'`);
        await admin.query('truncate records cascade');
        await admin.query('alter table records set tablespace small');
        await admin.query('create table filler (text text) tablespace small');
        await admin.query('alter table filler alter text set storage plain');
        const fill = (bytes: number) => admin.query('insert into filler values (repeat($1, $2))', ['x', bytes]);
        const full = async (bytes: number): Promise<string | undefined> => {
          for (;;) {
            const code = await fill(bytes).then(() => undefined, (error: unknown) => (error as { code?: string }).code);
            if (code !== undefined) return code;
          }
        }; // prettier-ignore
        expect(await full(7_000)).toBe('53100');
        // The last pages of the table itself have room for some.
        await vi.waitUntil(async () => (await flood()).allowed === 0, BACK);
        const { answer, status } = await ask('allowed');
        expect([status, answer.context?.error?.code]).toEqual([503, 'database_unavailable']);
        const ready = () =>
          app.inject({ url: '/health/ready', headers: { host: '127.0.0.1:7480', authorization: 'Bearer api-key' } });
        await expect.poll(async () => (await ready()).json<object>(), BACK).toMatchObject({
          checks: { database: 'ok', records: 'failed' },
        });
        await admin.query('drop table filler');
        await back();
        await expect.poll(async () => (await ready()).statusCode, BACK).toBe(200);
      } finally {
        await admin.query('drop table if exists filler');
        await admin.query('alter table records set tablespace pg_default');
        await admin.query('drop tablespace small');
        await admin.end();
        execFileSync('umount', [disk]);
        rmSync(disk, { recursive: true });
      }
    },
  );

  it('policies that are emptied while it runs: it goes on with those it has', async () => {
    const { version } = service.activePolicies.rules;
    for (const file of readdirSync(join(directory, 'policies'))) rmSync(join(directory, 'policies', file));
    await flood();
    await back();
    expect(service.activePolicies.rules.version).toBe(version);
  });

  function postgresDirectory(): string {
    return (postgres as unknown as { directory: string }).directory;
  }
}); // prettier-ignore

function canMount(): boolean {
  try {
    execFileSync('unshare', ['-m', 'true'], { stdio: 'ignore' });
    return process.getuid?.() === 0;
  } catch {
    return false;
  }
}
