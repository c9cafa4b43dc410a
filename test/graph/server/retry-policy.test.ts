/** What is tried again: reads a few times, writes where it is known that nothing was written, and nothing else. */
import { createServer, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { v1 } from '@authzed/authzed-node';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Connection } from '../../../src/graph/server/connection.js';
import { ServerGraph } from '../../../src/graph/server/server.js';
import { toWriteError } from '../../../src/graph/errors.js';
import { jitterPause, WRITE_RETRIES } from '../../../src/graph/server/retry-policy.js';
import { parseRelationship } from '../../../src/graph/relationship-text.js';
import { GraphSchema } from '../../../src/graph/schema/schema.js';
import { databaseUrl, dropDatabase, NEEDS, SERVER } from '../../support/postgres/databases.js';
import { BINARY, freePort, named, startSpiceDb, storedIn, type RunningSpiceDb } from '../../support/spicedb.js';
import { wireTo } from '../../support/wire.js';
import { CONTRACT_SCHEMA } from '../relationships.contract.js';
import { collectCleanups } from '../../support/cleanups.js';

const REQUEST = v1.WriteRelationshipsRequest.create({ updates: [] });
const SERIALIZATION =
  'max retries exceeded: ERROR: could not serialize access due to read/write dependencies among transactions (SQLSTATE 40001)';

