/** A real SpiceDB server: the contract of the port, and what only a server can get wrong. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServerRelationships } from '../../src/engines/spicedb/server.js';
import { Graph } from '../../src/rules/graph.js';
import { BINARY, named, startSpiceDb, type RunningSpiceDb } from '../spicedb.js';
import { CONTRACT_SCHEMA, relationshipsContract } from './relationships.contract.js';

const graph = Graph.parse(CONTRACT_SCHEMA, 'contract.zed');

describe.skipIf(BINARY === '')(named('a SpiceDB server'), () => {
  let spicedb: RunningSpiceDb;
  beforeAll(async () => {
    spicedb = await startSpiceDb();
    await spicedb.schema(graph);
  });
  afterAll(() => spicedb.kill());

  relationshipsContract('SpiceDB server', () =>
    ServerRelationships.start(graph, { ...spicedb.address, deadlineMs: 5_000 }),
  );
});
