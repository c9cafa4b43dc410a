/** Who may approve, on real engines: by hand where the contract names it, and against a naive oracle on random graphs. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { ServerGraph } from '../../../src/graph/server/server.js';
import { EmbeddedGraph } from '../../../src/graph/embedded/embedded.js';
import type { RelationshipGraph } from '../../../src/graph/port.js';
import { parseRelationship, relationshipKey } from '../../../src/graph/relationship-text.js';
import { GraphSchema } from '../../../src/graph/schema/schema.js';
import { GraphSnapshot } from '../../../src/graph/snapshot.js';
import { assertUntilSeen } from '../../support/until-seen.js';
import type { ApprovalRequester } from '../../../src/model/approvals.js';
import { findIneligibility, listRequesters, type Eligibility } from '../../../src/govern/approvals/eligibility.js';
import { formatRef, type EntityRef } from '../../../src/model/ids.js';
import type { Relationship } from '../../../src/model/relationships.js';
import { Deadline } from '../../../src/runtime/deadline.js';
import { Journal } from '../../../src/store/journal.js';
import { ScratchDatabase } from '../../support/postgres/scratch-database.js';
import { migrateSchema } from '../../../src/store/migrations.js';
import { BINARY, named, startSpiceDb } from '../../support/spicedb.js';

const SCHEMA = GraphSchema.parse(
  `
use expiration

caveat on_duty(duty bool) {
  duty
}

definition user {
  relation delegate: user
}
definition agent {
  relation delegator: user | agent
}
definition team {
  relation member: user | team#member | user with expiration | user with on_duty
  relation admin: user | team#member
  relation deputy: user
  permission administer = admin
}
definition crew {
  relation hand: user
  relation boss: user
}
definition doc {
  relation parent: doc
  relation owner: user
  relation approver: user | user:* | team#member | crew#hand | agent#delegator
  relation cleared: user | team#member
  relation banned: user | team#member
  permission approve = approver + owner->delegate + parent->approve
  permission approve_cleared = approve & cleared
  permission approve_unbanned = approve - banned
  permission approve_mixed = cleared + (approve - banned)
  permission approve_everywhere = parent.all(approve)
}
`,
  'eligibility.zed',
);
const ADMINISTERED_BY = new Map([['crew', 'boss']]);
const DEPUTIES = new Map([['team', 'deputy']]);

const ref = (text: string): EntityRef => {
  const [type = '', id = ''] = text.split(':');
  return { type, id };
};
const ALICE: ApprovalRequester = { user: ref('user:alice'), agent: ref('agent:helper'), chain: [ref('agent:planner')] };

async function ask(
  graph: RelationshipGraph,
  approver: string,
  { permission = 'approve', requester = ALICE, resource = 'doc:plan', deputies = new Map<string, string>() } = {},
): Promise<Eligibility> {
  const deps = {
    graph: new GraphSnapshot(graph, 'full'),
    rules: { graph: SCHEMA, vocabulary: { agentObject: 'agent' } },
    administeredBy: ADMINISTERED_BY,
    deputies,
  };
  const question = { resource: ref(resource), permission, approver: ref(approver), requester };
  return Deadline.run(60_000, (deadline) => findIneligibility(question, deps, deadline));
}

/** A graph whose relationships are replaced from one world to the next. */
class World {
  private written: readonly Relationship[] = [];
  constructor(readonly graph: RelationshipGraph) {}

  async put(rows: readonly Relationship[]): Promise<void> {
    const keys = new Set(rows.map(relationshipKey));
    const gone = this.written.filter((row) => !keys.has(relationshipKey(row)));
    const updates = [
      ...gone.map((relationship) => ({ operation: 'delete' as const, relationship })),
      ...rows.map((relationship) => ({ operation: 'touch' as const, relationship })),
    ];
    for (let from = 0; from < updates.length; from += 1000)
      await this.graph.write(updates.slice(from, from + 1000), 'test');
    this.written = rows;
  }

