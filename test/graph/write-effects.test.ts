/**
 * What a write can change, as the embedded engine's cache knows it: after any writes its answers are those of a SpiceDB
 * that caches nothing, and writes that can't touch an answer leave it cached.
 */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { v1 } from '@authzed/authzed-node';
import { checkBulk } from '../../src/graph/bulk-check.js';
import { EmbeddedClient } from '../../src/graph/embedded/client.js';
import { EmbeddedGraph } from '../../src/graph/embedded/embedded.js';
import { toProtoUpdate } from '../../src/graph/protobuf.js';
import { parseRelationship } from '../../src/graph/relationship-text.js';
import { GraphSchema } from '../../src/graph/schema/schema.js';
import { FULLY_CONSISTENT, lookupResources, lookupSubjects } from '../../src/graph/spicedb-api.js';
import type { PgliteDatabase } from '../../src/store/database/pglite.js';
import { ScratchDatabase } from '../support/postgres/scratch-database.js';
import { Journal } from '../../src/store/journal.js';
import { migrateSchema } from '../../src/store/migrations.js';
import type { CheckRequest } from '../../src/model/checks.js';
import type { RelationshipUpdate } from '../../src/model/relationships.js';

const SCHEMA = `definition user {
  relation manager: user
  permission look = manager + manager->look
}
definition agent {
  relation delegator: user | agent
}
definition team {
  relation member: user | team#member
  relation lead: user
  permission all = member + lead
}
definition folder {
  relation parent: folder
  relation viewer: user | user:* | team#all | agent
  relation banned: user | team#member
  relation owner: user
  permission view = viewer + parent->view - banned
  permission boss = owner->look & view
  permission every = parent.all(view)
}
`;
const schema = GraphSchema.parse(SCHEMA, 'effects.zed');
const USERS = ['u1', 'u2', 'u3'];
const TEAMS = ['t1', 't2'];
const FOLDERS = ['f1', 'f2', 'f3'];

/**
 * Each write takes some of these away where they are, and puts them there where they aren't. There are no cycles, in
 * which SpiceDB looks for half a minute.
 */
const POOL = `
user:u1#manager@user:u2 user:u2#manager@user:u3
team:t1#member@user:u1 team:t1#member@team:t2#member team:t2#member@user:u2 team:t2#lead@user:u3
folder:f1#parent@folder:f2 folder:f2#parent@folder:f3 folder:f1#parent@folder:f3
folder:f1#viewer@team:t1#all folder:f2#viewer@user:u2 folder:f3#viewer@user:u1 folder:f3#viewer@user:*
folder:f1#viewer@agent:a folder:f1#banned@user:u1 folder:f2#banned@team:t2#member
folder:f1#owner@user:u1 folder:f2#owner@user:u2
agent:a#delegator@user:u1 agent:a#delegator@agent:b
`
  .trim()
  .split(/\s+/);
const write = fc.uniqueArray(fc.constantFrom(...POOL), { minLength: 1, maxLength: 2 });

const ALL_CHECKS: readonly CheckRequest[] = [
  ...FOLDERS.flatMap((id) => ['view', 'boss', 'every', 'viewer'].map((permission) => ({ resource: { type: 'folder', id }, permission }))),
  ...USERS.map((id) => ({ resource: { type: 'user', id }, permission: 'look' })),
  ...TEAMS.map((id) => ({ resource: { type: 'team', id }, permission: 'all' })),
  { resource: { type: 'agent', id: 'a' }, permission: 'delegator' },
].flatMap((asked) => [...USERS.map((id) => ({ type: 'user', id })), { type: 'agent', id: 'a' }].map((subject) => ({ ...asked, subject }))); // prettier-ignore

let database: PgliteDatabase;
beforeAll(async () => {
  database = new ScratchDatabase();
  await migrateSchema(database);
  return () => database.close();
});

async function emptyGraph(): Promise<EmbeddedGraph> {
  await database.run([{ sql: 'delete from relationship_journal' }]);
  return EmbeddedGraph.start(schema, await Journal.open(database));
}

