/** What every implementation of the database port must do. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../../src/engines/database/port.js';
import { Fault } from '../../src/model/faults.js';
import { DecisionStore } from '../../src/stores/decisions.js';
import { EntityStore } from '../../src/stores/entities.js';
import { Journal } from '../../src/stores/journal.js';
import { migrate } from '../../src/stores/migrations.js';
import type { DecisionRecord } from '../../src/model/decision.js';
import { parseRelationship, relationshipText } from '../../src/model/relationships.js';
import { v7 as uuid } from 'uuid';

/** @param open a database that is empty */
export function databaseContract(name: string, open: () => Promise<Database>): void {
  describe(`database: ${name}`, () => {
    let db: Database;
    beforeAll(async () => {
      db = await open();
      await migrate(db);
    });
    afterAll(() => db.close());

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
      expect((await db.run([{ sql: 'select 1 as ok' }]))[0]).toEqual([{ ok: 1 }]);
    });

    it('migrates once, however often it is asked', async () => {
      await migrate(db);
      await migrate(db);
      const [rows] = await db.run([{ sql: 'select count(*)::int as n, max(version)::int as last from remit_version' }]);
      expect(rows?.[0]?.['n']).toBeGreaterThan(1);
      expect(rows?.[0]?.['n']).toBe(rows?.[0]?.['last']);
    });

    it('refuses a database of a newer Remit', async () => {
      await db.run([{ sql: 'insert into remit_version values (999)' }]);
      await expect(migrate(db)).rejects.toMatchObject({
        code: 'database_unavailable',
        detail: expect.stringContaining('newer') as string,
      });
      await db.run([{ sql: 'delete from remit_version where version = 999' }]);
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
        expect(replay.lasting.map((u) => [u.operation, relationshipText(u.relationship)])).toEqual([
          ['touch', 'doc:1#viewer@user:a'],
        ]);
        expect(replay.unsettled.map((u) => u.sequence)).toEqual([third]);
        expect(replay.sequence).toBe(third);
      });

      it("knows its own ZedTokens from others'", async () => {
        const journal = await Journal.open(db);
        expect(journal.sequenceOf(journal.token(7))).toBe(7);
        for (const other of [
          '',
          'x',
          'GhUKEzE3',
          Buffer.from('elsewhere.7').toString('base64url'),
          `${journal.token(7)}=`,
          `${journal.token(7)} `,
        ]) {
          expect(journal.sequenceOf(other)).toBeUndefined();
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
        const store = new DecisionStore(db);
        const records = Array.from({ length: 700 }, () => record());
        await Promise.all(records.map((r) => store.record(r)));
        expect((await store.find(records[699]?.id ?? ''))?.record).toEqual(records[699]);
        const ids = records.map((r) => `'${r.id}'`).join(',');
        expect((await db.run([{ sql: `select count(*)::int as n from decisions where id in (${ids})` }]))[0]).toEqual([
          { n: 700 },
        ]);
      });

      it('that the database refuses take no neighbour with them', async () => {
        const store = new DecisionStore(db);
        const good = [record(), record()];
        const bad = record({ id: 'not a uuid' });
        const outcomes = await Promise.allSettled(
          [good[0], bad, good[1]].map((r) => store.record(r as DecisionRecord)),
        );
        expect(outcomes.map((o) => o.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
        for (const { id } of good) expect((await store.find(id))?.record.id).toBe(id);
      });

      it('take one outcome, the same one again, and no other', async () => {
        const store = new DecisionStore(db);
        const { id } = record();
        await store.record(record({ id }));
        expect(await store.report(id, 'c', { outcome: 'executed' })).toBe(true);
        expect(await store.report(id, 'c', { outcome: 'executed' })).toBe(true);
        expect(await store.report(id, 'c', { outcome: 'failed' })).toBe(false);
        expect((await store.find(id))?.outcome).toMatchObject({ outcome: 'executed', reported_by: 'c' });
      });
    });
  });
}
