/**
 * What a write can change, as the embedded engine's cache knows it: after any writes its answers are those of a SpiceDB
 * that caches nothing, and writes that can't touch an answer leave it cached.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { v1 } from '@authzed/authzed-node';
import { EmbeddedClient } from '../../../src/graph/embedded/client.js';
import { EmbeddedGraph } from '../../../src/graph/embedded/embedded.js';
import { toProtoUpdate } from '../../../src/graph/protobuf.js';
import { parseRelationship } from '../../../src/graph/relationship-text.js';
import { GraphSchema } from '../../../src/graph/schema/schema.js';
import { checkBulk, FULLY_CONSISTENT, lookupResources, lookupSubjects } from '../../../src/graph/spicedb-api.js';
import { PgliteDatabase } from '../../../src/store/database/pglite.js';
import { Journal } from '../../../src/store/journal.js';
import { migrateSchema } from '../../../src/store/migrations.js';
import type { CheckRequest } from '../../../src/model/checks.js';
import type { RelationshipUpdate } from '../../../src/model/relationships.js';

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

const user = fc.constantFrom(...USERS).map((id) => `user:${id}`);
const folder = fc.constantFrom(...FOLDERS).map((id) => `folder:${id}`);
const team = fc.constantFrom(...TEAMS).map((id) => `team:${id}`);
/** No cycles: SpiceDB looks for half a minute in them. */
const relationship = fc.oneof(
  fc.constantFrom('user:u1#manager@user:u2', 'user:u2#manager@user:u3', 'user:u1#manager@user:u3'),
  fc.tuple(team, user).map(([t, s]) => `${t}#member@${s}`),
  fc.constant('team:t1#member@team:t2#member'),
  fc.tuple(team, user).map(([t, u]) => `${t}#lead@${u}`),
  fc.constantFrom('folder:f1#parent@folder:f2', 'folder:f2#parent@folder:f3', 'folder:f1#parent@folder:f3'),
  fc.tuple(folder, fc.oneof(user, fc.constant('user:*'), team.map((t) => `${t}#all`), fc.constant('agent:a'))).map(([f, s]) => `${f}#viewer@${s}`),
  fc.tuple(folder, fc.oneof(user, team.map((t) => `${t}#member`))).map(([f, s]) => `${f}#banned@${s}`),
  fc.tuple(folder, user).map(([f, u]) => `${f}#owner@${u}`),
  fc.oneof(user, fc.constant('agent:b')).map((s) => `agent:a#delegator@${s}`),
); // prettier-ignore
const write = fc.uniqueArray(fc.tuple(relationship, fc.constantFrom('touch' as const, 'delete' as const)), {
  minLength: 1,
  maxLength: 3,
  selector: ([text]) => text,
});

const ALL_CHECKS: readonly CheckRequest[] = [
  ...FOLDERS.flatMap((id) => ['view', 'boss', 'every', 'viewer'].map((permission) => ({ resource: { type: 'folder', id }, permission }))),
  ...USERS.map((id) => ({ resource: { type: 'user', id }, permission: 'look' })),
  ...TEAMS.map((id) => ({ resource: { type: 'team', id }, permission: 'all' })),
  { resource: { type: 'agent', id: 'a' }, permission: 'delegator' },
].flatMap((asked) => [...USERS.map((id) => ({ type: 'user', id })), { type: 'agent', id: 'a' }].map((subject) => ({ ...asked, subject }))); // prettier-ignore

let database: PgliteDatabase;
beforeAll(async () => {
  database = new PgliteDatabase(undefined);
  await migrateSchema(database);
});
afterAll(() => database.close());

async function emptyGraph(): Promise<EmbeddedGraph> {
  await database.run([{ sql: 'delete from relationship_journal' }]);
  return EmbeddedGraph.start(schema, await Journal.open(database));
}

describe('the cache of the embedded engine', () => {
  it('answers as a SpiceDB without a cache, after any writes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(write, { minLength: 2, maxLength: 12 }), async (writes) => {
        const graph = await emptyGraph();
        const oracle = await EmbeddedClient.start(SCHEMA);
        try {
          for (const texts of writes) {
            const updates = texts.map(([text, operation]): RelationshipUpdate => ({ operation, relationship: parseRelationship(text) })); // prettier-ignore
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
      { numRuns: 25 },
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