describe('the cache of the embedded engine', () => {
  it('answers as a SpiceDB without a cache, after any writes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(write, { minLength: 8, maxLength: 15 }), async (writes) => {
        const present = new Set<string>();
        const graph = await emptyGraph();
        const oracle = await EmbeddedClient.start(SCHEMA);
        try {
          // Nearly all of them at first.
          for (const texts of [POOL.filter((_, i) => i % 7 !== 0), ...writes]) {
            const updates = texts.map((text): RelationshipUpdate => ({ operation: present.has(text) ? 'delete' : 'touch', relationship: parseRelationship(text) })); // prettier-ignore
            for (const text of texts) if (!present.delete(text)) present.add(text);
            await graph.write(updates, 'test');
            await oracle.writeRelationships(v1.WriteRelationshipsRequest.create({ updates: updates.map(toProtoUpdate) })); // prettier-ignore
            const expected = (await checkBulk(oracle, ALL_CHECKS, FULLY_CONSISTENT)).answers.map(({ answer }) => answer.result); // prettier-ignore
            const answers = await graph.check(ALL_CHECKS, 'full');
            expect(answers.map(({ result }) => result)).toEqual(expected);
            // All are of one revision, whenever they were given.
            expect(new Set(answers.flatMap((a) => ('revision' in a ? [a.revision] : []))).size).toBeLessThan(2);
            for (const id of USERS) {
              const lookup = { resourceType: 'folder', permission: 'view', subject: { type: 'user', id }, withinMs: 5_000 }; // prettier-ignore
              const found = await graph.lookupResources(lookup, 'full').catch(() => undefined);
              const expectedIds = await lookupResources(oracle, lookup, FULLY_CONSISTENT).catch(() => undefined);
              expect(found?.ids).toEqual(expectedIds?.ids);
            }
            const holders = { resource: { type: 'team', id: 't1' }, permission: 'all', subjectType: 'user', withinMs: 5_000 }; // prettier-ignore
            expect((await graph.lookupSubjects(holders, 'full').catch(() => undefined))?.ids).toEqual(
              (await lookupSubjects(oracle, holders, FULLY_CONSISTENT).catch(() => undefined))?.ids,
            );
            const read = await graph.read({ resourceType: 'team' }, 100, 'full');
            expect(read.relationships).toEqual((await graph.read({ resourceType: 'team' }, 99, 'full')).relationships);
          }
        } finally {
          await graph.close();
          await oracle.close();
        }
      }),
      { numRuns: 12 },
    );
  });

  it('keeps what a write can’t change', async () => {
    const graph = await emptyGraph();
    const touch = (...texts: string[]) =>
      graph.write(texts.map((text) => ({ operation: 'touch', relationship: parseRelationship(text) })), 'test'); // prettier-ignore
    const sent = (): number => graph.counts().members;
    const ask = async (id: string): Promise<number> => {
      const before = sent();
      await graph.check([{ resource: { type: 'folder', id: 'f1' }, permission: 'view', subject: { type: 'user', id } }], 'full'); // prettier-ignore
      return sent() - before;
    };
    await touch('folder:f1#viewer@team:t1#all', 'team:t1#member@user:u1');
    expect([await ask('u1'), await ask('u1')]).toEqual([1, 0]);
    // Another subject's membership, and a relation that the permission doesn't reach.
    await touch('team:t1#member@user:u2', 'folder:f1#owner@user:u1', 'user:u1#manager@user:u3');
    expect(await ask('u2')).toBe(1);
    await touch('agent:a#delegator@user:u1', 'folder:f2#banned@user:u3');
    expect(await ask('u3')).toBe(1);
    await touch('team:t1#lead@user:u3', 'folder:f1#owner@user:u3');
    expect([await ask('u2'), await ask('u3')]).toEqual([0, 1]);
    // A userset, a wildcard and what an arrow leads over may change anybody's.
    for (const text of ['team:t1#member@team:t2#member', 'folder:f3#viewer@user:*', 'folder:f3#parent@folder:f2']) {
      await ask('u2');
      await touch(text);
      expect([text, await ask('u2')]).toEqual([text, 1]);
    }
    await graph.close();
  });
});
