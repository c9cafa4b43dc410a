/**
 * A SpiceDB server whose answers are cached (`bounded`): a write counts at the writing replica at once and at every other
 * half a second later at the latest, whichever process writes and whatever the network does.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { v1 } from '@authzed/authzed-node';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Connection } from '../../../src/graph/server/connection.js';
import { toProtoUpdate } from '../../../src/graph/protobuf.js';
import { STALENESS_BOUND_MS } from '../../../src/graph/server/revision-cache.js';
import type { CheckAnswer, CheckRequest } from '../../../src/model/checks.js';
import { ServerGraph } from '../../../src/graph/server/server.js';
import { identifiesWrites } from '../../../src/graph/server/zedtoken.js';
import type { UpdateOperation, RelationshipUpdate } from '../../../src/model/relationships.js';
import { parseRelationship } from '../../../src/graph/relationship-text.js';
import { GraphSchema } from '../../../src/graph/schema/schema.js';
import { databaseUrl, dropDatabase, NEEDS, SERVER } from '../../support/postgres/databases.js';
import { BINARY, named, startSpiceDb, storedIn, type RunningSpiceDb } from '../../support/spicedb.js';
import { wireTo, type Wire } from '../../support/wire.js';
import { CONTRACT_SCHEMA, relationshipsContract } from '../relationships.contract.js';
import { collectCleanups } from '../../support/cleanups.js';

/** The schema has no caveats within reach of `see`, so that its answers can be cached; `guest` reaches an expiration. */
const SCHEMA = `${CONTRACT_SCHEMA}
definition room {
  relation host: user | team#member
  relation above: room
  relation barred: user
  relation guest: user | user with expiration
  permission see = host + above->see - barred
  permission visit = guest
}
`;
const graph = GraphSchema.parse(SCHEMA, 'bounded.zed');
const POLL = { timeout: 60_000, interval: 20 } as const;
/** Each test waits for events, on a machine that may be busy. */
vi.setConfig({ testTimeout: 180_000 });

const check = (resource: string, permission: string, user: string): CheckRequest => {
  const [type = '', id = ''] = resource.split(':');
  return { resource: { type, id }, permission, subject: { type: 'user', id: user } };
};
const updates = (operation: UpdateOperation, ...texts: string[]): RelationshipUpdate[] =>
  texts.map((text) => ({ operation, relationship: parseRelationship(text) }));
const one = async (engine: ServerGraph, asked: CheckRequest): Promise<CheckAnswer | undefined> =>
  (await engine.check([asked], 'full'))[0];