  async holds(resource: string, permission: string, subject: EntityRef): Promise<boolean | undefined> {
    const [answer] = await this.graph.check([{ resource: ref(resource), permission, subject }], 'full');
    if (answer?.result === 'yes') return true;
    return answer?.result === 'no' ? false : undefined;
  }
}

async function openEmbedded(): Promise<EmbeddedGraph> {
  const database = new ScratchDatabase();
  await migrateSchema(database);
  return EmbeddedGraph.start(SCHEMA, await Journal.open(database));
}

const YES: Eligibility = { eligible: true };
const no = (why: string) => ({ eligible: false, why });

/** The cases that the contract names; each says what the graph has beside nothing. */
const CASES: [about: string, rows: string[], approver: string, answer: unknown, options?: Parameters<typeof ask>[2]][] = [
  ['a person who holds the permission', ['doc:plan#approver@user:bob'], 'user:bob', YES],
  ['the user who asks', ['doc:plan#approver@user:alice'], 'user:alice', no('requester')],
  ['the agent that asks', ['doc:plan#approver@user:bob'], 'agent:helper', no('requester')],
  ['an agent of the chain', [], 'agent:planner', no('requester')],
  ['another agent', ['agent:robot#delegator@user:bob'], 'agent:robot', no('agent')],
  ['a person without the permission', ['doc:plan#cleared@user:bob'], 'user:bob', no('no_permission')],
  ['a member of a nested team', ['doc:plan#approver@team:x#member', 'team:x#member@team:y#member', 'team:y#member@user:bob'], 'user:bob', YES],
  ['a member of a team that the requester administers', ['doc:plan#approver@team:x#member', 'team:x#member@user:bob', 'team:x#admin@user:alice'], 'user:bob', no('own_path')],
  ['a member of a team that an agent of the chain administers through another', ['doc:plan#approver@team:x#member', 'team:x#member@user:bob', 'team:x#admin@team:z#member', 'team:z#member@user:alice'], 'user:bob', no('own_path')],
  ['a member of an inner team that the requester administers', ['doc:plan#approver@team:x#member', 'team:x#member@team:y#member', 'team:y#member@user:bob', 'team:y#admin@user:alice'], 'user:bob', no('own_path')],
  ['a member of an outer team that the requester administers', ['doc:plan#approver@team:x#member', 'team:x#member@team:y#member', 'team:y#member@user:bob', 'team:x#admin@user:alice'], 'user:bob', no('own_path')],
  ['a member of such a team who is in another one as well', ['doc:plan#approver@team:x#member', 'team:x#member@user:bob', 'team:x#admin@user:alice', 'doc:plan#approver@team:y#member', 'team:y#member@user:bob'], 'user:bob', YES],
  ['a hand of a crew whose boss asks', ['doc:plan#approver@crew:c#hand', 'crew:c#hand@user:bob', 'crew:c#boss@user:alice'], 'user:bob', no('own_path')],
  ['a hand of a crew with another boss', ['doc:plan#approver@crew:c#hand', 'crew:c#hand@user:bob', 'crew:c#boss@user:carol'], 'user:bob', YES],
  ['the delegate of the requester', ['doc:plan#owner@user:alice', 'user:alice#delegate@user:bob'], 'user:bob', no('own_path')],
  ['the delegate of another owner', ['doc:plan#owner@user:carol', 'user:carol#delegate@user:bob'], 'user:bob', YES],
  ['a delegate who holds it by herself, too', ['doc:plan#owner@user:alice', 'user:alice#delegate@user:bob', 'doc:plan#parent@doc:top', 'doc:top#approver@user:bob'], 'user:bob', YES],
  ['a delegator of the agent that asks', ['doc:plan#approver@agent:helper#delegator', 'agent:helper#delegator@user:bob'], 'user:bob', no('own_path')],
  ['a person by the wildcard', ['doc:plan#approver@user:*'], 'user:bob', YES],
  ['a person of a cycle of teams', ['doc:plan#approver@team:x#member', 'team:x#member@team:y#member', 'team:y#member@team:x#member', 'team:y#member@user:bob'], 'user:bob', YES],
  ['a person of a cycle of teams that the requester administers in one place', ['doc:plan#approver@team:x#member', 'team:x#member@team:y#member', 'team:y#member@team:x#member', 'team:y#member@user:bob', 'team:y#admin@user:alice'], 'user:bob', no('own_path')],
  ['a member until an end', ['doc:plan#approver@team:x#member', 'team:x#member@user:bob[expiration:2099-01-01T00:00:00Z]'], 'user:bob', YES],
  ['a member by a caveat that holds', ['doc:plan#approver@team:x#member', 'team:x#member@user:bob[on_duty:{"duty":true}]'], 'user:bob', no('not_found_in_time')],
  ['a member by a caveat that asks for context', ['doc:plan#approver@team:x#member', 'team:x#member@user:bob[on_duty]'], 'user:bob', no('no_permission')],
  ['both parts of an intersection', ['doc:plan#approver@user:bob', 'doc:plan#cleared@user:bob'], 'user:bob', YES, { permission: 'approve_cleared' }],
  ['an intersection whose one part rests on the requester', ['doc:plan#approver@user:bob', 'doc:plan#cleared@team:x#member', 'team:x#member@user:bob', 'team:x#admin@user:alice'], 'user:bob', no('own_path'), { permission: 'approve_cleared' }],
  ['a person who is not excluded', ['doc:plan#approver@user:bob', 'doc:plan#banned@user:carol'], 'user:bob', YES, { permission: 'approve_unbanned' }],
  ['a person whom only the requester excludes', ['doc:plan#approver@user:bob', 'doc:plan#banned@team:x#member', 'team:x#member@user:bob', 'team:x#admin@user:alice'], 'user:bob', no('no_permission'), { permission: 'approve_unbanned' }],
  ['a person who is excluded, and holds it otherwise only through the requester', ['doc:plan#approver@user:bob', 'doc:plan#banned@user:bob', 'doc:plan#cleared@team:x#member', 'team:x#member@user:bob', 'team:x#admin@user:alice'], 'user:bob', no('own_path'), { permission: 'approve_mixed' }],
  ['every parent', ['doc:plan#parent@doc:top', 'doc:plan#parent@doc:side', 'doc:top#approver@user:bob', 'doc:side#approver@user:bob'], 'user:bob', YES, { permission: 'approve_everywhere' }],
  ['every parent, one through the requester', ['doc:plan#parent@doc:top', 'doc:plan#parent@doc:side', 'doc:top#approver@user:bob', 'doc:side#owner@user:alice', 'user:alice#delegate@user:bob'], 'user:bob', no('own_path'), { permission: 'approve_everywhere' }],
  ['a deputy of a team', ['doc:plan#approver@team:x#member', 'team:x#deputy@user:bob'], 'user:bob', YES, { deputies: DEPUTIES }],
  ['a deputy where none is configured', ['doc:plan#approver@team:x#member', 'team:x#deputy@user:bob'], 'user:bob', no('no_permission')],
  ['a deputy of a nested team', ['doc:plan#approver@team:x#member', 'team:x#member@team:y#member', 'team:y#deputy@user:bob'], 'user:bob', YES, { deputies: DEPUTIES }],
  ['a deputy of another team', ['doc:plan#approver@team:x#member', 'team:y#deputy@user:bob'], 'user:bob', no('no_permission'), { deputies: DEPUTIES }],
  ['a deputy whom the requester could appoint', ['doc:plan#approver@team:x#member', 'team:x#deputy@user:bob', 'team:x#admin@user:alice'], 'user:bob', no('no_permission'), { deputies: DEPUTIES }],
  ['a deputy of those who are excluded', ['doc:plan#approver@team:x#member', 'doc:plan#banned@team:x#member', 'team:x#deputy@user:bob'], 'user:bob', no('no_permission'), { permission: 'approve_unbanned', deputies: DEPUTIES }],
  ['an agent for itself, asked of its delegator', ['doc:plan#approver@user:bob', 'agent:helper#delegator@user:bob'], 'user:bob', YES, { requester: { agent: ref('agent:helper'), chain: [] } }],
]; // prettier-ignore

