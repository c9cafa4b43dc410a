/**
 * A SpiceDB server that is asked with full consistency: what it has answered is used again where it names the same
 * revision as its newest, and no answer is ever older than the last write that was acknowledged, whoever made it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { v1 } from '@authzed/authzed-node';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { checkBulk } from '../../../src/graph/bulk-check.js';
import { atExactSnapshot } from '../../../src/graph/spicedb-api.js';
import { parseRelationship } from '../../../src/graph/relationship-text.js';
import { GraphSchema } from '../../../src/graph/schema/schema.js';
import { toProtoUpdate } from '../../../src/graph/protobuf.js';
import { Connection } from '../../../src/graph/server/connection.js';
import { ServerGraph } from '../../../src/graph/server/server.js';
import type { CheckAnswer, CheckRequest } from '../../../src/model/checks.js';
import type { RelationshipUpdate, UpdateOperation } from '../../../src/model/relationships.js';
import { databaseUrl, dropDatabase, NEEDS, SERVER } from '../../support/postgres/databases.js';
import { BINARY, named, startSpiceDb, storedIn, type RunningSpiceDb } from '../../support/spicedb.js';
import { collectCleanups } from '../../support/cleanups.js';

const graph = GraphSchema.parse(
  `use expiration
definition user {}
definition hall {
  relation owner: user
}
definition room {
  relation hall: hall
  permission own = hall->owner
  relation host: user
  relation guest: user with expiration
  permission see = host + guest
  permission enter = host
  relation barred: user with expiration
  permission stay = host - barred
}
`,
  'cached.zed',
);
vi.setConfig({ testTimeout: 120_000 });

const ask = (id: string, permission = 'enter', more: Partial<CheckRequest> = {}): CheckRequest => ({
  resource: { type: 'room', id },
  permission,
  subject: { type: 'user', id: 'a' },
  ...more,
});
const updates = (operation: UpdateOperation, ...texts: string[]): RelationshipUpdate[] =>
  texts.map((text) => ({ operation, relationship: parseRelationship(text) }));
const revisionOf = (answer: CheckAnswer | undefined): string | undefined =>
  answer !== undefined && 'revision' in answer ? answer.revision : undefined;

describe.skipIf(BINARY === '')(named('cached answers of a SpiceDB server'), () => {
  describe('with its store in memory', () => {
    suite(() => Promise.resolve({ flags: [], remove: () => Promise.resolve() }), 'all');
  });
  describe.skipIf(SERVER === undefined)(`with its store in PostgreSQL, on ${NEEDS}`, () => {
    suite(async () => {
      const url = await databaseUrl('cached');
      return { flags: await storedIn(url), remove: () => dropDatabase(url) };
    }, 'what it changes');
  });
});

/** @param dropped what a write drops from the cache */
function suite(
  makeStore: () => Promise<{ flags: readonly string[]; remove: () => Promise<unknown> }>,
  dropped: 'all' | 'what it changes',
): void {
  let store: Awaited<ReturnType<typeof makeStore>>;
  let spicedb: RunningSpiceDb;
  let outside: Connection;
  const opened: ServerGraph[] = [];
  /** The numbers of checks of each bulk that was sent. */
  const bulks = vi.spyOn(Connection.prototype, 'checkBulkPermissions');
  const reads = vi.spyOn(Connection.prototype, 'readRelationships');
  const sentSince = (from: number): number[] => bulks.mock.calls.slice(from).map(([request]) => request.items.length);

  const open = async (): Promise<ServerGraph> => {
    const engine = await ServerGraph.start(graph, { ...spicedb.address, deadlineMs: 5_000 });
    opened.push(engine);
    return engine;
  };
  const writeOutside = (operation: UpdateOperation, ...texts: string[]): Promise<unknown> =>
    outside.writeRelationships(
      v1.WriteRelationshipsRequest.create({ updates: updates(operation, ...texts).map(toProtoUpdate) }),
    );

  const onSuiteFinished = collectCleanups();
  beforeAll(async () => {
    store = await makeStore();
    onSuiteFinished(() => store.remove());
    spicedb = await startSpiceDb({ flags: store.flags });
    onSuiteFinished(() => spicedb.kill());
    await spicedb.schema(graph);
    outside = new Connection(spicedb.address, 5_000);
    onSuiteFinished(() => outside.close());
  });
  afterEach(async () => {
    for (const engine of opened.splice(0)) await engine.close();
  });

  it('are used again after a bulk of nothing has named the same revision', async () => {
    const engine = await open();
    await writeOutside('touch', 'room:again#host@user:a');
    const checks = [ask('again'), ask('again', 'enter', { explain: true }), ask('none')];
    const first = await engine.check(checks, 'full');
    expect(first.map(({ result }) => result)).toEqual(['yes', 'yes', 'no']);
    await expect
      .poll(async () => {
        const [from, readFrom] = [bulks.mock.calls.length, reads.mock.calls.length];
        const again = await engine.check(checks, 'full');
        expect(again.map(({ result }) => result)).toEqual(['yes', 'yes', 'no']);
        expect(again[1]).toMatchObject({ path: ['room:again#host@user:a'] });
        return [sentSince(from), reads.mock.calls.length - readFrom];
      })
      .toEqual([[0], 0]);
  });

  it('are asked for again with the revision that a bulk of others has named, and all are of it', async () => {
    const engine = await open();
    await writeOutside('touch', 'room:part#host@user:a');
    await engine.check([ask('part')], 'full');
    await writeOutside('delete', 'room:part#host@user:a');
    const answers = await engine.check([ask('part'), ask('other')], 'full');
    expect(answers.map(({ result }) => result)).toEqual(['no', 'no']);
    expect(revisionOf(answers[0])).toBe(revisionOf(answers[1]));
    expect(revisionOf(answers[0])).toBeDefined();
  });

  it('and what was read at a revision is read once, for whatever is explained by it', async () => {
    const engine = await open();
    const rooms = ['near', 'far', 'wide'];
    await writeOutside('touch', 'hall:one#owner@user:a', ...rooms.map((id) => `room:${id}#hall@hall:one`));
    const from = reads.mock.calls.length;
    const answers = await engine.check(
      rooms.map((id) => ask(id, 'own', { explain: true })),
      'full',
    );
    const paths = rooms.map((id) => [`room:${id}#hall@hall:one`, 'hall:one#owner@user:a']);
    expect(answers).toMatchObject(paths.map((path) => ({ result: 'yes', path })));
    const read = reads.mock.calls.slice(from).map(([request]) => request.relationshipFilter?.resourceType);
    expect(read.filter((type) => type === 'hall')).toHaveLength(1);
  });

  it('never hold longer than a write, whoever makes it', async () => {
    const engines = [await open(), await open()];
    const before = bulks.mock.calls.length;
    let asked = 0;
    const rooms = fc.constantFrom('x', 'y', 'z');
    const step = fc.record({ room: rooms, writer: fc.constantFrom('outside', 0, 1), asks: fc.array(rooms, { minLength: 1, maxLength: 6 }) }); // prettier-ignore
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 20 }), async (steps) => {
        const held = new Set<string>();
        await writeOutside('delete', ...['x', 'y', 'z'].map((id) => `room:${id}#host@user:a`));
        for (const { room, writer, asks } of steps) {
          const operation = held.has(room) ? 'delete' : 'touch';
          const text = `room:${room}#host@user:a`;
          if (writer === 'outside') await writeOutside(operation, text);
          else await engines[Number(writer)]?.write(updates(operation, text), 'test');
          if (!held.delete(room)) held.add(room);
          for (const engine of engines)
            for (const id of asks) {
              asked += 1;
              const [answer] = await engine.check([ask(id, 'enter', { explain: true })], 'full');
              expect(answer?.result).toBe(held.has(id) ? 'yes' : 'no');
            }
        }
      }),
      { numRuns: 15 },
    );
    // Some were answered from the cache: otherwise this tests nothing.
    const sent = sentSince(before);
    expect(sent.filter((length) => length === 0).length).toBeGreaterThan(asked / 20);
  });

  it('and lookups never hold longer than a write, whoever makes it', async () => {
    const engines = [await open(), await open()];
    const lookups = vi.spyOn(Connection.prototype, 'lookupResources');
    const user = { type: 'user', id: 'l' };
    const byResource = { resourceType: 'room', permission: 'enter', subject: user, withinMs: 5_000 };
    const ids = ['m', 'n', 'o'];
    let asked = 0;
    const step = fc.record({ room: fc.constantFrom(...ids), writer: fc.constantFrom('outside', 0, 1) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 10 }), async (steps) => {
        const held = new Set<string>();
        await writeOutside('delete', ...ids.map((id) => `room:${id}#host@user:l`));
        for (const { room, writer } of steps) {
          const operation = held.has(room) ? 'delete' : 'touch';
          const text = `room:${room}#host@user:l`;
          if (writer === 'outside') await writeOutside(operation, text);
          else await engines[Number(writer)]?.write(updates(operation, text), 'test');
          if (!held.delete(room)) held.add(room);
          for (const engine of [...engines, ...engines, ...engines]) {
            asked += 1;
            expect((await engine.lookupResources(byResource, 'full')).ids).toEqual([...held].sort());
            const bySubject = { resource: { type: 'room', id: room }, permission: 'enter', subjectType: 'user', withinMs: 5_000 }; // prettier-ignore
            const { ids: subjects } = await engine.lookupSubjects(bySubject, 'full');
            expect(subjects).toEqual(held.has(room) ? ['l'] : []);
          }
        }
      }),
      { numRuns: 8 },
    );
    // Some came from the cache: otherwise this tests nothing.
    const hits = engines.map((engine) => engine.counts().caches['relationship_lookups']?.hits ?? 0);
    expect(Math.max(...hits)).toBeGreaterThan(0);
    expect(lookups.mock.calls.length).toBeLessThan(asked * 1.5);
    lookups.mockRestore();
  });

  it('and lookups to which an expiration can add are asked for each time', async () => {
    const engine = await open();
    await writeOutside(
      'touch',
      'room:barred#host@user:e',
      'room:barred#barred@user:e[expiration:2090-01-01T00:00:00Z]',
    );
    const lookup = { resourceType: 'room', permission: 'stay', subject: { type: 'user', id: 'e' }, withinMs: 5_000 };
    for (let i = 0; i < 3; i += 1) expect((await engine.lookupResources(lookup, 'full')).ids).toEqual([]);
    expect(engine.counts().caches['relationship_lookups']?.hits).toBe(0);
  });

  it('are each SpiceDB’s own answer at the revision that it names, while replicas and others write', async () => {
    const engines = [await open(), await open()];
    const subjects = ['a', 'b', 'c'];
    const rooms = ['l1', 'l2', 'l3'];
    const texts = [
      ...rooms.flatMap((room) => subjects.map((id) => `room:${room}#host@user:${id}`)),
      ...subjects.map((id) => `hall:lh#owner@user:${id}`),
      ...rooms.map((room) => `room:${room}#hall@hall:lh`),
    ];
    const checks = rooms.flatMap((room) =>
      subjects.flatMap((id) =>
        ['enter', 'own'].map((permission) => ask(room, permission, { subject: { type: 'user', id }, explain: true })),
      ),
    );
    const end = performance.now() + 4_000;
    let writes = 0;
    const pickText = (): string => texts[Math.floor(Math.random() * texts.length)] ?? '';
    // A store in memory numbers a write before it waits for its turn: by overlapping writes one revision is of two states.
    // And each write drops all that is cached of it.
    let turn = Promise.resolve();
    const inTurn = (write: () => Promise<unknown>): Promise<void> => (turn = turn.then(write).then(() => undefined));
    const slowness = dropped === 'all' ? 5 : 1;
    const writer = async (write: (operation: UpdateOperation, text: string) => Promise<unknown>, pauseMs: number) => {
      while (performance.now() < end) {
        const writeOne = (): Promise<unknown> => write(Math.random() < 0.5 ? 'touch' : 'delete', pickText());
        await (dropped === 'all' ? inTurn(writeOne) : writeOne());
        writes += 1;
        await sleep(pauseMs * slowness);
      }
    };
    const seen = new Map<string, Map<CheckRequest, string>>();
    let asked = 0;
    const asker = async (engine: ServerGraph) => {
      while (performance.now() < end) {
        const some = checks.filter(() => Math.random() < 0.4);
        const answers = await engine.check(some, 'full');
        asked += some.length;
        expect(new Set(answers.map(revisionOf)).size).toBeLessThanOrEqual(1);
        for (const [i, check] of some.entries()) {
          const [answer, revision] = [answers[i], revisionOf(answers[i])];
          if (revision === undefined || answer === undefined) continue;
          const atRevision = seen.get(revision) ?? new Map<CheckRequest, string>();
          expect(atRevision.get(check) ?? answer.result).toBe(answer.result);
          seen.set(revision, atRevision.set(check, answer.result));
        }
      }
    };
    await Promise.all([
      ...engines.map((engine) => writer((operation, text) => engine.write(updates(operation, text), 'test'), 40)),
      writer(writeOutside, 70),
      ...engines.flatMap((engine) => [asker(engine), asker(engine), asker(engine)]),
    ]);
    for (const [revision, results] of seen) {
      const list = [...results.keys()];
      const { answers } = await checkBulk(outside, list, atExactSnapshot(revision));
      expect(answers.map(({ answer }) => answer.result)).toEqual([...results.values()]);
    }
    expect(writes).toBeGreaterThan(20);
    expect(asked).toBeGreaterThan(100);
    // Some were answered from the cache: otherwise this tests nothing.
    const hits = engines.map((engine) => engine.counts().caches['relationship_checks']?.hits ?? 0);
    expect(Math.max(...hits)).toBeGreaterThan(10);
  });

  /** Attempts until one has succeeded: other tests write to the same PostgreSQL at any time, and then all is dropped. */
  function* attempts(hasSucceeded: () => boolean): Generator<number, void> {
    const end = performance.now() + (dropped === 'all' ? 0 : 60_000);
    for (let i = 0; i < 10 || (performance.now() < end && !hasSucceeded()); i += 1) yield i;
  }

  it(`drop ${dropped} with a write of others`, async () => {
    const engine = await open();
    await writeOutside('touch', 'room:near#host@user:a', 'room:far#host@user:a');
    const isAsked = async (id: string): Promise<boolean> => {
      const from = bulks.mock.calls.length;
      expect((await engine.check([ask(id)], 'full')).map(({ result }) => result)).toEqual(['yes']);
      return sentSince(from).some((length) => length > 0);
    };
    const isKept: boolean[] = [];
    for (const i of attempts(() => isKept.includes(true))) {
      for (const id of ['near', 'far']) await expect.poll(() => isAsked(id), { timeout: 10_000 }).toBe(false);
      await writeOutside('touch', `hall:others-${i}#owner@user:b`);
      // Until Watch has told what was written, SpiceDB is asked.
      await expect.poll(() => isAsked('near'), { timeout: 10_000 }).toBe(false);
      isKept.push(!(await isAsked('far')));
    }
    expect(isKept.includes(true)).toBe(dropped === 'what it changes');
    await writeOutside('delete', 'room:far#host@user:a');
    expect((await engine.check([ask('far')], 'full')).map(({ result }) => result)).toEqual(['no']);
  });

  it(`drop ${dropped} with a write of the same replica`, async () => {
    const engine = await open();
    await writeOutside('touch', 'room:kept#host@user:a', 'room:kept#guest@user:a[expiration:2090-01-01T00:00:00Z]');
    const checks = [ask('kept'), ask('kept', 'see', { explain: true }), ask('kept', 'guest')];
    const isAsked = async (): Promise<boolean> => {
      const [from, readFrom] = [bulks.mock.calls.length, reads.mock.calls.length];
      expect((await engine.check(checks, 'full')).map(({ result }) => result)).toEqual(['yes', 'yes', 'yes']);
      return sentSince(from).some((length) => length > 0) || reads.mock.calls.length > readFrom;
    };
    await expect.poll(isAsked).toBe(false);
    const isKept: boolean[] = [];
    for (const i of attempts(() => isKept.includes(true))) {
      await expect.poll(isAsked, { timeout: 10_000 }).toBe(false);
      await engine.write(updates('touch', `hall:other-${i}#owner@user:b`), 'test');
      isKept.push(!(await isAsked()));
    }
    expect(isKept.includes(true)).toBe(dropped === 'what it changes');
    await engine.write(updates('delete', 'room:kept#host@user:a'), 'test');
    const [answer] = await engine.check([ask('kept')], 'full');
    expect(answer?.result).toBe('no');
  });

  it('end with the relationship that grants them', async () => {
    const engine = await open();
    const end = Date.now() + 2_500;
    await writeOutside('touch', `room:end#guest@user:a[expiration:${new Date(end).toISOString()}]`);
    const checks = [ask('end', 'see'), ask('end', 'guest')];
    let cached = 0;
    for (;;) {
      const [begun, from] = [Date.now(), reads.mock.calls.length];
      const results = (await engine.check(checks, 'full')).map(({ result }) => result);
      if (Date.now() < end) expect(results).toEqual(['yes', 'yes']);
      if (begun > end) expect(results).toEqual(['no', 'no']);
      if (reads.mock.calls.length === from) cached += 1;
      if (begun > end + 300) break;
    }
    expect(cached).toBeGreaterThan(0);
  });

  it('are none without SpiceDB', async () => {
    const first = await startSpiceDb();
    await first.schema(graph);
    const engine = await ServerGraph.start(graph, { ...first.address, deadlineMs: 1_000 });
    opened.push(engine);
    await engine.write(updates('touch', 'room:gone#host@user:a'), 'test');
    for (let i = 0; i < 3; i += 1) await engine.check([ask('gone')], 'full');
    await first.kill();
    expect((await engine.check([ask('gone')], 'full')).map(({ result }) => result)).toEqual(['unknown']);
  });
}
