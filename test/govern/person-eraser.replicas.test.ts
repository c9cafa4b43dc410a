/** Erasing a person on two replicas of one PostgreSQL, while they are decided about: what one replica erases, the other forgets. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance, LightMyRequestResponse } from 'fastify';
import { Client } from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { loadConfig } from '../../src/config/config.js';
import { loadWorld, readWorldFile } from '../../src/config/world.js';
import { readSources } from '../../src/config/files.js';
import { loadRules } from '../../src/policy/load.js';
import { newDecisionId } from '../../src/decide/decision-id.js';
import { buildApp } from '../../src/http/app.js';
import type { DecisionRecord } from '../../src/model/decision.js';
import { replayRecord } from '../../src/records/replay.js';
import { openService, type Service } from '../../src/service/service.js';
import { dumpTables, findTraces } from '../support/all-tables.js';
import { collectCleanups } from '../support/cleanups.js';
import { dropDatabase, migratedUrl, NEEDS, SERVER } from '../support/postgres/databases.js';
import { recordsIn } from '../support/record-values.js';
import { clientNamed, DAYTIME, type Answer } from '../support/sample.js';
import { BINARY, startSpiceDb } from '../support/spicedb.js';
import { NURSE, NURSE_WORDS, WARD_FILES } from './ward.js';

/** Longer than a replica takes to hear of another's erasure. */
const HEARD_MS = 1_000;