function describeCases(name: string, open: () => Promise<RelationshipGraph>): void {
  describe(name, () => {
    let world: World;
    beforeAll(async () => {
      const graph = await open();
      world = new World(graph);
      return () => graph.close();
    });

    it.each(CASES)('says of %s', async (_, rows, approver, expected, options) => {
      await world.put(rows.map(parseRelationship));
      expect(await ask(world.graph, approver, options)).toEqual(expected);
    });

    it('finds one of ten thousand members, and who is no member', async () => {
      const crowd = Array.from({ length: 10_000 }, (_, i) => parseRelationship(`team:big#member@user:m${i}`));
      await world.put([...crowd, parseRelationship('doc:plan#approver@team:big#member')]);
      expect(await ask(world.graph, 'user:m9999')).toEqual(YES);
      expect(await ask(world.graph, 'user:bob')).toEqual(no('no_permission'));
    });

    it('finds the way through one of 900 teams, and gives up on two thousand', async () => {
      const teams = (count: number): Relationship[] =>
        Array.from({ length: count }, (_, i) => parseRelationship(`doc:plan#approver@team:t${i}#member`));
      await world.put([...teams(900), parseRelationship('team:t899#member@user:bob')]);
      expect(await ask(world.graph, 'user:bob')).toEqual(YES);
      await world.put([...teams(2000), parseRelationship('team:t1999#member@user:bob')]);
      expect(await ask(world.graph, 'user:bob')).toEqual(no('not_found_in_time'));
    });
  });
}

