/** Two Remits side by side on one PostgreSQL and one SpiceDB server: what is done through one holds at the other. */
import { recordsIn } from '../support/record-values.js';
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FastifyInstance } from 'fastify';
import { beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { buildApp } from '../../src/http/app.js';
import { loadConfig } from '../../src/config/config.js';
import { GraphSchema } from '../../src/graph/schema/schema.js';
import { openService, type Service } from '../../src/service/service.js';
import { SCHEMA_VERSION } from '../../src/store/migrations.js';
import { loadWorld, readWorldFile } from '../../src/config/world.js';
import { databaseUrl, dropDatabase, NEEDS, SERVER } from '../support/postgres/databases.js';
import { clientNamed, codes, DAYTIME, T, type Answer } from '../support/sample.js';
import { BINARY, named, startSpiceDb, type RunningSpiceDb } from '../support/spicedb.js';
import { makeKey, type Key } from '../tokens/keys.js';
import { collectCleanups } from '../support/cleanups.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Within which what is done through one replica counts at the others. */
const SOON_MS = 1_000;

describe.skipIf(SERVER === undefined || BINARY === '').each(['full', 'bounded'] as const)(
  `${named('replicas')} on ${NEEDS}, %s`,
  (consistency) => {
    const directory = mkdtempSync(join(tmpdir(), 'remit-replicas-'));
    const file = join(directory, 'remit.yaml');
    let spicedb: RunningSpiceDb;
    let url: string;
    let key: Key;
    const services: Service[] = [];
    const apps: FastifyInstance[] = [];

    const onSuiteFinished = collectCleanups();
    onSuiteFinished(() => rmSync(directory, { recursive: true, force: true }));
    beforeAll(async () => {
      spicedb = await startSpiceDb();
      onSuiteFinished(() => spicedb.kill());
      url = await databaseUrl(directory);
      onSuiteFinished(() => dropDatabase(url));
      onSuiteFinished(async () => {
        for (const app of apps) await app.close();
        for (const service of services) await service.close();
      });
      key = await makeKey('ES256', 'corp');
      const { endpoint, key: token } = spicedb.address;
      writeFileSync(
        file,
        stringify({
          schema: { relationships: `${root}schema/acme.zed`, actions: `${root}schema/acme.cedarschema` },
          policies: `${root}policies`,
          records: recordsIn(directory),
          database: { mode: 'postgres', url },
          spicedb: { mode: 'server', endpoint, token, insecure_plaintext: true, consistency },
          issuers: [{ issuer: 'https://corp.example', audience: 'api', primary: true, jwks: { keys: [key.jwk] } }],
          clients: [clientNamed('api', 'api', 'evaluate', 'admin')],
        }),
      );
    });

    const remit = (...args: string[]): Promise<{ code: number; out: string; err: string }> =>
      new Promise((resolve) => {
        const run = [join(root, 'dist/main.js'), ...args, '--config', file];
        execFile(process.execPath, run, { cwd: root }, (error, out, err) => {
          resolve({ code: error === null ? 0 : Number(error.code), out, err });
        });
      });
    const call = (at: number, method: 'POST' | 'PUT', path: string, payload: object) =>
      (apps[at] as FastifyInstance).inject({
        method,
        url: path,
        headers: { host: '127.0.0.1:7480', authorization: 'Bearer api-key' },
        payload,
      });
    const mint = (jti: string): Promise<string> =>
    key.sign(
      { alg: 'ES256', typ: 'at+jwt', kid: 'corp' },
      { iss: 'https://corp.example', aud: 'api', sub: 'alice', act: { sub: 'hr-assistant' }, scope: 'hr.employees.read', jti, iat: T, exp: T + 300 },
    ); // prettier-ignore
    const ask = async (at: number, token: string): Promise<Answer> => {
      const response = await call(at, 'POST', '/access/v1/evaluation', {
        subject: { type: 'user', id: 'alice' },
        action: { name: 'read' },
        resource: { type: 'employee', id: 'erin' },
        context: { token, supported_obligations: ['mask'] },
      });
      return response.json();
    };
    const write = async (at: number, operation: string): Promise<void> => {
      const relationship = 'agent:hr-assistant#delegator@user:alice';
      const written = await call(at, 'POST', '/v1/relationships', { updates: [{ operation, relationship }] });
      expect(written.statusCode, written.body).toBe(200);
    };

    it('one migrate makes both ready, and says what of each', async () => {
      const checked = await remit('migrate', '--check', '--json');
      expect([checked.code, JSON.parse(checked.out)]).toMatchObject([
        1,
        { database: { from: 0, to: SCHEMA_VERSION }, spicedb: { applied: false } },
      ]);
      const ran = await remit('migrate', '--json');
      expect([ran.code, JSON.parse(ran.out)]).toMatchObject([
        0,
        { database: { from: 0, to: SCHEMA_VERSION }, spicedb: { applied: true } },
      ]);
      const again = await remit('migrate', '--check');
      expect([again.code, again.out]).toEqual([
        0,
        expect.stringMatching(/ already\.\n.*SpiceDB at .*\n {2}the same\n$/),
      ]);
    });

    it('two serve at once', async () => {
      for (const name of ['one', 'two']) {
        mkdirSync(join(directory, name));
        const config = loadConfig(file, { REMIT_DATA: join(directory, name) });
        const service = await openService(config, { now: () => DAYTIME });
        services.push(service);
        apps.push(await buildApp(service));
      }
      const [first] = services as [Service];
      const acme = join(root, 'fixtures/acme.yaml');
      await loadWorld(acme, readWorldFile(acme, first.activePolicies.rules), {
        relationships: first.activePolicies.engine,
        entities: first.entities,
      });
      for (const at of [0, 1]) expect(codes(await ask(at, await mint('both')))).toEqual([]);
    });

    const counts =
      consistency === 'full' ? 'at the very next decision of both' : 'at once there, and soon at the other';
    it(`a write and a removal through one hold ${counts}`, async () => {
      const token = await mint('relationships');
      const said = async (at: number): Promise<string[]> => codes(await ask(at, token));
      for (const [here, there] of [[0, 1], [1, 0]] as const)
      for (const [operation, reasons] of [['delete', ['delegation_missing']], ['touch', []]] as const) {
        await write(here, operation);
        expect(await said(here)).toEqual(reasons);
        if (consistency === 'bounded') await expect.poll(() => said(there), { timeout: 20_000, interval: 20 }).toEqual(reasons);
        expect(await said(there)).toEqual(reasons);
      } // prettier-ignore
    });

    it('a revocation through one holds at the other within a second', async () => {
      for (const [here, there] of [[0, 1], [1, 0]] as const) {
      const jti = `revoked-${here}`;
      const token = await mint(jti);
      expect(codes(await ask(there, token))).toEqual([]);
      expect((await call(here, 'POST', '/v1/revocations', { jti })).statusCode).toBe(201);
      expect(codes(await ask(here, token))).toEqual(['token_revoked']);
      await expect.poll(async () => codes(await ask(there, token)), { timeout: SOON_MS, interval: 20 }).toEqual(['token_revoked']);
    } // prettier-ignore
    });

    it('what one is told of an entity the other decides by', async () => {
      const about = { name: 'HR Assistant', kind: 'assistant', description: 'Keeps records' };
      const suspended = (is: boolean) => ({ attributes: { ...about, suspended: is }, parents: [] });
      const token = await mint('entities');
      expect((await call(0, 'PUT', '/v1/entities/agent/hr-assistant', suspended(true))).statusCode).toBeLessThan(300);
      expect(codes(await ask(1, token))).toEqual(['policy_forbid']);
      expect((await call(1, 'PUT', '/v1/entities/agent/hr-assistant', suspended(false))).statusCode).toBeLessThan(300);
      expect(codes(await ask(0, token))).toEqual([]);
    });

    it('a schema that somebody else changes ends deciding at both, and the health says so', async () => {
      const [first] = services as [Service];
      const { graph } = first.activePolicies.rules;
      const ready = async (at: number) => {
        const { statusCode, body } = await (apps[at] as FastifyInstance).inject({
          url: '/health/ready',
          headers: { host: '127.0.0.1:7480', authorization: 'Bearer api-key' },
        });
        return [statusCode, JSON.parse(body) as object] as const;
      };
      await spicedb.schema(GraphSchema.parse(graph.text.replace('manage & pay_clearance', 'manage'), 'other.zed'));
      for (const at of [0, 1]) {
        await expect
          .poll(() => ready(at), { timeout: 20_000 })
          .toMatchObject([
            503,
            { checks: { database: 'ok', relationships: 'failed' }, faults: { relationships: 'schema_differs' } },
          ]);
        const answer = await ask(at, await mint(`schema-${at}`));
        expect([answer.decision, answer.context?.error]).toMatchObject([
          false,
          { status: 503, code: 'schema_differs' },
        ]);
      }
      await spicedb.schema(graph);
      for (const at of [0, 1]) {
        await expect.poll(() => ready(at), { timeout: 20_000 }).toMatchObject([200, { status: 'ready' }]);
        expect(codes(await ask(at, await mint(`fits-${at}`)))).toEqual([]);
      }
    });

    const pair = { giver: { type: 'user', id: 'alice' }, agent: { type: 'agent', id: 'hr-assistant' } };
    const bounds = { ends: '2090-01-01T00:00:00.000Z', online: true, background: false };

    it('a delegation that a replica narrowed before it died holds at once, and the other completes it', async () => {
      const [first, second] = services as [Service, Service];
      const details = [{ type: 'remit', actions: ['update'] }];
      await first.delegationStore.put(pair, { ...bounds, details }, { by: 'user:alice', at: DAYTIME });
      for (const at of [1, 0])
        expect(codes(await ask(at, await mint('narrowed')))).toEqual(['authorization_details_mismatch']);
      await expect
        .poll(async () => (await second.delegationStore.find(pair))?.settled, { timeout: 20_000, interval: 50 })
        .toBe(true);
      await first.delegations.give(pair, bounds, 'user:alice');
      for (const at of [1, 0]) expect(codes(await ask(at, await mint('given')))).toEqual([]);
    });

    it('two that give and end one delegation at once agree on what is left', async () => {
      const [first, second] = services as [Service, Service];
      await Promise.allSettled(
        Array.from({ length: 24 }, (_, i) => {
          const { delegations } = i % 2 === 0 ? first : second;
          return i % 3 === 0 ? delegations.end(pair, 'user:alice') : delegations.give(pair, bounds, 'user:alice');
        }),
      );
      await first.delegations.end(pair, 'user:alice');
      for (const at of [0, 1]) expect(codes(await ask(at, await mint('ended')))).toEqual(['delegation_missing']);
      await second.delegations.give(pair, bounds, 'user:alice');
      for (const at of [0, 1])
        await expect.poll(async () => codes(await ask(at, await mint('anew'))), { timeout: 20_000 }).toEqual([]);
    });

    it('an agent that is stopped through one is denied at the very next decision of the other', async () => {
      const tokens = [await mint('stopped-0'), await mint('stopped-1')] as const;
      for (const at of [0, 1]) expect(codes(await ask(at, tokens[at] ?? ''))).toEqual([]);
      const stopped = await (apps[0] as FastifyInstance).inject({
        method: 'DELETE',
        url: '/v1/agents/hr-assistant/access?user=alice',
        headers: { host: '127.0.0.1:7480', authorization: 'Bearer api-key' },
      });
      expect(stopped.statusCode, stopped.body).toBe(204);
      for (const at of [1, 0]) {
        expect((await ask(at, tokens[at] ?? '')).decision).toBe(false);
        await expect
          .poll(async () => codes(await ask(at, tokens[at] ?? '')), { timeout: SOON_MS, interval: 20 })
          .toEqual(['token_revoked']);
      }
    });
  },
);