describe.skipIf(SERVER === undefined || BINARY === '')(`two replicas on ${NEEDS}`, () => {
  const directory = mkdtempSync(join(tmpdir(), 'remit-people-'));
  const file = join(directory, 'remit.yaml');
  let url: string;
  const services: Service[] = [];
  const apps: FastifyInstance[] = [];
  const onSuiteFinished = collectCleanups();
  onSuiteFinished(() => rmSync(directory, { recursive: true, force: true }));

  beforeAll(async () => {
    const spicedb = await startSpiceDb();
    onSuiteFinished(() => spicedb.kill());
    url = await migratedUrl(directory);
    onSuiteFinished(() => dropDatabase(url));
    onSuiteFinished(async () => {
      for (const app of apps) await app.close();
      for (const service of services) await service.close();
    });
    for (const [name, text] of Object.entries(WARD_FILES)) {
      mkdirSync(dirname(join(directory, name)), { recursive: true });
      writeFileSync(join(directory, name), text);
    }
    const { endpoint, key } = spicedb.address;
    const settings = {
      schema: { relationships: 'schema.zed', actions: 'schema.cedarschema' },
      policies: 'policies',
      records: recordsIn(directory),
      limits: { deadline_ms: 20_000 },
      database: { mode: 'postgres', url },
      spicedb: { mode: 'server', endpoint, token: key, insecure_plaintext: true, consistency: 'full' },
      clients: [clientNamed('root', 'root', 'admin', 'evaluate', 'asserts_subject')],
    };
    writeFileSync(file, stringify(settings));
    for (const name of ['one', 'two']) {
      const config = loadConfig(file, { REMIT_DATA: join(directory, name) });
      if (services.length === 0) await spicedb.schema(loadRules(readSources(config.sources)).graph);
      const service = await openService(config, { now: () => DAYTIME });
      services.push(service);
      apps.push(await buildApp(service));
    }
    const [first] = services as [Service];
    const world = join(directory, 'world.yaml');
    await loadWorld(world, readWorldFile(world, first.activePolicies.rules), {
      relationships: first.activePolicies.engine,
      entities: first.entities,
    });
  }, 300_000);

  const send = (at: number, method: 'POST' | 'DELETE' | 'PUT', url: string, payload?: object): Promise<LightMyRequestResponse> =>
    (apps[at] as FastifyInstance).inject({
      method, url, headers: { host: '127.0.0.1:7480', authorization: 'Bearer root-key' }, ...(payload === undefined ? {} : { payload }),
    }); // prettier-ignore
  const decide = async (at: number): Promise<string> => {
    const response = await send(at, 'POST', '/access/v1/evaluation', {
      subject: { type: 'user', id: NURSE }, action: { name: 'close' }, resource: { type: 'ward', id: 'north' }, context: { mode: 'human' },
    }); // prettier-ignore
    expect(response.statusCode, response.body).toBe(200);
    return response.json<Answer>().context?.id ?? '';
  };
  const erase = async (at: number): Promise<void> => {
    const response = await send(at, 'DELETE', `/v1/people/user/${encodeURIComponent(NURSE)}`);
    expect(response.statusCode, response.body).toBe(204);
  };
  const database = (): Service['database'] => (services[0] as Service).database;
  const nameIn = async (id: string): Promise<unknown> => {
    const [rows] = await database().run([{ sql: 'select user_key from records where id = $1::uuid', params: [id] }]);
    expect(rows, id).toHaveLength(1);
    return rows?.[0]?.['user_key'];
  };
  const replay = async (id: string): Promise<string> => {
    const [service] = services as [Service];
    const stored = (await service.decisions.find(id))?.record as DecisionRecord;
    return replayRecord(stored, service.activePolicies.rules).kind;
  };

  it('one erases, and the other has the person’s new name in what it records next', async () => {
    await send(0, 'PUT', `/v1/entities/user/${encodeURIComponent(NURSE)}`, {
      attributes: { name: 'Zoë Quillfeather' },
    });
    const former = await decide(1);
    expect(await decide(0).then(nameIn)).toBe(await nameIn(former));
    await erase(0);
    await sleep(HEARD_MS);
    const next = await decide(1);
    expect(await nameIn(next)).not.toBe(await nameIn(former));
    expect(await nameIn(await decide(0))).toBe(await nameIn(next));
    expect([await replay(former), await replay(next)]).toEqual(['values_erased', 'same']);
    expect(findTraces(await dumpTables(database()), NURSE_WORDS)).toEqual([]);
  }, 120_000);

  it('decisions of the same moment are all on record, and none has values that a lost key sealed', async () => {
    const ids: string[] = [];
    const decideMany = async (at: number): Promise<void> => {
      for (let i = 0; i < 15; i += 1) ids.push(await decide(at));
    };
    await Promise.all([decideMany(0), decideMany(1), erase(0).then(() => erase(1))]);
    const names = new Set(await Promise.all(ids.map(nameIn)));
    expect(ids).toHaveLength(30);
    expect(names).not.toContain(null);
    await sleep(HEARD_MS);
    await erase(0);
    const [lost] = await database().run([
      {
        sql: `select r.user_key from record_values v join records r on r.id = v.record
              where exists (select from jsonb_array_elements_text(v.persons) p where p not in (select person from person_keys))`,
      },
    ]);
    expect(lost).toEqual([]);
    for (const id of ids) expect(await replay(id)).toBe('values_erased');
    expect(findTraces(await dumpTables(database()), NURSE_WORDS)).toEqual([]);
  }, 240_000);

  it('a record that is being stored as the key goes leaves no values either', async () => {
    const former = await decide(1);
    const writer = new Client({ connectionString: url });
    await writer.connect();
    try {
      // As a replica whose transaction has found the key, and hasn't ended.
      await writer.query('begin');
      const late = newDecisionId();
      await writer.query(`insert into records (id, kind, at, client, user_key, decision, protected, record)
        select $2::uuid, kind, at, client, user_key, decision, protected, record from records where id = $1::uuid`, [former, late]); // prettier-ignore
      await writer.query(`insert into record_values (record, sealed, persons, kept_until)
        select $2::uuid, sealed, persons, kept_until from record_values where record = $1::uuid`, [former, late]); // prettier-ignore
      const keys = `select from person_keys k where k.person in (
        select jsonb_array_elements_text(persons) from record_values where record = $1::uuid)`;
      const { rowCount: present } = await writer.query(keys, [late]);
      expect(present).toBeGreaterThan(0);
      const erased = erase(0);
      while ((await writer.query(keys, [late])).rowCount === present) await sleep(10);
      await writer.query('commit');
      await erased;
      const { rows } = await writer.query('select record from record_values where record = $1::uuid', [late]);
      expect(rows).toEqual([]);
    } finally {
      await writer.end();
    }
  }, 120_000);

  it('two erase the same person at once, and both say that it is done', async () => {
    await decide(0);
    await Promise.all([erase(0), erase(1), erase(0)]);
    expect(findTraces(await dumpTables(database()), NURSE_WORDS)).toEqual([]);
    for (const { decisions } of services)
      expect((await decisions.list({ user: `user:${NURSE}` }, undefined, 10)).records).toEqual([]);
  }, 120_000);
});