describe.skipIf(BINARY === '')(named('a SpiceDB server whose answers are kept'), () => {
  let spicedb: RunningSpiceDb;
  /** A connection of the platform's own services, which write as well. */
  let outside: Connection;
  const opened: ServerGraph[] = [];
  const wires: Wire[] = [];
  /** The calls to SpiceDB of all replicas. */
  const calls = vi.spyOn(Connection.prototype, 'checkBulkPermissions');

  const open = async (server = spicedb, port = server.port): Promise<ServerGraph> => {
    const engine = await ServerGraph.start(graph, {
      ...server.address,
      endpoint: `127.0.0.1:${port}`,
      deadlineMs: 2_000,
      consistency: 'bounded',
    });
    opened.push(engine);
    return engine;
  };
  const wire = async (server = spicedb): Promise<Wire> => {
    const made = await wireTo(server.port);
    wires.push(made);
    return made;
  };
  const write = (engine: ServerGraph, operation: UpdateOperation, ...texts: string[]): Promise<string> =>
    engine.write(updates(operation, ...texts), 'test');
  const writeOutside = (operation: UpdateOperation, ...texts: string[]): Promise<unknown> =>
    outside.writeRelationships(
      v1.WriteRelationshipsRequest.create({ updates: updates(operation, ...texts).map(toProtoUpdate) }),
    );
  /** Checks until the answer comes from the cache. */
  const warm = async (engine: ServerGraph, asked: CheckRequest, result: string): Promise<void> => {
    await expect
      .poll(async () => {
        const before = calls.mock.calls.length;
        const answer = await one(engine, asked);
        return [answer?.result, calls.mock.calls.length - before];
      }, POLL)
      .toEqual([result, 0]);
  };
  /** The answers until `end`; none that is asked for later than the bound after `since` may be a yes. */
  const neverLate = async (engine: ServerGraph, asked: CheckRequest, since: number, end: string): Promise<void> => {
    await expect
      .poll(async () => {
        const begun = performance.now();
        const result = (await one(engine, asked))?.result;
        if (begun > since + STALENESS_BOUND_MS) expect(result).not.toBe('yes');
        return result;
      }, POLL)
      .toBe(end);
    expect((await one(engine, asked))?.result).not.toBe('yes');
  };

  const onSuiteFinished = collectCleanups();
  onSuiteFinished(() => calls.mockRestore());
  beforeAll(async () => {
    spicedb = await startSpiceDb();
    onSuiteFinished(() => spicedb.kill());
    await spicedb.schema(graph);
    outside = new Connection(spicedb.address, 5_000);
    onSuiteFinished(() => outside.close());
  });
  afterEach(async () => {
    for (const made of wires.splice(0)) made.close();
    for (const engine of opened.splice(0)) await engine.close();
  });

  describe('as every other', () => {
    const plain = GraphSchema.parse(CONTRACT_SCHEMA, 'contract.zed');
    let other: RunningSpiceDb;
    beforeAll(async () => {
      other = await startSpiceDb();
      await other.schema(plain);
      return () => other.kill();
    });
    relationshipsContract('SpiceDB server, bounded', () =>
      ServerGraph.start(plain, { ...other.address, deadlineMs: 5_000, consistency: 'bounded' }),
    );
  });

  it('is not asked again what it has answered at its newest revision, also with a path', async () => {
    const here = await open();
    await write(here, 'touch', 'room:again#host@user:a');
    await warm(here, check('room:again', 'see', 'a'), 'yes');
    await warm(here, check('room:again', 'see', 'b'), 'no');
    const explained = { ...check('room:again', 'see', 'a'), explain: true };
    await warm(here, explained, 'yes');
    expect(await one(here, explained)).toMatchObject({ path: ['room:again#host@user:a'] });
  });

  it('holds what a replica writes at the very next check of that replica', async () => {
    const here = await open();
    const asked = check('room:own', 'see', 'a');
    for (let i = 0; i < 5; i += 1) {
      await write(here, 'touch', 'room:own#host@user:a');
      expect(await one(here, asked)).toMatchObject({ result: 'yes' });
      await warm(here, asked, 'yes');
      await write(here, 'delete', 'room:own#host@user:a');
      expect(await one(here, asked)).toMatchObject({ result: 'no' });
      await warm(here, asked, 'no');
    }
  });

  it.each([
    ['another replica', (texts: string[], other: ServerGraph) => write(other, 'delete', ...texts)],
    ['whoever else writes to SpiceDB', (texts: string[]) => writeOutside('delete', ...texts)],
  ])('holds what is taken back through %s half a second later at the latest', async (who, takeBack) => {
    const [here, other] = [await open(), await open()];
    const id = who.length;
    const texts = [`room:far-${id}#host@user:a`];
    const asked = check(`room:far-kid-${id}`, 'see', 'a');
    for (let i = 0; i < 3; i += 1) {
      await write(other, 'touch', ...texts, `room:far-kid-${id}#above@room:far-${id}`);
      await warm(here, asked, 'yes');
      await takeBack(texts, other);
      await neverLate(here, asked, performance.now(), 'no');
    }
  });

  it('holds a ZedToken at every replica at once', async () => {
    const [here, other] = [await open(), await open()];
    const asked = check('room:token', 'see', 'a');
    for (let i = 0; i < 5; i += 1) {
      await write(other, 'touch', 'room:token#host@user:a');
      await warm(here, asked, 'yes');
      const atLeast = await write(other, 'delete', 'room:token#host@user:a');
      expect(await here.check([asked], { atLeast })).toMatchObject([{ result: 'no' }]);
    }
  });

  it('keeps no yes past the end of what grants it', async () => {
    const here = await open();
    const end = Date.now() + 6_000;
    await write(here, 'touch', `room:guest#guest@user:a[expiration:${new Date(end).toISOString()}]`);
    const asked = check('room:guest', 'visit', 'a');
    expect(await one(here, asked)).toMatchObject({ result: 'yes' });
    await expect
      .poll(async () => {
        const begun = Date.now();
        const result = (await one(here, asked))?.result;
        // SpiceDB's clock is this machine's, read a moment later.
        if (begun > end) expect(result).not.toBe('yes');
        return result;
      }, POLL)
      .toBe('no');
  });

  describe('when the wire to SpiceDB', () => {
    it.each([
      ['hangs', (to: Wire) => to.hang()],
      ['is cut', (to: Wire) => to.cutAfter(0)],
    ])('%s, nothing kept counts after the bound, and all is well once it is mended', async (how, fail) => {
      const to = await wire();
      const here = await open(spicedb, to.port);
      const asked = check(`room:${how.replace(' ', '-')}`, 'see', 'a');
      const text = `${asked.resource.type}:${asked.resource.id}#host@user:a`;
      await writeOutside('touch', text);
      await warm(here, asked, 'yes');
      fail(to);
      await writeOutside('delete', text);
      await neverLate(here, asked, performance.now(), 'unknown');
      to.mend();
      await expect.poll(async () => (await one(here, asked))?.result, POLL).toBe('no');
      await warm(here, asked, 'no');
    });
  });

  it('starts again empty: nothing kept of before counts after the bound', async () => {
    const first = await startSpiceDb();
    await first.schema(graph);
    const here = await open(first);
    const asked = check('room:crash', 'see', 'a');
    await write(here, 'touch', 'room:crash#host@user:a');
    await warm(here, asked, 'yes');
    await first.kill();
    const gone = performance.now();
    await neverLate(here, asked, gone, 'unknown');
    const second = await startSpiceDb({ port: first.port, key: first.address.key });
    await second.schema(graph);
    await neverLate(here, asked, gone, 'no');
    await warm(here, asked, 'no');
    await second.kill();
  });

  it('is looked at no more often while others write thousands of times, and answers meanwhile', async () => {
    const here = await open();
    const looks = vi.spyOn(Connection.prototype, 'readSchema');
    const asked = check('room:storm', 'see', 'a');
    await writeOutside('touch', 'room:storm#host@user:a');
    const began = performance.now();
    let done = 0;
    const storm = { over: false };
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      while (done < 3_000) {
        done += 1;
        await writeOutside('touch', `room:storm-${done % 50}#host@user:w${writer}-${done}`);
      }
    });
    const answers = new Set<string | undefined>();
    const asking = (async () => {
      while (!storm.over) {
        answers.add((await one(here, asked))?.result);
        await sleep(1);
      }
    })();
    await Promise.all(writers);
    storm.over = true;
    await asking;
    const [made, ms] = [looks.mock.calls.length, performance.now() - began];
    looks.mockRestore();
    expect(made).toBeLessThanOrEqual(ms / 100 + 2);
    expect(answers).toContain('yes');
    expect(answers).not.toContain('no');
    await writeOutside('delete', 'room:storm#host@user:a');
    await neverLate(here, asked, performance.now(), 'no');
  });

  it.each([1, 2])('says nothing that a fully consistent one would not have said of late (seed %i)', async (seed) => {
    const replicas = [await open(), await open()];
    await warm(replicas[0] as ServerGraph, check('room:r', 'see', 'a'), 'no');
    const before = calls.mock.calls.length;
    const { asked, wrong } = await compare(seed, replicas, writeOutside);
    expect(wrong).toEqual([]);
    // Some answers were cached: otherwise this tests nothing.
    expect(calls.mock.calls.length - before).toBeLessThan(asked);
  });

  it('tells through Watch who wrote', async () => {
    const here = await open();
    const start = await write(here, 'touch', 'room:who#host@user:a');
    const client = v1.NewClient(
      spicedb.address.key,
      spicedb.address.endpoint,
      v1.ClientSecurity.INSECURE_PLAINTEXT_CREDENTIALS,
    );
    const stream = client.watch(v1.WatchRequest.create({ optionalStartCursor: { token: start } }));
    const told = new Promise<v1.WatchResponse>((resolve) => stream.on('data', resolve));
    stream.on('error', () => undefined);
    await here.write(updates('touch', 'room:who#host@user:b'), 'hr-api');
    const { updates: seen, optionalTransactionMetadata: metadata } = await told;
    expect(seen[0]?.relationship?.subject?.object?.objectId).toBe('b');
    expect(metadata?.fields['written_by']?.kind).toEqual({ oneofKind: 'stringValue', stringValue: 'hr-api' });
    stream.cancel();
    client.close();
  });
});