describe('a server that answers with', () => {
  let server: Http2Server;
  let connection: Connection;
  /** The statuses of the next answers; after them the last one comes again. */
  let statuses: (readonly [code: number, message: string])[];
  let asked: number;
  beforeEach(async () => {
    asked = 0;
    server = createServer();
    server.on('stream', (stream) => {
      const [code, message] = statuses[Math.min(asked, statuses.length - 1)] ?? [0, ''];
      asked += 1;
      const headers = { ':status': 200, 'content-type': 'application/grpc' };
      const status = { 'grpc-status': String(code), 'grpc-message': encodeURIComponent(message) };
      if (code !== 0) {
        stream.respond({ ...headers, ...status }, { endStream: true });
        return;
      }
      stream.respond(headers, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers(status));
      stream.end(Buffer.alloc(5)); // An empty message.
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const endpoint = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    connection = new Connection({ endpoint, key: 'k', ca: undefined, plaintext: true }, 5_000);
    return () => {
      connection.close();
      server.close();
    };
  });
  /** The name of what a caller of `write` would get, and how often the server was asked. */
  const write = async (): Promise<readonly [string, number]> => {
    try {
      await connection.writeRelationships(REQUEST);
      return ['written', asked];
    } catch (error) {
      const { code, name } = toWriteError(error, 'updates') as Error & { code?: string };
      return [code ?? name, asked];
    }
  };

  it('an aborted transaction is asked again until it is written', async () => {
    statuses = [
      [10, SERIALIZATION],
      [10, SERIALIZATION],
      [10, SERIALIZATION],
      [10, SERIALIZATION],
      [0, ''],
    ];
    expect(await write()).toEqual(['written', 5]);
  });

  it('what exists after an aborted transaction is another writer’s', async () => {
    statuses = [
      [10, SERIALIZATION],
      [6, 'already exists'],
    ];
    expect(await write()).toEqual(['already_exists', 2]);
  });

  it.each([
    [
      'a transaction that is aborted in maintenance',
      10,
      'the datastore is currently in read-only mode',
      'relationships_unavailable',
    ],
    ['read-only service', 14, 'service read-only', 'relationships_unavailable'],
    ['no room', 8, 'full', 'overloaded'],
    ['what it can not read', 3, 'bad', 'bad_request'],
    ['nothing in time', 4, 'late', 'write_unconfirmed'],
    ['an end in the middle', 14, 'the connection broke', 'write_unconfirmed'],
    ['an error of its own', 13, 'internal', 'write_unconfirmed'],
    ['an error of nobody', 2, 'conn closed', 'write_unconfirmed'],
    ['a cancellation', 1, 'context canceled', 'write_unconfirmed'],
  ])('%s is asked once, and the caller told what is known', async (_, code, message, outcome) => {
    statuses = [[code, message]];
    expect(await write()).toEqual([outcome, 1]);
  });

  it('an aborted change of the schema is asked again, too', async () => {
    statuses = [
      [10, SERIALIZATION],
      [0, ''],
    ];
    await connection.writeSchema(v1.WriteSchemaRequest.create({ schema: '' }));
    expect(asked).toBe(2);
  });
});

it('a write that is never sent is one that was not made', async () => {
  const endpoint = `127.0.0.1:${await freePort()}`;
  const connection = new Connection({ endpoint, key: 'k', ca: undefined, plaintext: true }, 5_000);
  const error = await connection.writeRelationships(REQUEST).catch((e: unknown) => e);
  expect(toWriteError(error, 'updates')).toMatchObject({ name: 'Fault', code: 'relationships_unavailable' });
  connection.close();
});

it('pauses grow, are bounded, and vary', () => {
  const pauses = Array.from({ length: 12 }, (_, i) => WRITE_RETRIES.pauseMs(i + 1));
  expect(pauses).toEqual([...pauses].sort((a, b) => a - b));
  expect([pauses[0], pauses.at(-1)]).toEqual([20, 500]);
  const varied = Array.from({ length: 50 }, () => jitterPause(100));
  expect(new Set(varied).size).toBeGreaterThan(10);
  for (const ms of varied) expect(ms >= 50 && ms < 150).toBe(true);
});

describe.skipIf(BINARY === '' || SERVER === undefined)(`${named('writers beside each other')}, on ${NEEDS}`, () => {
  let spicedb: RunningSpiceDb;
  let url: string;
  const graph = GraphSchema.parse(CONTRACT_SCHEMA, 'contract.zed');
  const onSuiteFinished = collectCleanups();
  beforeAll(async () => {
    url = await databaseUrl('retry-policy');
    onSuiteFinished(() => dropDatabase(url));
    // SpiceDB's own retries hide most conflicts until the machine is busy.
    spicedb = await startSpiceDb({ flags: [...(await storedIn(url)), '--datastore-max-tx-retries=1'] });
    onSuiteFinished(() => spicedb.kill());
    await spicedb.schema(graph);
  }, 120_000);

  it('all write, though the datastore aborts transactions', async () => {
    const aborted: string[] = [];
    const engine = await ServerGraph.start(graph, {
      ...spicedb.address,
      deadlineMs: 5_000,
      watch: ({ call, fault }) => call === 'writeRelationships' && fault !== undefined && aborted.push(fault),
    });
    const writer = async (w: number): Promise<void> => {
      for (let i = 0; i < 6; i += 1)
        await engine.write(
          [`folder:shared#viewer@user:${(w + i) % 4}`, `folder:own-${w}#viewer@user:${i}`].map((text) => ({
            operation: 'touch',
            relationship: parseRelationship(text),
          })),
          'test',
        );
    };
    await Promise.all(Array.from({ length: 20 }, (_, w) => writer(w)));
    const { relationships } = await engine.read({ resourceType: 'folder' }, 1000, 'full');
    expect(relationships).toHaveLength(4 + 20 * 6);
    expect(new Set(aborted)).toEqual(new Set(['overloaded'])); // It did happen.
    await engine.close();
  }, 120_000);

  it('one writer alone creates, however many try at once', async () => {
    const engine = await ServerGraph.start(graph, { ...spicedb.address, deadlineMs: 5_000 });
    const create = (): Promise<string> =>
      engine.write([{ operation: 'create', relationship: parseRelationship('folder:new#viewer@user:a') }], 'test');
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, create));
    const codes = outcomes.map((o) => (o.status === 'fulfilled' ? 'created' : (o.reason as { code: string }).code));
    expect(codes.filter((code) => code === 'created')).toHaveLength(1);
    expect(new Set(codes)).toEqual(new Set(['created', 'already_exists']));
    await engine.close();
  }, 120_000);
});

describe.skipIf(BINARY === '')(named('an answer that is lost'), () => {
  it('is told from a write that was not made', async () => {
    const graph = GraphSchema.parse(CONTRACT_SCHEMA, 'contract.zed');
    const spicedb = await startSpiceDb();
    await spicedb.schema(graph);
    const wire = await wireTo(spicedb.port);
    const here = { ...spicedb.address, endpoint: `127.0.0.1:${wire.port}` };
    const engine = await ServerGraph.start(graph, { ...here, deadlineMs: 5_000 });
    const write = (user: string): Promise<string> =>
      engine.write(
        [{ operation: 'touch', relationship: parseRelationship(`folder:lost#viewer@user:${user}`) }],
        'test',
      );
    await write('before');
    wire.cutAfter(1);
    await expect(write('lost')).rejects.toMatchObject({ name: 'Fault', code: 'write_unconfirmed' });
    wire.mend();
    await expect.poll(() => write('after').catch(() => ''), { timeout: 10_000 }).not.toBe('');
    await engine.close();
    wire.close();
    await spicedb.kill();
  }, 60_000);
});