describeCases('eligibility, embedded', openEmbedded);
describe.skipIf(BINARY === '')(named('eligibility on a server'), () => {
  describeCases('the same', async () => {
    const spicedb = await startSpiceDb();
    await spicedb.schema(SCHEMA);
    const graph = await ServerGraph.start(SCHEMA, { ...spicedb.address, deadlineMs: 5_000 });
    return Object.create(graph, {
      close: { value: () => graph.close().finally(() => spicedb.kill()) },
    }) as RelationshipGraph;
  });
});

const idOf = (kind: string, count: number) => fc.nat(count - 1).map((n) => `${kind}:${kind[0] ?? ''}${n}`);
const [docs, users, teams, crews, agents] = [idOf('doc', 2), idOf('user', 3), idOf('team', 3), idOf('crew', 1), idOf('agent', 3)]; // prettier-ignore
const row = (object: fc.Arbitrary<string>, relation: string, ...subjects: fc.Arbitrary<string>[]) =>
  fc.tuple(object, fc.oneof(...subjects)).map(([o, s]) => `${o}#${relation}@${s}`);
const members = teams.map((team) => `${team}#member`);
const anyRow = fc
  .oneof(
    row(users, 'delegate', users),
    row(agents, 'delegator', users, agents),
    row(teams, 'member', users, members),
    row(teams, 'admin', users, members),
    row(teams, 'deputy', users),
    row(crews, 'hand', users),
    row(crews, 'boss', users),
    row(docs, 'parent', docs),
    row(docs, 'owner', users),
    row(docs, 'approver', users, fc.constant('user:*'), members, crews.map((c) => `${c}#hand`), agents.map((a) => `${a}#delegator`)),
    row(docs, 'cleared', users, members),
    row(docs, 'banned', users, members),
  )
  .map(parseRelationship); // prettier-ignore