describe.skipIf(BINARY === '' || SERVER === undefined)(
  `${named('a SpiceDB server on PostgreSQL')}, on ${NEEDS}`,
  () => {
    let spicedb: RunningSpiceDb;
    let url: string;
    let outside: Connection;
    const opened: ServerGraph[] = [];
    const onSuiteFinished = collectCleanups();
    beforeAll(async () => {
      url = await databaseUrl('bounded');
      onSuiteFinished(() => dropDatabase(url));
      spicedb = await startSpiceDb({ flags: await storedIn(url) });
      onSuiteFinished(() => spicedb.kill());
      await spicedb.schema(graph);
      outside = new Connection(spicedb.address, 5_000);
      onSuiteFinished(() => outside.close());
      onSuiteFinished(() => Promise.all(opened.map((engine) => engine.close())));
      for (let i = 0; i < 2; i += 1)
        opened.push(await ServerGraph.start(graph, { ...spicedb.address, deadlineMs: 5_000, consistency: 'bounded' }));
    });

    it('has one revision as long as nobody writes to that PostgreSQL, and another one after', async () => {
      const newest = async (): Promise<string | undefined> => (await outside.readSchema(5_000)).readAt?.token;
      // Other tests write to it, too.
      await expect.poll(async () => (await newest()) === (await newest()), POLL).toBe(true);
      const before = await newest();
      expect(identifiesWrites(before ?? '')).toBe(true);
      await opened[0]?.write(updates('touch', 'room:pg#host@user:a'), 'test');
      expect(await newest()).not.toBe(before);
    });

    it.each([3])('says nothing that a fully consistent one would not have said of late (seed %i)', async (seed) => {
      const writeOutside = (operation: UpdateOperation, ...texts: string[]): Promise<unknown> =>
        outside.writeRelationships(
          v1.WriteRelationshipsRequest.create({ updates: updates(operation, ...texts).map(toProtoUpdate) }),
        );
      expect((await compare(seed, opened, writeOutside)).wrong).toEqual([]);
    });
  },
);

