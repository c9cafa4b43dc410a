/** A PostgreSQL server: the contract of the database port, and what only a server and a network can do to it. */
import { changeRecordsOf, newDecisionStore } from '../../support/record-values.js';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { v7 as uuid } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { PostgresDatabase } from '../../../src/store/database/postgres.js';
import type { DecisionRecord } from '../../../src/model/decision.js';
import type { Fault } from '../../../src/model/faults.js';
import { EntityStore } from '../../../src/store/entities.js';
import {
  migrateSchema,
  requireSchemaVersion,
  SCHEMA_VERSION,
  readSchemaVersion,
} from '../../../src/store/migrations.js';
import { RevocationStore } from '../../../src/store/revocations.js';
import { databaseUrl, migratedUrl, NEEDS, postgresConfig, SERVER } from '../../support/postgres/databases.js';
import { BINARIES, Throwaway, Wire } from '../../support/postgres/server.js';
import { approvalStoreContract } from '../approvals.contract.js';
import { changeRecordsContract } from '../change-records.contract.js';
import { consentStoreContract } from '../consents.contract.js';
import { retentionContract } from '../../records/retention.contract.js';
import { logContract } from '../log.contract.js';
import { outboxContract } from '../outbox.contract.js';
import { databaseContract } from './database.contract.js';
import { collectCleanups } from '../../support/cleanups.js';

const open: PostgresDatabase[] = [];
function connected(url: string, options: object = {}, log: (line: string) => void = () => undefined): PostgresDatabase {
  const database = new PostgresDatabase(postgresConfig(url, options), { log });
  open.push(database);
  return database;
}
afterAll(async () => {
  await Promise.all(open.map((database) => database.close()));
});

const one = [{ sql: 'select 1 as ok' }];
/** Within which it must be found that a server is there again: many times what it takes. */
const BACK = { timeout: 20_000, interval: 50 };
const away = { name: 'Fault', code: 'database_unavailable' };
const detail = (pattern: RegExp): object => ({ ...away, detail: expect.stringMatching(pattern) as string });
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const record = (id = uuid()): DecisionRecord => ({
  id, evaluated_at: '2030-01-01T00:00:00.000Z', client: 'c', decision: true, dry_run: false, policy_version: 'v',
  request: { subject: { type: 'user', id: 'a' }, action: 'read', resource: { type: 'doc', id: '1' } },
  reasons: [], obligations: [], rationale: { steps: [] },
}); // prettier-ignore

