/** The contract of the database port, for every implementation. */
import { changeRecordsOf, newDecisionStore } from '../../support/record-values.js';
import { beforeAll, describe, expect, it } from 'vitest';
import { StatementRejectedFault, type Database, type SqlStatement } from '../../../src/store/database/port.js';
import { Fault } from '../../../src/model/faults.js';
import { delegationKey, type DelegationPair } from '../../../src/model/delegations.js';
import { DelegationStore, MAX_CLOSED_OF_USER } from '../../../src/store/delegations.js';
import { EntityStore } from '../../../src/store/entities.js';
import { ReadBatch } from '../../../src/store/read-batch.js';
import { Journal } from '../../../src/store/journal.js';
import {
  migrateSchema,
  requireSchemaVersion,
  SCHEMA_VERSION,
  readSchemaVersion,
} from '../../../src/store/migrations.js';
import { UsedDpopProofStore } from '../../../src/store/used-dpop-proofs.js';
import { RevocationStore } from '../../../src/store/revocations.js';
import type { RevocableToken } from '../../../src/model/revocations.js';
import type { DecisionRecord } from '../../../src/model/decision.js';
import type { ReferenceStep } from '../../../src/model/entities.js';
import { formatRef, type EntityRef } from '../../../src/model/ids.js';
import { formatRelationship, parseRelationship } from '../../../src/graph/relationship-text.js';
import { v7 as uuid } from 'uuid';

