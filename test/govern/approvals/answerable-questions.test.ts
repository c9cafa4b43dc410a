/** The list of an approver: the same answers as one by one, for the price of one bulk of checks where nothing is theirs. */
import { beforeAll, describe, expect, it } from 'vitest';
import { selectAnswerable } from '../../../src/govern/approvals/answerable-questions.js';
import { findIneligibility } from '../../../src/govern/approvals/eligibility.js';
import { EmbeddedGraph } from '../../../src/graph/embedded/embedded.js';
import { parseRelationship } from '../../../src/graph/relationship-text.js';
import { GraphSchema } from '../../../src/graph/schema/schema.js';
import { GraphSnapshot } from '../../../src/graph/snapshot.js';
import type { CheckRequest } from '../../../src/model/checks.js';
import { Deadline } from '../../../src/runtime/deadline.js';
import { Journal } from '../../../src/store/journal.js';
import { ScratchDatabase } from '../../support/postgres/scratch-database.js';
import { migrateSchema } from '../../../src/store/migrations.js';

const SCHEMA = GraphSchema.parse(
  `
definition user {}
definition team {
  relation member: user
  relation deputy: user
}
definition doc {
  relation approver: user | team#member
  relation reader: user
}
`,
  'list.zed',
);

describe('the questions that a person may answer', () => {
  let graph: EmbeddedGraph;
  const calls = { checks: 0, reads: 0, lookups: 0 };
  beforeAll(async () => {
    const database = new ScratchDatabase();
    await migrateSchema(database);
    graph = await EmbeddedGraph.start(SCHEMA, await Journal.open(database));
    const rows = [
      'doc:mine#approver@user:bob',
      'doc:team#approver@team:x#member',
      'team:x#member@user:bob',
      'team:x#deputy@user:dan',
      'doc:other#approver@user:carol',
    ];
    await graph.write(
      rows.map((text) => ({ operation: 'touch', relationship: parseRelationship(text) })),
      'test',
    );
    return async () => {
      await graph.close();
      await database.close();
    };
  });
  const count = async <T>(name: keyof typeof calls, result: Promise<T>): Promise<T> => {
    calls[name] += 1;
    return result;
  };
  /** The graph at one revision, whose calls are counted. */
  const snapshot = () => {
    Object.assign(calls, { checks: 0, reads: 0, lookups: 0 });
    const pinned = new GraphSnapshot(graph, 'full');
    return {
      check: (checks: readonly CheckRequest[]) => count('checks', pinned.check(checks)),
      read: (...args: Parameters<GraphSnapshot['read']>) => count('reads', pinned.read(...args)),
      lookupResources: (...args: Parameters<GraphSnapshot['lookupResources']>) =>
        count('lookups', pinned.lookupResources(...args)),
    };
  };
  const alice = { user: { type: 'user', id: 'alice' }, chain: [] };
  const bob = { user: { type: 'user', id: 'bob' }, chain: [] };
  const QUESTIONS = [
    { resource: { type: 'doc', id: 'mine' }, permission: 'approver', requester: alice },
    { resource: { type: 'doc', id: 'other' }, permission: 'approver', requester: alice },
    { resource: { type: 'doc', id: 'team' }, permission: 'approver', requester: alice },
    { resource: { type: 'doc', id: 'team' }, permission: 'approver', requester: bob },
    { resource: { type: 'doc', id: 'team' }, permission: 'reader', requester: alice },
  ];
  const deps = (deputies: Record<string, string>) => ({
    graph: snapshot(),
    rules: { graph: SCHEMA, vocabulary: { agentObject: 'agent' } },
    administeredBy: new Map<string, string>(),
    deputies: new Map(Object.entries(deputies)),
  });
  const list = async (id: string, questions: typeof QUESTIONS, deputies: Record<string, string> = {}) => {
    const given = deps(deputies);
    return Deadline.run(60_000, (deadline) => selectAnswerable({ type: 'user', id }, questions, given, deadline));
  };

  it.each(['alice', 'bob', 'carol', 'dan', 'eve'])('are for %s those that each alone says', async (id) => {
    for (const deputies of [{}, { team: 'deputy' }]) {
      const given = deps(deputies);
      const alone = await Promise.all(
        QUESTIONS.map((question) =>
          Deadline.run(60_000, (deadline) =>
            findIneligibility({ ...question, approver: { type: 'user', id } }, given, deadline),
          ),
        ),
      );
      const expected = QUESTIONS.filter((_, i) => JSON.stringify(alone[i]) === '{"eligible":true}');
      expect(await list(id, QUESTIONS, deputies)).toEqual({ answerable: expected });
    }
  });

  it('are some for holders and for deputies', async () => {
    expect(await list('bob', QUESTIONS)).toEqual({ answerable: [QUESTIONS[0], QUESTIONS[2]] });
    expect(await list('dan', QUESTIONS, { team: 'deputy' })).toEqual({ answerable: [QUESTIONS[2], QUESTIONS[3]] });
  });

  it('are none where the schema has lost the permission, and keep no other from being told', async () => {
    const lost = { resource: { type: 'doc', id: 'mine' }, permission: 'gone', requester: alice };
    const removed = { resource: { type: 'gone', id: 'mine' }, permission: 'approver', requester: alice };
    const [mine] = QUESTIONS;
    if (mine === undefined) throw new TypeError('no question');
    expect(await list('bob', [lost, mine, removed], { team: 'deputy' })).toEqual({ answerable: [mine] });
    const alone = await Deadline.run(60_000, (deadline) =>
      findIneligibility({ ...lost, approver: { type: 'user', id: 'bob' } }, deps({ team: 'deputy' }), deadline),
    );
    expect(alone).toEqual({ eligible: false, why: 'no_permission' });
  });

  it('cost one call where none is theirs, however many are open', async () => {
    const many = Array.from({ length: 500 }, (_, i) => ({
      resource: { type: 'doc', id: `d${i}` },
      permission: 'approver',
      requester: alice,
    }));
    expect(await list('eve', many)).toEqual({ answerable: [] });
    expect(calls).toEqual({ checks: 1, reads: 0, lookups: 0 });
    expect(await list('eve', many, { team: 'deputy' })).toEqual({ answerable: [] });
    expect(calls).toEqual({ checks: 1, reads: 0, lookups: 1 });
  });
});