describe.skipIf(SERVER === undefined)(NEEDS, () => {
  databaseContract('PostgreSQL', async () => connected(await databaseUrl(`contract ${uuid()}`)));

  describe('consents', () => {
    let database: PostgresDatabase;
    beforeAll(async () => {
      database = connected(await databaseUrl(`consents ${uuid()}`));
      await migrateSchema(database);
    });
    consentStoreContract(() => database);
    outboxContract(() => database);
  });

  describe('the log', () => {
    let database: PostgresDatabase;
    beforeAll(async () => {
      database = connected(await databaseUrl(`log ${uuid()}`));
      await migrateSchema(database);
    });
    logContract(() => database);
    changeRecordsContract(() => database);
    retentionContract(() => database);
  });

  describe('approvals', () => {
    let database: PostgresDatabase;
    beforeAll(async () => {
      database = connected(await databaseUrl(`approvals ${uuid()}`));
      await migrateSchema(database);
    });
    approvalStoreContract(() => database);
  });

  describe('migrations', () => {
    it('of four replicas at once are each done once', async () => {
      const url = await databaseUrl(uuid());
      const replicas = [0, 1, 2, 3].map(() => connected(url));
      await expect(requireSchemaVersion(replicas[0] as PostgresDatabase, 'here')).rejects.toThrow(
        'here: the database has no tables of Remit: "remit migrate" makes them',
      );
      const from = await Promise.all(replicas.map((replica) => migrateSchema(replica)));
      expect(Math.min(...from)).toBe(0);
      const [rows] = await connected(url).run([{ sql: 'select version from remit_version order by version' }]);
      expect(rows?.map((r) => r['version'])).toEqual(Array.from({ length: SCHEMA_VERSION }, (_, i) => i + 1));
    });

    it('go on from where an older Remit stopped, with what it has stored', async () => {
      const database = connected(await databaseUrl(uuid()));
      await migrateSchema(database, 2);
      const [id, request] = [uuid(), { subject: { type: 'user', id: 'ann' }, action: 'read', resource: { type: 'document', id: 'plan' } }]; // prettier-ignore
      const old = { id, evaluated_at: '2030-03-04T10:00:00.000Z', client: 'api', decision: true, request, reasons: [], rationale: { acting: { user: 'user:ann' }, steps: [] } }; // prettier-ignore
      await database.run([
        {
          sql: `insert into decisions (id, at, client, decision, record) values ($1::uuid, now(), 'api', true, $2::jsonb)`,
          params: [id, JSON.stringify(old)],
        },
        {
          sql: `insert into outcomes (decision, client, outcome) values ($1::uuid, 'api', '{"outcome": "executed"}')`,
          params: [id],
        },
      ]);
      await expect(requireSchemaVersion(database, 'here')).rejects.toThrow(
        /is of version \d+, and this Remit needs \d+/,
      );
      expect([await migrateSchema(database), await readSchemaVersion(database)]).toEqual([2, SCHEMA_VERSION]);
      const [rows] = await database.run([{ sql: `select value from meta where key = 'secret'` }]);
      expect(rows?.[0]?.['value']).toMatch(/^[0-9a-f]{64}$/);
      const store = newDecisionStore(database);
      expect(await store.find(id)).toMatchObject({ record: old, outcome: { outcome: 'executed', reported_by: 'api' } });
      expect((await store.list({ resource: 'document:plan' }, undefined, 10)).records).toMatchObject([old]);
    });
  });

  it('takes no notice of what a role has for defaults', async () => {
    const url = await databaseUrl(uuid());
    const name = new URL(url).pathname.slice(1);
    await connected(url).run(
      [
        `set datestyle = 'SQL, DMY'`,
        `set timezone = 'Asia/Kathmandu'`,
        'set synchronous_commit = off',
        `set default_transaction_isolation = 'serializable'`,
      ].map((setting) => ({ sql: `alter database ${name} ${setting}` })),
    );
    const [rows] = await connected(url).run([
      {
        sql: `select timestamptz '2030-03-04 10:00:00.123Z' as t, current_setting('synchronous_commit') as durable,
                current_setting('transaction_isolation') as isolation`,
      },
    ]);
    expect(rows).toEqual([{ t: new Date('2030-03-04T10:00:00.123Z'), durable: 'on', isolation: 'read committed' }]);
  });

  it('is away while it takes no writes, and back when it does', async () => {
    const url = await databaseUrl(uuid());
    const name = new URL(url).pathname.slice(1);
    const admin = connected(url);
    await admin.run([{ sql: `alter database ${name} set default_transaction_read_only = on` }]);
    const database = connected(url);
    await expect(database.run(one)).rejects.toMatchObject(detail(/accepts no writes/));
    await admin.run([{ sql: `alter database ${name} reset default_transaction_read_only` }]);
    expect(await database.run(one)).toEqual([[{ ok: 1 }]]);
  });

  it('goes on where a table was changed under prepared statements, on every connection', async () => {
    const database = connected(await databaseUrl(uuid()), { connections: 4 });
    await database.run([{ sql: 'create table changing (id integer primary key, value integer)' }]);
    await database.run([{ sql: 'insert into changing values (1, 7)' }]);
    const read = (): Promise<unknown> =>
      database.run([{ sql: 'select value from changing where id = $1 and pg_sleep(0.01) is not null', params: [1] }]);
    await Promise.all(Array.from({ length: 40 }, read));
    await database.run([{ sql: 'alter table changing alter value type text' }]);
    for (const rows of await Promise.all(Array.from({ length: 40 }, read))) expect(rows).toEqual([[{ value: '7' }]]);
  });

  it('runs again what was rolled back for another’s sake', async () => {
    const url = await migratedUrl(uuid());
    const [a, b] = [connected(url), connected(url)];
    await a.run([{ sql: 'create table pair (n int primary key, v int)' }, { sql: 'insert into pair values (1, 0), (2, 0)' }]); // prettier-ignore
    const both = (first: number, second: number) =>
      [first, second].flatMap((n) => [
        { sql: 'update pair set v = v + 1 where n = $1', params: [n] },
        { sql: 'select pg_sleep(0.3)' },
      ]);
    await Promise.all([a.run(both(1, 2)), b.run(both(2, 1))]);
    expect(await a.run([{ sql: 'select v from pair order by n' }])).toEqual([[{ v: 2 }, { v: 2 }]]);
  });

  it('says of values no more than where they were', async () => {
    const database = connected(await migratedUrl(uuid()));
    for (const [sql, params, said] of [
      ['select $1::uuid', ['the-secret'], '22P02'],
      ['select $1::jsonb', ['{"a": the-secret}'], '22P02'],
      [`insert into meta values ('store_id', $1)`, ['the-secret'], '23505 meta meta_pkey'],
    ] as const) {
      const error = await database.run([{ sql, params }]).catch((e: unknown) => e as Fault);
      expect(error).toMatchObject({ ...away, detail: said });
      expect(JSON.stringify([error, (error as Fault).stack, (error as Fault).cause])).not.toContain('the-secret');
    }
  });

  it('shows a revocation to another replica within a second', async () => {
    const url = await migratedUrl(uuid());
    const newStore = (database = connected(url)) => new RevocationStore(database, changeRecordsOf(database));
    const [one, two] = [newStore(), newStore()];
    const token = { issuer: 'i', jti: 'j', user: 'u', actors: [], session: undefined, txn: undefined, issuedAt: 0 };
    expect(await two.find(token)).toBeUndefined();
    await one.add({ id: uuid(), jti: 'j', revokedAt: '2030-01-01T00:00:00Z', revokedBy: 'test' });
    const now = performance.now();
    const clock = vi.spyOn(performance, 'now').mockReturnValue(now + 1000);
    onTestFinished(() => clock.mockRestore());
    expect((await two.find(token))?.what).toBe('token');
  });

  it('looks up an entity by its index, however many there are', async () => {
    const database = connected(await migratedUrl(uuid()), { connections: 1 });
    const store = new EntityStore(database);
    const named = (n: number) => ({ type: 'doc', id: String(n) });
    await store.put(
      Array.from({ length: 5000 }, (_, n) => ({
        ...named(n),
        attributes: {},
        parents: n === 0 ? [] : [named(Math.floor(n / 10))],
      })),
    );
    await database.run([{ sql: 'analyze entities' }]);
    const scans = async () => {
      await database.run([{ sql: 'select pg_stat_force_next_flush()' }]);
      const [rows] = await database.run([
        { sql: `select seq_scan::int as n from pg_stat_user_tables where relname = 'entities'` },
      ]);
      return rows?.[0]?.['n'];
    };
    const before = await scans();
    for (const count of [1, 30, 300]) {
      const found = await store.lookup(Array.from({ length: count }, (_, n) => named(4999 - n)));
      expect(found.at(-1)?.ancestors.map((a) => a.id)).toContain('0');
    }
    expect(await scans()).toBe(before);
  });

  describe('limits', () => {
    it('ends a statement that takes too long, and goes on with the connection', async () => {
      const database = connected(await databaseUrl(uuid()), { connections: 1, statement_timeout_ms: 200 });
      const pid = async () => (await database.run([{ sql: 'select pg_backend_pid() as pid' }]))[0]?.[0]?.['pid'];
      const first = await pid();
      await expect(database.run([{ sql: 'select pg_sleep(5)' }])).rejects.toMatchObject(detail(/^57014 /));
      await expect(database.run([...one, { sql: 'select pg_sleep(5)' }])).rejects.toMatchObject(detail(/^57014 /));
      expect(await pid()).toBe(first);
    });

    it('lets so many wait for a connection, and no more; and none for long', async () => {
      const database = connected(await databaseUrl(uuid()), { connections: 1, waiting: 2, connect_timeout_ms: 300 });
      await database.run(one);
      const slow = database.run([{ sql: 'select pg_sleep(3)' }]);
      const settled = Promise.allSettled([database.run(one), database.run(one)]);
      await expect(database.run(one)).rejects.toMatchObject({ name: 'Fault', code: 'overloaded' });
      expect((await settled).map((s) => s.status)).toEqual(['rejected', 'rejected']);
      await slow;
      expect(await database.run(one)).toEqual([[{ ok: 1 }]]);
    });

    it('is refused by a server that has no more connections, until it has', async () => {
      const url = new URL(await databaseUrl(uuid()));
      const role = `remit_test_few_${uuid().replaceAll('-', '')}`;
      const admin = connected(url.href);
      await admin.run([{ sql: `create role ${role} login password 'few' connection limit 2` }]);
      Object.assign(url, { username: role, password: 'few' });
      const database = connected(url.href, { connections: 6 });
      const sleeping = Array.from({ length: 6 }, () => database.run([{ sql: 'select pg_sleep(0.3)' }]));
      const settled = await Promise.allSettled(sleeping);
      expect(settled.filter((s) => s.status === 'fulfilled')).toHaveLength(2);
      for (const s of settled)
        if (s.status === 'rejected') expect(s.reason).toMatchObject(detail(/^53300 too many connections/));
      expect(await database.run(one)).toEqual([[{ ok: 1 }]]);
      await database.close();
      await admin.run([{ sql: `drop role ${role}` }]);
    });
  });

  describe('one process alone', () => {
    const WHY = 'there is a graph in its memory';
    const endAll = (admin: PostgresDatabase, url: string) =>
      admin.run([
        {
          sql: 'select pg_terminate_backend(pid, 1000) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()',
          params: [new URL(url).pathname.slice(1)],
        },
      ]);

    it('keeps a second out and says who it is, until it is gone', async () => {
      const url = await migratedUrl(uuid());
      const [first, second] = [connected(url), connected(url)];
      await first.acquireLease(WHY);
      expect(await first.run(one)).toEqual([[{ ok: 1 }]]);
      await expect(second.acquireLease(WHY)).rejects.toMatchObject({
        name: 'ConfigError',
        message: expect.stringMatching(
          new RegExp(`^postgres://.*: the database is in use by "remit ${process.pid} on .*" at 127.0.0.1.*; ${WHY}$`),
        ) as string,
      });
      await first.close();
      await second.acquireLease(WHY);
      expect(await second.run(one)).toEqual([[{ ok: 1 }]]);
    });

    it('goes on where its connections were lost and nobody came', async () => {
      const url = await migratedUrl(uuid());
      const [first, second, admin] = [connected(url), connected(url), connected(await databaseUrl(uuid()))];
      await first.acquireLease(WHY);
      await Promise.all(Array.from({ length: 5 }, () => first.run([{ sql: 'select pg_sleep(0.1)' }])));
      await endAll(admin, url);
      await first.run(one).catch(() => undefined);
      expect(await first.run(one)).toEqual([[{ ok: 1 }]]);
      await expect(second.acquireLease(WHY)).rejects.toThrow('is in use by');
    });

    it('takes up the lock again by itself, asked or not', { timeout: 20_000 }, async () => {
      const url = await migratedUrl(uuid());
      const [first, second, admin] = [connected(url), connected(url), connected(await databaseUrl(uuid()))];
      await first.acquireLease(WHY);
      await endAll(admin, url);
      await wait(6_000);
      await expect(second.acquireLease(WHY)).rejects.toThrow('is in use by');
    });

    it('never comes back once another has begun', async () => {
      const url = await migratedUrl(uuid());
      const [first, second, admin] = [connected(url), connected(url), connected(await databaseUrl(uuid()))];
      await first.acquireLease(WHY);
      await endAll(admin, url);
      await second.acquireLease(WHY);
      for (let i = 0; i < 3; i += 1)
        await expect(first.run(one)).rejects.toMatchObject(detail(/^another process has taken the database over/));
      await second.close();
      await expect(first.run(one)).rejects.toMatchObject(detail(/^another process has taken the database over/));
    });

    it('begins only when every connection of the one before is gone', async () => {
      const url = await migratedUrl(uuid());
      const [first, second] = [connected(url), connected(url)];
      await first.acquireLease(WHY);
      const late = first.run([{ sql: 'select pg_sleep(1)' }, { sql: `insert into meta values ('late', 'x')` }]);
      const closing = first.close();
      await second.acquireLease(WHY);
      expect((await second.run([{ sql: `select value from meta where key = 'late'` }]))[0]).toHaveLength(1);
      await Promise.all([late, closing]);
    });
  });
});

