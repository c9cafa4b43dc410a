/**
 * Relationships that are written by hand into SpiceDB's PostgreSQL, beside SpiceDB. Watch may tell nothing of them, so the
 * next decision must not rest on what was known before, whatever is written through the API at the same time.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import fc from 'fast-check';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { GraphSchema } from '../../../src/graph/schema/schema.js';
import { parseRelationship } from '../../../src/graph/relationship-text.js';
import { Connection } from '../../../src/graph/server/connection.js';
import { ServerGraph } from '../../../src/graph/server/server.js';
import type { CheckRequest } from '../../../src/model/checks.js';
import { databaseUrl, dropDatabase, NEEDS, SERVER } from '../../support/postgres/databases.js';
import { collectCleanups } from '../../support/cleanups.js';
import { BINARY, named, startSpiceDb, storedIn, type RunningSpiceDb } from '../../support/spicedb.js';

const graph = GraphSchema.parse('definition user {}\ndefinition room {\n  relation host: user\n}\n', 'by-hand.zed');
vi.setConfig({ testTimeout: 120_000 });

const ask = (id: string): CheckRequest => ({
  resource: { type: 'room', id },
  permission: 'host',
  subject: { type: 'user', id: 'a' },
});

describe.skipIf(BINARY === '' || SERVER === undefined)(
  named(`SQL by hand beside a SpiceDB server, on ${NEEDS}`),
  () => {
    let spicedb: RunningSpiceDb;
    let sql: Client;
    const engines: ServerGraph[] = [];
    const open = async (): Promise<ServerGraph> => {
      const engine = await ServerGraph.start(graph, { ...spicedb.address, deadlineMs: 5_000 });
      engines.push(engine);
      return engine;
    };
    const insertByHand = (id: string): Promise<unknown> =>
      sql.query(
        `insert into relation_tuple (namespace, object_id, relation, userset_namespace, userset_object_id, userset_relation, created_xid)
       values ('room', $1, 'host', 'user', 'a', '...', pg_current_xact_id())`,
        [id],
      );
    const deleteByHand = (id: string): Promise<unknown> =>
      sql.query(
        `update relation_tuple set deleted_xid = pg_current_xact_id()
       where namespace = 'room' and object_id = $1 and deleted_xid = '9223372036854775807'::xid8`,
        [id],
      );
    const write = (engine: ServerGraph, operation: 'touch' | 'delete', id: string): Promise<unknown> =>
      engine.write([{ operation, relationship: parseRelationship(`room:${id}#host@user:a`) }], 'test');
    const results = async (engine: ServerGraph, ids: readonly string[]): Promise<unknown> =>
      (await engine.check(ids.map(ask), 'full')).map(({ result }) => result);

    const watches = vi.spyOn(Connection.prototype, 'watch');
    /** Learns the newest revision, and lets Watch tell what has changed before it. */
    const learn = async (engine: ServerGraph): Promise<void> => {
      await results(engine, ['none']);
      await sleep(30);
      const told = watches.mock.results.map(({ value }) => value as Promise<unknown>);
      await Promise.allSettled(told);
    };

    const onSuiteFinished = collectCleanups();
    beforeAll(async () => {
      const url = await databaseUrl('by-hand');
      onSuiteFinished(() => dropDatabase(url));
      spicedb = await startSpiceDb({ flags: await storedIn(url) });
      onSuiteFinished(() => spicedb.kill());
      await spicedb.schema(graph);
      sql = new Client({ connectionString: url });
      await sql.connect();
      onSuiteFinished(() => sql.end());
    });
    afterEach(async () => {
      for (const engine of engines.splice(0)) await engine.close();
    });

    it('and a write through the API are both seen by the next decision, whichever comes first', async () => {
      const engine = await open();
      for (const isFirst of [true, false]) {
        const [byHand, written] = [`hand-${isFirst}`, `api-${isFirst}`];
        // What is cached now must not be used afterwards.
        for (let i = 0; i < 3; i += 1) expect(await results(engine, [byHand, written])).toEqual(['no', 'no']);
        if (isFirst) await insertByHand(byHand);
        await write(engine, 'touch', written);
        if (!isFirst) await insertByHand(byHand);
        expect(await results(engine, [byHand, written])).toEqual(['yes', 'yes']);
        if (isFirst) await deleteByHand(byHand);
        await write(engine, 'delete', written);
        if (!isFirst) await deleteByHand(byHand);
        expect(await results(engine, [byHand, written])).toEqual(['no', 'no']);
      }
    });

    it('is seen by the first question for it, also once Watch has told of all that is newer', async () => {
      const engine = await open();
      for (const isFirst of [true, false]) {
        const [byHand, written] = [`late-${isFirst}`, `told-${isFirst}`];
        await learn(engine);
        // What is cached now must not be used afterwards.
        for (let i = 0; i < 3; i += 1) expect(await results(engine, [byHand, written])).toEqual(['no', 'no']);
        if (isFirst) await insertByHand(byHand);
        await write(engine, 'touch', written);
        if (!isFirst) await insertByHand(byHand);
        await learn(engine);
        expect(await results(engine, [byHand, written])).toEqual(['yes', 'yes']);
      }
    });

    it('in a transaction that was under way at a write through the API is seen once it has ended', async () => {
      const engine = await open();
      expect(await results(engine, ['open', 'other'])).toEqual(['no', 'no']);
      await sql.query('begin');
      await insertByHand('open');
      await write(engine, 'touch', 'other');
      expect(await results(engine, ['open', 'other'])).toEqual(['no', 'yes']);
      await sql.query('commit');
      expect(await results(engine, ['open', 'other'])).toEqual(['yes', 'yes']);
    });

    it('is seen in any order with writes of two replicas', async () => {
      const replicas = [await open(), await open()];
      const rooms = ['x', 'y', 'z'];
      const step = fc.record({
        room: fc.constantFrom(...rooms),
        writer: fc.constantFrom('hand', 0, 1),
        asked: fc.subarray(rooms),
        isTold: fc.boolean(),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 15 }), async (steps) => {
          const held = new Set<string>();
          for (const room of rooms) await deleteByHand(room);
          for (const { room, writer, asked, isTold } of steps) {
            const isHeld = held.delete(room);
            if (!isHeld) held.add(room);
            const replica = replicas[Number(writer)];
            if (replica === undefined) await (isHeld ? deleteByHand(room) : insertByHand(room));
            else await write(replica, isHeld ? 'delete' : 'touch', room);
            const expected = asked.map((id) => (held.has(id) ? 'yes' : 'no'));
            for (const engine of replicas) {
              if (isTold) await learn(engine);
              expect(await results(engine, asked)).toEqual(expected);
            }
          }
        }),
        { numRuns: 8 },
      );
      // Some were answered from the cache: otherwise this tests nothing.
      await expect
        .poll(async () => {
          for (const engine of replicas) await results(engine, rooms);
          return Math.max(...replicas.map((engine) => engine.counts().caches['relationship_checks']?.hits ?? 0));
        })
        .toBeGreaterThan(0);
    });
  },
);