/** @param open a database that is empty */
export function databaseContract(name: string, open: () => Promise<Database>): void {
  describe(`database: ${name}`, () => {
    let db: Database;
    beforeAll(async () => {
      db = await open();
      await migrateSchema(db);
      return () => db.close();
    });

    it('answers the rows of each statement, in order', async () => {
      const results = await db.run([
        { sql: 'select $1::int as a', params: [1] },
        { sql: `select '{"x": [1]}'::jsonb as j, now() as t` },
      ]);
      expect(results[0]).toEqual([{ a: 1 }]);
      expect(results[1]?.[0]?.['j']).toEqual({ x: [1] });
      expect(results[1]?.[0]?.['t']).toBeInstanceOf(Date);
    });

    it('does all of a list or nothing', async () => {
      await db.run([{ sql: 'create table twins (n int primary key)' }]);
      const failing = db.run([{ sql: 'insert into twins values (1)' }, { sql: 'insert into twins values (1)' }]);
      await expect(failing).rejects.toMatchObject({ name: 'Fault', code: 'database_unavailable' });
      expect((await db.run([{ sql: 'select * from twins' }]))[0]).toEqual([]);
    });

    it('says what fails as a fault, and goes on', async () => {
      await expect(db.run([{ sql: 'select nonsense' }])).rejects.toBeInstanceOf(Fault);
      await expect(db.run([{ sql: 'select nonsense' }])).rejects.not.toBeInstanceOf(StatementRejectedFault);
      expect((await db.run([{ sql: 'select 1 as ok' }]))[0]).toEqual([{ ok: 1 }]);
    });

    it.each<[string, string, string]>([
      ['a value that is none of the type', 'select $1::uuid', 'not a uuid'],
      ['NUL in jsonb', 'select $1::jsonb', '{"a":"\\u0000"}'],
      ['half a surrogate in jsonb', 'select $1::jsonb', '{"a":"\\ud800"}'],
      ['a time that there never was', 'select $1::timestamptz', '2030-02-30T00:00:00Z'],
      ['a row that is there', 'insert into meta values ($1, $1)', 'store_id'],
    ])('refuses %s: that is told from being away', async (_what, sql, value) => {
      await expect(db.run([{ sql, params: [value] }])).rejects.toBeInstanceOf(StatementRejectedFault);
      await expect(db.run([{ sql: 'select 1' }, { sql, params: [value] }])).rejects.toBeInstanceOf(
        StatementRejectedFault,
      );
    });

    it('gives every type back as the port says', async () => {
      const [[row] = []] = await db.run([
        {
          sql: `select 9007199254740991::bigint as n, $1::jsonb as j, $2::timestamptz as t, $3::boolean as b, null as z, $4::text as s,
                  '{"2": 1, "1": [true, null, 1.5, 1e300]}'::jsonb as k, array['a', 'b'] as a`,
          params: ['{"a":"\\\\ \\" ünï\u2028"}', '2030-03-04T10:00:00.123Z', true, 'it\'s {"odd"} \\ $1'],
        },
      ]);
      expect(row).toEqual({
        n: 9007199254740991, j: { a: '\\ " ünï\u2028' }, t: new Date('2030-03-04T10:00:00.123Z'), b: true, z: null,
        s: "it's {\"odd\"} \\ $1", k: { '1': [true, null, 1.5, 1e300], '2': 1 }, a: ['a', 'b'],
      }); // prettier-ignore
    });

    it('knows its version, also before there is one', async () => {
      expect(await readSchemaVersion(db)).toBe(SCHEMA_VERSION);
      await expect(requireSchemaVersion(db, 'here')).resolves.toBeUndefined();
    });

    it('migrates once, however often it is asked', async () => {
      await migrateSchema(db);
      await migrateSchema(db);
      const [rows] = await db.run([{ sql: 'select count(*)::int as n, max(version)::int as last from remit_version' }]);
      expect(rows?.[0]?.['n']).toBeGreaterThan(1);
      expect(rows?.[0]?.['n']).toBe(rows?.[0]?.['last']);
    });

    it('refuses a database of a newer Remit', async () => {
      await db.run([{ sql: 'insert into remit_version values (999)' }]);
      for (const act of [migrateSchema, (on: Database) => requireSchemaVersion(on, 'here')])
        await expect(act(db)).rejects.toMatchObject({
          code: 'database_unavailable',
          detail: expect.stringContaining('newer') as string,
        });
      await db.run([{ sql: 'delete from remit_version where version = 999' }]);
    });

    describe('delegations', () => {
      const odd = 'a "quoted" \\ {id}, ünïcode $1';
      const pairs = [odd, 'plain', 'none'].map((id) => ({
        giver: { type: 'user', id: odd },
        agent: { type: 'agent', id },
      }));
      const [first, second, third] = pairs as [DelegationPair, DelegationPair, DelegationPair];
      const made = { by: 'user:x', at: new Date('2030-03-04T10:00:00Z') };
      const bounds = { ends: '2030-04-04T10:00:00.000Z', online: true, background: false, details: [{ type: 'remit', actions: ['$2'] }] }; // prettier-ignore

      it('are read together with entities, in one statement and as each would be alone', async () => {
        let runs = 0;
        const counting: Database = Object.assign(Object.create(db) as Database, {
          run: (statements: readonly SqlStatement[]) => {
            runs += 1;
            return db.run(statements);
          },
        });
        const reads = new ReadBatch(counting);
        const entities = new EntityStore(db, reads);
        const delegations = new DelegationStore(db, changeRecordsOf(db), reads);
        await entities.put([
          { type: 'user', id: odd, attributes: { n: 1, text: '$3', when: null }, parents: [{ type: 'team', id: 't' }] },
        ]);
        await delegations.put(first, bounds, made);
        await delegations.end(second, made);
        const ref = { type: 'user', id: odd };
        const steps = [{ path: ['boss'], type: 'user', steps: [] }];
        for (const need of [ref, { ...ref, steps }]) {
          const fresh = new EntityStore(db, reads);
          const [together, found] = await Promise.all([
            fresh.fetch([need]),
            new DelegationStore(db, changeRecordsOf(db), reads).fetch(pairs),
          ]);
          expect([...together]).toEqual([...(await new EntityStore(db).fetch([need]))]);
          expect([...found.values()]).toEqual([{ state: 'given', ...bounds }, { state: 'ended' }, undefined]);
          expect([...found]).toEqual([...(await new DelegationStore(db, changeRecordsOf(db)).fetch(pairs))]);
        }
        expect(runs).toBe(2);
      });

      it('are changed by one writer at a time, each of whom knows what it changes', async () => {
        const store = new DelegationStore(db, changeRecordsOf(db));
        expect((await store.fetch([third])).get(delegationKey(third))).toBeUndefined();
        expect(await store.put(third, bounds, made, { replaces: uuid() })).toBeUndefined();
        const tries = await Promise.all([1, 2, 3].map(() => store.put(third, bounds, made, { replaces: 'absent' })));
        const [version] = tries.filter((one) => typeof one === 'string');
        expect(tries.filter((one) => one !== undefined)).toEqual([version]);
        expect((await store.fetch([third])).get(delegationKey(third))).toEqual({ state: 'given', ...bounds });
        const portal = { ...made, by: 'portal' };
        expect(await store.put(third, bounds, portal, { onlyBy: 'portal' })).toBeUndefined();
        expect(await store.settle(third, uuid())).toBe(false);
        expect(await store.settle(third, String(version))).toBe(true);
        expect(await store.end(third, made, { version: uuid() })).toBe(false);
        expect((await store.find(third))?.state).toBe('given');
        const forget = async () => store.forget(third, (await store.find(third))?.version ?? '');
        expect(await store.end(third, made, { bars: true })).toBe(true);
        expect(await forget()).toBe(true);
        expect((await store.fetch([third])).get(delegationKey(third))).toEqual({ state: 'barred' });
        // It is narrowed by its user, who has not given it anew.
        const marked = (await store.find(third))?.version ?? '';
        expect(await store.put(third, bounds, portal, { onlyBy: 'portal' })).toBeUndefined();
        expect(await store.put(third, bounds, made, { replaces: marked, keepsBar: true })).toBeDefined();
        expect((await store.fetch([third])).get(delegationKey(third))).toEqual({
          state: 'given',
          bars: true,
          ...bounds,
        });
        await store.settle(third, (await store.find(third))?.version ?? '');
        expect(await store.put(third, bounds, made)).toBeDefined();
        expect((await store.fetch([third])).get(delegationKey(third))).toEqual({ state: 'given', ...bounds });
        // What its user has ended is no delegation, and a client still doesn't take its place.
        await store.settle(third, (await store.find(third))?.version ?? '');
        await store.end(third, made);
        expect(await forget()).toBe(true);
        expect((await store.fetch([third])).get(delegationKey(third))).toBeUndefined();
        expect(await store.find(third)).toMatchObject({ state: 'closed', madeBy: made.by });
        expect(await store.put(third, bounds, portal, { onlyBy: 'portal' })).toBeUndefined();
        // Of the marks the oldest make room, and none of an agent that was stopped.
        await db.run([
          {
            sql: `insert into delegations (giver_type, giver_id, agent_type, agent_id, state, bounds, made_by, made_at, version, settled, bars, marks)
                  select $1, $2, 'agent', 'old' || n, case when n % 2 = 0 then 'closed' else 'barred' end, '{}', $3,
                    '2020-01-01'::timestamptz + n * interval '1 minute', gen_random_uuid(), true, n % 2 = 1, true
                  from generate_series(1, $4::int) n`,
            params: [third.giver.type, third.giver.id, made.by, 2 * MAX_CLOSED_OF_USER + 20],
          },
        ]);
        await store.put(third, bounds, made);
        await store.settle(third, (await store.find(third))?.version ?? '');
        await store.end(third, made);
        await forget();
        const [kept = []] = await db.run([
          {
            sql: `select state, count(*)::int as n, min(made_at) as oldest from delegations where giver_type = $1 and giver_id = $2
                    and state in ('closed', 'barred') group by state order by state`,
            params: [third.giver.type, third.giver.id],
          },
        ]);
        expect(kept.map(({ state, n }) => [state, n])).toEqual([
          ['barred', MAX_CLOSED_OF_USER + 10],
          ['closed', MAX_CLOSED_OF_USER],
        ]);
        expect(await store.find(third)).toMatchObject({ state: 'closed' });
        await db.run([{ sql: `delete from delegations where agent_id like 'old%'` }]);
        // What a client has given and ended itself is forgotten.
        const fourth = { ...third, agent: { ...third.agent, id: 'fourth' } };
        await store.put(fourth, bounds, portal, { onlyBy: 'portal' });
        await store.settle(fourth, (await store.find(fourth))?.version ?? '');
        await store.end(fourth, portal);
        expect(await store.forget(fourth, (await store.find(fourth))?.version ?? '')).toBe(true);
        expect(await store.find(fourth)).toBeUndefined();
      });
    });

    describe('entities', () => {
      it('come back as they were put, with their ancestors over any number of steps', async () => {
        const store = new EntityStore(db);
        await store.put([
          { type: 'folder', id: 'root', attributes: {}, parents: [] },
          {
            type: 'folder',
            id: 'a "quoted" \\ {id}, ünïcode',
            attributes: {},
            parents: [{ type: 'folder', id: 'root' }],
          },
          {
            type: 'doc',
            id: '1',
            attributes: { n: 1, s: ['x'] },
            parents: [{ type: 'folder', id: 'a "quoted" \\ {id}, ünïcode' }],
          },
        ]);
        const [doc, none] = await store.lookup([
          { type: 'doc', id: '1' },
          { type: 'doc', id: '2' },
        ]);
        expect(none).toBeUndefined();
        expect(doc?.attributes).toEqual({ n: 1, s: ['x'] });
        expect(doc?.parents).toEqual([{ type: 'folder', id: 'a "quoted" \\ {id}, ünïcode' }]);
        expect(doc?.ancestors.map((a) => a.id).sort()).toEqual(['a "quoted" \\ {id}, ünïcode', 'root']);
      });

      it('with parents in a circle end', async () => {
        const store = new EntityStore(db);
        await store.put([
          { type: 'ring', id: 'a', attributes: {}, parents: [{ type: 'ring', id: 'b' }] },
          { type: 'ring', id: 'b', attributes: {}, parents: [{ type: 'ring', id: 'a' }] },
        ]);
        const [a] = await store.lookup([{ type: 'ring', id: 'a' }]);
        expect(a?.ancestors.map((r) => r.id).sort()).toEqual(['a', 'b']);
      });

      it('are fetched with those that references lead to, over records and in either form, and no further', async () => {
        const store = new EntityStore(db);
        const plain = (id: string, attributes: object = {}, parents: EntityRef[] = []) => ({ type: 'ref', id, attributes: { ...attributes }, parents }); // prettier-ignore
        await store.put([
          plain('1', { next: '2', meta: { owner: { type: 'ref', id: '3' } }, other: '6' }, [{ type: 'ref', id: 'up' }]),
          plain('2', { next: { type: 'anything', id: 'it"s {\\}' } }),
          plain('3', { next: 'nowhere' }, [{ type: 'ref', id: 'up' }]),
          plain('it"s {\\}', { next: '1' }),
          plain('6'),
          plain('up', {}, [{ type: 'ref', id: 'top' }]),
          plain('7', { next: ['1'], meta: 'no record' }),
        ]);
        const step = (path: string[], ...steps: ReferenceStep[]): ReferenceStep => ({ path, type: 'ref', steps });
        const steps = [step(['next'], step(['next'], step(['next']))), step(['meta', 'owner'], step(['next']))];
        const fetched = await store.fetch([{ type: 'ref', id: '1', steps }]);
        const keys = ['1', '2', '3', 'it"s {\\}', 'nowhere'].map((id) => formatRef({ type: 'ref', id }));
        expect([...fetched.keys()].sort()).toEqual(keys.sort());
        expect(fetched.get('ref:nowhere')).toBeUndefined();
        expect(fetched.get('ref:3')?.ancestors.map(({ id }) => id).sort()).toEqual(['top', 'up']);
        expect(fetched.get('ref:1')?.attributes).toHaveProperty('other', '6');
        // Again, partly from what is kept; a circle ends with the steps; what is no reference leads nowhere.
        const more = await store.fetch([{ type: 'ref', id: '2', steps }, { type: 'ref', id: '7', steps }]);
        expect([...more.keys()].sort()).toEqual(['1', '2', '7', 'it"s {\\}'].map((id) => formatRef({ type: 'ref', id })).sort());
        expect([...(await store.fetch([{ type: 'ref', id: '1' }])).keys()]).toEqual(['ref:1']);
      }); // prettier-ignore

      it('are all of one moment, with a write between what was kept and what is read', async () => {
        const store = new EntityStore(db);
        const [ref, left, right] = ['root', 'left', 'right'].map((id) => ({ type: 'swap', id })) as [EntityRef, EntityRef, EntityRef];
        const write = (to: string, leftIs: boolean) =>
          store.put([
            { ...ref, attributes: { to }, parents: [] },
            { ...left, attributes: { free: leftIs }, parents: [] },
            { ...right, attributes: { free: !leftIs }, parents: [] },
          ]);
        await write('left', false);
        await store.fetch([ref]);
        const fetching = store.fetch([{ ...ref, steps: [{ path: ['to'], type: 'swap', steps: [] }] }]);
        const writing = write('right', true);
        const [fetched] = await Promise.all([fetching, writing]);
        const to = String(fetched.get('swap:root')?.attributes['to']);
        expect(fetched.get(`swap:${to}`)?.attributes).toEqual({ free: false });
      }); // prettier-ignore

      it('are new at the next look-up after each write', async () => {
        const store = new EntityStore(db);
        const ref = { type: 'user', id: 'fresh' };
        for (const n of [1, 2, 3]) {
          await store.put([{ ...ref, attributes: { n }, parents: [] }]);
          expect((await store.lookup([ref]))[0]?.attributes).toEqual({ n });
        }
        expect(await store.remove(ref)).toBe(true);
        expect(await store.lookup([ref])).toEqual([undefined]);
        expect(await store.remove(ref)).toBe(false);
      });
    });

    describe('the journal', () => {
      it('gives back what was settled, and names what was not', async () => {
        const journal = await Journal.open(db);
        const update = (text: string, operation: 'touch' | 'delete' = 'touch') => ({
          operation,
          relationship: parseRelationship(text),
        });
        const first = await journal.append([update('doc:1#viewer@user:a')], 'test');
        await journal.settle(first);
        const second = await journal.append([update('doc:2#viewer@user:b')], 'test');
        await journal.withdraw(second);
        const third = await journal.append([update('doc:1#viewer@user:a', 'delete')], 'test');
        const replay = await journal.replay();
        expect(replay.settledUpdates.map((u) => [u.operation, formatRelationship(u.relationship)])).toEqual([
          ['touch', 'doc:1#viewer@user:a'],
        ]);
        expect(replay.unsettled.map((u) => u.sequence)).toEqual([third]);
        expect(replay.sequence).toBe(third);
      });

      it('brings nothing back that was taken away while the database could not be told what had become of it', async () => {
        let away = false;
        const journal = await Journal.open({
          ...shared(db),
          run: (statements) => (away ? Promise.reject(new Fault('database_unavailable')) : db.run(statements)),
        });
        const viewer = { relationship: parseRelationship('doc:3#viewer@user:c') };
        const given = await journal.append([{ ...viewer, operation: 'touch' }], 'test');
        away = true;
        await journal.settle(given);
        away = false;
        // A process that starts would find this; the present one knows better.
        const other = await Journal.open(db);
        expect((await other.replay()).unsettled.map((u) => u.sequence)).toEqual([given]);
        await journal.settle(await journal.append([{ ...viewer, operation: 'delete' }], 'test'));
        const { settledUpdates, unsettled } = await journal.replay();
        expect([settledUpdates.slice(-2).map((u) => u.operation), unsettled]).toEqual([['touch', 'delete'], []]);
      });

      it('gives an engine that follows another no write that the one before has refused', async () => {
        let away = false;
        const journal = await Journal.open({
          ...shared(db),
          run: (statements) => (away ? Promise.reject(new Fault('database_unavailable')) : db.run(statements)),
        });
        const relationship = parseRelationship('doc:5#viewer@user:e');
        const refused = await journal.append([{ relationship, operation: 'touch' }], 'test');
        away = true;
        await journal.withdraw(refused);
        away = false;
        const { settledUpdates, unsettled } = await journal.replay();
        expect(unsettled).toEqual([]);
        expect(settledUpdates.filter((u) => u.relationship.resource.id === '5')).toEqual([]);
      });

      it('gives up a write whose connection broke, also where it arrives after the next', async () => {
        const journal = await Journal.open(db);
        const update = (user: string) => ({
          operation: 'touch' as const,
          relationship: parseRelationship(`doc:4#viewer@user:${user}`),
        });
        await journal.append([update('broke')], 'test');
        const [lost] = await db.run([{ sql: `select nextval('relationship_journal_sequence_seq') as n` }]);
        await journal.settle(await journal.append([update('next')], 'test'));
        await db.run([
          {
            sql: `insert into relationship_journal (sequence, written_by, updates) overriding system value
                  values ($1, 'test', $2::jsonb)`,
            params: [Number(lost?.[0]?.['n']), JSON.stringify([update('late')])],
          },
        ]);
        const { settledUpdates, unsettled } = await journal.replay();
        expect(settledUpdates.map((u) => u.relationship.subject.id)).toContain('next');
        expect(JSON.stringify(settledUpdates)).not.toMatch(/broke|late/);
        expect(unsettled).toEqual([]);
      });

      it("knows its own ZedTokens from others'", async () => {
        const journal = await Journal.open(db);
        expect(journal.decodeToken(journal.encodeToken(7))).toBe(7);
        for (const other of [
          '',
          'x',
          'GhUKEzE3',
          Buffer.from('elsewhere.7').toString('base64url'),
          `${journal.encodeToken(7)}=`,
          `${journal.encodeToken(7)} `,
        ]) {
          expect(journal.decodeToken(other)).toBeUndefined();
        }
      });
    });

    describe('decision records', () => {
      const record = (over: Partial<DecisionRecord> = {}): DecisionRecord => ({
        id: uuid(), evaluated_at: '2030-01-01T00:00:00.000Z', client: 'c', decision: true, dry_run: false, policy_version: 'v',
        request: { subject: { type: 'user', id: 'a' }, action: 'read', resource: { type: 'doc', id: '1' } },
        reasons: [], obligations: [], rationale: { steps: [] }, ...over,
      }); // prettier-ignore

      it('are there when the promise is kept, in whatever groups they went', async () => {
        const store = newDecisionStore(db);
        const records = Array.from({ length: 700 }, () => record());
        await Promise.all(records.map((r) => store.record(r)));
        expect((await store.find(records[699]?.id ?? ''))?.record).toEqual(records[699]);
        const ids = records.map((r) => `'${r.id}'`).join(',');
        expect((await db.run([{ sql: `select count(*)::int as n from records where id in (${ids})` }]))[0]).toEqual([
          { n: 700 },
        ]);
      });

      it('that the database refuses take no neighbour with them', async () => {
        const store = newDecisionStore(db);
        const good = [record(), record()];
        const bad = record({ id: 'not a uuid' });
        const outcomes = await Promise.allSettled(
          [good[0], bad, good[1]].map((r) => store.record(r as DecisionRecord)),
        );
        expect(outcomes.map((o) => o.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
        for (const { id } of good) expect((await store.find(id))?.record.id).toBe(id);
      });

      it('are refused at once while the database is away, and what was answered is told when it is back', async () => {
        let away = false;
        let asked = 0;
        const store = newDecisionStore({
          ...shared(db),
          run: (statements) => {
            asked += 1;
            return away ? Promise.reject(new Fault('database_unavailable')) : db.run(statements);
          },
        });
        const [stored, other] = [record(), record()];
        await store.record(stored);
        away = true;
        const failed = await Promise.allSettled(Array.from({ length: 300 }, () => store.record(record())));
        expect(failed.every((f) => f.status === 'rejected')).toBe(true);
        expect(asked).toBeLessThan(10); // Not once for each.
        store.correct({ ...stored, decision: false });
        await new Promise((resolve) => setTimeout(resolve, 50));
        away = false;
        await store.record(other);
        expect((await store.find(stored.id))?.record.decision).toBe(false);
        // The first word arrives late: it doesn't undo the last.
        await store.record(stored);
        expect((await store.find(stored.id))?.record.decision).toBe(false);
      });

      it('take one outcome, the same one again, and no other', async () => {
        const store = newDecisionStore(db);
        const { id } = record();
        await store.record(record({ id }));
        expect(await store.reportOutcome(id, 'c', { outcome: 'executed' })).toBe('reported');
        expect(await store.reportOutcome(id, 'c', { outcome: 'executed' })).toBe('reported');
        expect(await store.reportOutcome(id, 'c', { outcome: 'failed' })).toBe('other');
        expect((await store.find(id))?.outcome).toMatchObject({ outcome: 'executed', reported_by: 'c' });
      });
    });

    describe('revocations', () => {
      const token = (jti: string): RevocableToken => ({
        issuer: 'i', jti, user: 'u', actors: [], session: undefined, txn: undefined, issuedAt: 0,
      }); // prettier-ignore

      it('are known within a second to every process that shares the database, each of them', async () => {
        const [one, two, three] = [0, 1, 2].map(() => new RevocationStore(shared(db), changeRecordsOf(shared(db)))) as [
          RevocationStore,
          RevocationStore,
          RevocationStore,
        ];
        const ids = Array.from({ length: 40 }, () => uuid());
        expect(await three.find(token('none'))).toBeUndefined();
        await Promise.all(
          ids.map((id, i) =>
            (i % 2 === 0 ? one : two).add({ id, jti: id, revokedAt: '2030-01-01T00:00:00.000Z', revokedBy: 't' }),
          ),
        );
        await new Promise((resolve) => setTimeout(resolve, 550));
        for (const id of ids) expect(await three.find(token(id))).toMatchObject({ id, what: 'token' });
        // Also where the answer that is on its way was asked for before, and is late.
        const slow = new RevocationStore(
          {
            ...shared(db),
            run: async (statements) => {
              const rows = await db.run(statements);
              await new Promise((resolve) => setTimeout(resolve, 800));
              return rows;
            },
          },
          changeRecordsOf(db),
        );
        const early = slow.find(token('late'));
        await new Promise((resolve) => setTimeout(resolve, 100));
        await one.add({ id: uuid(), jti: 'late', revokedAt: '2030-01-01T00:00:00.000Z', revokedBy: 't' });
        await new Promise((resolve) => setTimeout(resolve, 600));
        expect((await slow.find(token('late')))?.what).toBe('token');
        await early;
        const [last] = await one.list(1);
        expect(last).toMatchObject({ revokedAt: '2030-01-01T00:00:00.000Z', revokedBy: 't' });
      });
    });

    it('takes a proof once, whoever is shown it, and sweeps what has expired', async () => {
      const stores = [new UsedDpopProofStore(db), new UsedDpopProofStore(db)];
      const now = new Date('2030-01-01T00:00:00Z');
      const seconds = now.getTime() / 1000;
      for (let i = 0; i < 120; i += 1) {
        const spent = await Promise.all(stores.map((s) => s.markUsed(`proof ${i}`, seconds + (i < 99 ? -1 : 60), now)));
        expect(spent.filter(Boolean)).toHaveLength(1);
      }
      expect(await stores[0]?.isUnused('proof 119')).toBe(false);
      expect(await stores[0]?.isUnused('proof 1')).toBe(true);
    });
  });
}

/** The database as several processes share it, whatever it is. */
function shared(database: Database): Database {
  return {
    exclusive: false,
    run: (statements) => database.run(statements),
    stats: () => database.stats(),
    close: () => database.close(),
  };
}