describe.skipIf(SERVER === undefined || BINARIES === undefined)(`${NEEDS}: a server of its own that fails`, () => {
  let server: Throwaway;
  let wire: Wire;
  let lines: string[];
  let database: PostgresDatabase;
  const onSuiteFinished = collectCleanups();
  beforeAll(async () => {
    server = await Throwaway.start();
    onSuiteFinished(() => server.remove());
    wire = await Wire.to(server.port);
    onSuiteFinished(() => wire.close());
    await migrateSchema(connected(server.url()));
  });
  beforeEach(() => {
    lines = [];
    database = connected(
      server.url('postgres', { port: wire.port }),
      { connect_timeout_ms: 500, statement_timeout_ms: 1_000 },
      (line) => lines.push(line),
    );
    return () => database.close();
  });

  it('that is stopped and started again: it is away meanwhile, and nothing has to be restarted', async () => {
    const writer = newDecisionStore(database);
    await writer.record(record());
    await server.stop();
    for (let i = 0; i < 5; i += 1) await expect(writer.record(record())).rejects.toMatchObject(away);
    expect(lines).toEqual([expect.stringMatching(/^postgres:\/\/127\.0\.0\.1:\d+\/postgres: can't answer: /)]);
    await server.up();
    await vi.waitUntil(
      () =>
        writer.record(record()).then(
          () => true,
          () => false,
        ),
      BACK,
    );
    expect(lines.slice(1)).toEqual([expect.stringMatching(/: answers again$/)]);
    expect(lines.join('')).not.toContain('pass-word');
  });

  it('a connection that is cut in the middle of a statement: nothing of the list has happened', async () => {
    const cut = database.run([{ sql: `insert into meta values ('cut', '1')` }, { sql: 'select pg_sleep(10)' }]);
    await wait(300);
    wire.cut();
    await expect(cut).rejects.toMatchObject(away);
    expect(await database.run([{ sql: `select 1 from meta where key = 'cut'` }])).toEqual([[]]);
  });

  it('a session that the server ends: the next list has another', async () => {
    const [[{ pid } = {}] = []] = await database.run([{ sql: 'select pg_backend_pid() as pid' }]);
    const busy = database.run([{ sql: 'select pg_sleep(10)' }]).catch((error: unknown) => error);
    await wait(100);
    await connected(server.url()).run([{ sql: 'select pg_terminate_backend($1)', params: [Number(pid)] }]);
    expect(await busy).toMatchObject(detail(/^57P01 /));
    expect(await database.run(one)).toEqual([[{ ok: 1 }]]);
  });

  it('a network that swallows everything: given up after a while, and back with it', async () => {
    await database.run(one);
    wire.freeze(true);
    const [old, fresh] = await Promise.allSettled([database.run(one), database.run(one)]);
    expect([old.status, fresh.status]).toEqual(['rejected', 'rejected']);
    wire.freeze(false);
    await expect.poll(() => database.run(one).catch(() => undefined), BACK).toEqual([[{ ok: 1 }]]);
  });

  it('a flood while it is away piles nothing up', async () => {
    await server.stop();
    const flood = await Promise.allSettled(Array.from({ length: 5_000 }, () => database.run(one)));
    expect(flood.every((f) => f.status === 'rejected')).toBe(true);
    const codes = new Set(flood.map((f) => (f.status === 'rejected' ? (f.reason as Fault).code : '')));
    expect([...codes].sort()).toEqual(['database_unavailable', 'overloaded']);
    await server.up();
    await expect.poll(() => database.run(one).catch(() => undefined), BACK).toEqual([[{ ok: 1 }]]);
    expect(database.stats()).toMatchObject({ waiting: 0, circuit: { state: 'closed', opened: 1 } });
  });

  it('that is killed under writes, again and again: no record is lost that was acknowledged', { timeout: 120_000 }, async () => {
    const store = newDecisionStore(connected(server.url()));
    const acknowledged: string[] = [];
    let refused = 0;
    for (let round = 0; round < 5; round += 1) {
      let writing = true;
      const writers = Array.from({ length: 40 }, async () => {
        while (writing) {
          const id = uuid();
          await store.record(record(id)).then(
            () => acknowledged.push(id),
            async () => {
              refused += 1;
              await wait(20);
            },
          );
        }
      });
      await wait(300 + round * 130);
      await server.kill();
      await wait(200);
      await server.up();
      const until = acknowledged.length;
      while (acknowledged.length < until + 100) await wait(20);
      writing = false;
      await Promise.all(writers);
    }
    const [rows] = await connected(server.url()).run([
      {
        sql: `select count(*)::int as n from jsonb_array_elements_text($1::jsonb) a join records d on d.id = a::uuid`,
        params: [JSON.stringify(acknowledged)],
      },
    ]);
    expect(rows).toEqual([{ n: acknowledged.length }]);
    expect(refused).toBeGreaterThan(0);
  }); // prettier-ignore

  describe('a password', () => {
    it('that is wrong or missing is said to be, and not what it was', async () => {
      const wrong = connected(server.url('postgres', { password: 'the-secret' }));
      const error = await wrong.run(one).catch((e: unknown) => e as Fault);
      expect(error).toMatchObject(detail(/^28P01 password authentication failed/));
      expect(JSON.stringify([error, (error as Fault).stack])).not.toContain('the-secret');
      const none = connected(server.url('postgres', { password: '' }));
      await expect(none.run(one)).rejects.toMatchObject(detail(/asks for a password, and none is configured/));
    });

    it('of a file may change while the service runs', async () => {
      const directory = mkdtempSync(join(tmpdir(), 'remit-password-'));
      const file = join(directory, 'password');
      const admin = connected(server.url());
      await admin.run([{ sql: `create role changing login password 'first'` }]);
      writeFileSync(file, 'first\n');
      const url = server.url('postgres', { user: 'changing', password: '', port: wire.port });
      const changing = connected(url, { password_file: file });
      await changing.run(one);
      await admin.run([{ sql: `alter role changing password 'second'` }]);
      wire.cut();
      await wait(50);
      await expect(changing.run(one)).rejects.toMatchObject(detail(/^28P01 /));
      writeFileSync(file, 'second');
      expect(await changing.run(one)).toEqual([[{ ok: 1 }]]);
      rmSync(directory, { recursive: true });
    });
  });
});

describe.skipIf(SERVER === undefined || BINARIES === undefined)(`${NEEDS}: a server of its own with TLS`, () => {
  const ca = fileURLToPath(new URL('../../support/certificates/server.pem', import.meta.url));
  let server: Throwaway;
  let plain: Throwaway;
  const onSuiteFinished = collectCleanups();
  beforeAll(async () => {
    server = await Throwaway.start({ listen_addresses: '127.0.0.1,127.0.0.2' }, true);
    onSuiteFinished(() => server.remove());
    plain = await Throwaway.start();
    onSuiteFinished(() => plain.remove());
  });
  const named = (host: string): string => server.url().replace('@127.0.0.1:', `@${host}:`);
  const encrypted = [{ sql: 'select ssl, version from pg_stat_ssl where pid = pg_backend_pid()' }];

  it('is believed where its certificate is of the given authority and for its name', async () => {
    const [rows] = await connected(named('localhost'), { tls: 'verify-full', ca }).run(encrypted);
    expect(rows).toEqual([{ ssl: true, version: 'TLSv1.3' }]);
  });

  it.each<[string, string, object, RegExp]>([
    ['of an authority that nobody named', 'localhost', { tls: 'verify-full' }, /self[- ]signed/i],
    ['for another name', '127.0.0.2', { tls: 'verify-full', ca }, /does not match certificate|IP: 127\.0\.0\.2/],
  ])('is not, %s', async (_what, host, options, why) => {
    await expect(connected(named(host), options).run(one)).rejects.toMatchObject(detail(why));
  });

  it('is believed with less only where that is asked for by name', async () => {
    expect((await connected(named('127.0.0.2'), { tls: 'verify-ca', ca }).run(encrypted))[0]?.[0]).toMatchObject({ ssl: true }); // prettier-ignore
    await expect(connected(named('localhost'), { tls: 'verify-ca' }).run(one)).rejects.toMatchObject(away);
    expect((await connected(named('localhost'), { tls: 'unverified' }).run(encrypted))[0]?.[0]).toMatchObject({ ssl: true }); // prettier-ignore
    expect((await connected(named('localhost'), { tls: 'disable' }).run(encrypted))[0]?.[0]).toMatchObject({ ssl: false }); // prettier-ignore
  });

  it('that speaks no TLS is not talked to without', async () => {
    await expect(connected(plain.url(), { tls: 'verify-full' }).run(one)).rejects.toMatchObject(detail(/does not support SSL/)); // prettier-ignore
    await expect(connected(plain.url(), { tls: 'unverified' }).run(one)).rejects.toMatchObject(detail(/does not support SSL/)); // prettier-ignore
  });
});