/**
 * Two replicas and another client write one after another, while both replicas are asked without pause. An answer must
 * have been true at some moment since the last write that was acknowledged half a second before the question, or that its
 * replica has made itself.
 */
async function compare(
  seed: number,
  replicas: readonly ServerGraph[],
  writeOutside: (operation: UpdateOperation, text: string) => Promise<unknown>,
): Promise<{ readonly asked: number; readonly wrong: readonly string[] }> {
  const random = numbers(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const rooms = [`room:r${seed}-first`, `room:r${seed}-second`] as const;
  const [first, second] = rooms;
  const team = `team:t${seed}`;
  const facts = [
    `${first}#host@user:a`,
    `${first}#host@${team}#member`,
    `${team}#member@user:a`,
    `${second}#above@${first}`,
    `${second}#barred@user:a`,
    `${second}#host@user:a`,
  ];
  const sees = (state: ReadonlySet<string>, room: string): boolean => {
    const [direct, byTeam, member, above, barred, host] = facts.map((fact) => state.has(fact));
    const seesFirst = direct === true || (byTeam === true && member === true);
    return room === first ? seesFirst : (host === true || (above === true && seesFirst)) && barred !== true;
  };
  /** All states, in order; the last may not be there yet. */
  const history: { state: ReadonlySet<string>; acknowledged: number; by: number }[] = [
    { state: new Set(), acknowledged: -Infinity, by: replicas.length },
  ];
  let asked = 0;
  let writing = true;
  const wrong: string[] = [];
  const asking = replicas.map(async (replica, by) => {
    for (; writing; asked += 1) {
      const room = rooms[asked % 2] ?? first;
      const begun = performance.now();
      const oldest = history.findLastIndex(
        (one) => one.acknowledged < begun && (one.by === by || one.acknowledged < begun - STALENESS_BOUND_MS),
      );
      const result = (await one(replica, check(room, 'see', 'a')))?.result ?? '';
      const possible = new Set<string>(history.slice(oldest).map(({ state }) => (sees(state, room) ? 'yes' : 'no')));
      if (result !== 'unknown' && !possible.has(result)) wrong.push(`${by}: ${room} ${result}`);
      await sleep(1);
    }
  });
  for (let turn = 0; turn < 40; turn += 1) {
    const fact = pick(facts);
    const state = new Set(history.at(-1)?.state);
    const operation = state.delete(fact) ? 'delete' : 'touch';
    if (operation === 'touch') state.add(fact);
    const by = Math.floor(random() * (replicas.length + 1));
    const entry = { state, acknowledged: Infinity, by };
    history.push(entry);
    const replica = replicas[by];
    await (replica === undefined ? writeOutside(operation, fact) : replica.write(updates(operation, fact), 'test'));
    entry.acknowledged = performance.now();
    await sleep(pick([0, 5, 20, 150, 350]));
  }
  writing = false;
  await Promise.all(asking);
  return { asked, wrong };
}

/** Random numbers, the same for the same seed. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}