describe('eligibility beside a naive oracle', () => {
  const REQUESTER: ApprovalRequester = { user: ref('user:u0'), agent: ref('agent:a0'), chain: [ref('agent:a1')] };
  let full: World;
  let reduced: World;
  beforeAll(async () => {
    const graphs = [await openEmbedded(), await openEmbedded()] as const;
    [full, reduced] = [new World(graphs[0]), new World(graphs[1])];
    return async () => {
      for (const graph of graphs) await graph.close();
    };
  });

  /** The world without what rests on the requester; undefined where SpiceDB can't tell. */
  async function removeTies(rows: readonly Relationship[], resource: string): Promise<Relationship[] | undefined> {
    const parties = listRequesters(REQUESTER);
    const isParty = (other: EntityRef): boolean => parties.some((party) => formatRef(party) === formatRef(other));
    const groups = new Map(
      rows.flatMap(({ resource: object }) => {
        const permission = { team: 'administer', crew: 'boss' }[object.type];
        return permission === undefined || formatRef(object) === resource
          ? []
          : [[formatRef(object), { resource: object, permission }] as const];
      }),
    );
    const checks = [...groups.values()].flatMap((group) => parties.map((subject) => ({ ...group, subject })));
    const answers = await full.graph.check(checks, 'full');
    if (answers.some(({ result }) => result !== 'yes' && result !== 'no')) return undefined;
    const administered = new Set(
      checks.filter((_, i) => answers[i]?.result === 'yes').map((check) => formatRef(check.resource)),
    );
    return rows.filter(
      ({ resource: object, subject, wildcard }) =>
        !isParty(object) && (wildcard === true || !isParty(subject)) && !administered.has(formatRef(object)),
    );
  }
  /** The world in which the approver is a member wherever they are a deputy. */
  const withDeputies = (rows: readonly Relationship[], approver: string): Relationship[] => [
    ...new Map(
      rows
        .flatMap((relationship) =>
          relationship.relation === 'deputy' && formatRef(relationship.subject) === approver
            ? [relationship, parseRelationship(`${formatRef(relationship.resource)}#member@${approver}`)]
            : [relationship],
        )
        .map((relationship) => [relationshipKey(relationship), relationship]),
    ).values(),
  ];

  it.each([
    ['approve', true],
    ['approve_cleared', true],
    ['approve_unbanned', false],
    ['approve_mixed', false],
    ['approve_everywhere', false],
  ])('finds %s only where it is held without what rests on the requester', async (permission, isMonotone) => {
    let [found, refused] = [0, 0];
    const property = fc.asyncProperty(
      fc.uniqueArray(anyRow, { minLength: 8, maxLength: 24, selector: relationshipKey }),
      fc.constant('user:u1'),
      fc.boolean(),
      async (rows, approver, allowsDeputies) => {
        const resource = 'doc:d0';
        await full.put(rows);
        const deputies = allowsDeputies ? DEPUTIES : new Map<string, string>();
        const answer = await ask(full.graph, approver, { permission, resource, requester: REQUESTER, deputies });
        const kept = await removeTies(rows, resource);
        fc.pre(kept !== undefined && 'eligible' in answer);
        const judge = async (world: readonly Relationship[]): Promise<boolean | undefined> => {
          await reduced.put(world);
          return reduced.holds(resource, permission, ref(approver));
        };
        const isHeldIn = async (
          toWorld: (of: readonly Relationship[]) => readonly Relationship[],
        ): Promise<boolean> => {
          const judgements = [await judge(toWorld(rows)), await judge(toWorld(kept))];
          fc.pre(!judgements.includes(undefined));
          return !judgements.includes(false);
        };
        const isEligible =
          (await isHeldIn((of) => of)) || (allowsDeputies && (await isHeldIn((of) => withDeputies(of, approver))));
        if (isMonotone) expect(answer.eligible).toBe(isEligible);
        else if (answer.eligible) expect(isEligible).toBe(true);
        if (answer.eligible) found += 1;
        else refused += 1;
      },
    );
    await assertUntilSeen(
      () => fc.assert(property, { numRuns: 50 }),
      () => [...(found > 2 ? [] : ['eligible']), ...(refused > 2 ? [] : ['not eligible'])],
    );
  });
});
