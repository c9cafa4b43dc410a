/** The path of a yes that a caveat decides: named where the trace leaves no doubt, and then it grants by itself. */
import fc from 'fast-check';
import { beforeAll, expect, it, vi } from 'vitest';
import { EmbeddedGraph } from '../../../src/graph/embedded/embedded.js';
import { parseRelationship } from '../../../src/graph/relationship-text.js';
import { GraphSchema } from '../../../src/graph/schema/schema.js';
import type { CheckAnswer } from '../../../src/model/checks.js';
import { ScratchDatabase } from '../../support/postgres/scratch-database.js';
import { Journal } from '../../../src/store/journal.js';
import { migrateSchema } from '../../../src/store/migrations.js';
import { assertUntilSeen } from '../../support/until-seen.js';

// Real engines, on a machine that may be busy with much else.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const graph = GraphSchema.parse(
  `caveat tier_is(tier string, wanted string) {
  tier == wanted
}
definition user {}
definition team {
  relation member: user | user with tier_is
}
definition folder {
  relation parent: folder | folder with tier_is
  relation viewer: user | user with tier_is | team#member | team#member with tier_is
  relation banned: user | user with tier_is
  permission view = (viewer + parent->view) - banned
}
`,
  'test.zed',
);
let engine: EmbeddedGraph;
beforeAll(async () => {
  const db = new ScratchDatabase();
  await migrateSchema(db);
  engine = await EmbeddedGraph.start(graph, await Journal.open(db));
  return async () => {
    await engine.close();
    await db.close();
  };
});

const MET = '[tier_is:{"wanted":"gold"}]';
const UNMET = '[tier_is:{"wanted":"lead"}]';
let worlds = 0;

/** Asks whether user:ann may view folder:a, in a world of its own whose ids have a prefix. */
async function ask(relationships: readonly string[], prefix = `w${worlds++}-`): Promise<CheckAnswer | undefined> {
  const named = relationships.map((text) => text.replace(/(folder|team|user):/g, `$1:${prefix}`));
  await engine.write(
    named.map((text) => ({ operation: 'touch' as const, relationship: parseRelationship(text) })),
    'test',
  );
  const [answer] = await engine.check(
    [
      {
        resource: { type: 'folder', id: `${prefix}a` },
        permission: 'view',
        subject: { type: 'user', id: `${prefix}ann` },
        context: { tier: 'gold' },
        explain: true,
      },
    ],
    'full',
  );
  return answer?.result !== 'yes'
    ? answer
    : { ...answer, path: (answer.path ?? []).map((text) => text.replaceAll(prefix, '')) };
}

it.each<[string, string[], string[]]>([
  ['on the relationship itself', [`folder:a#viewer@user:ann${MET}`], ['folder:a#viewer@user:ann']],
  ['behind an arrow', ['folder:a#parent@folder:b', `folder:b#viewer@user:ann${MET}`], ['folder:a#parent@folder:b', 'folder:b#viewer@user:ann']],
  ['on the arrow', [`folder:a#parent@folder:b${MET}`, 'folder:b#viewer@user:ann'], ['folder:a#parent@folder:b', 'folder:b#viewer@user:ann']],
  ['within a team', ['folder:a#viewer@team:t#member', `team:t#member@user:ann${MET}`], ['folder:a#viewer@team:t#member', 'team:t#member@user:ann']],
  ['on what a team holds', [`folder:a#viewer@team:t#member${MET}`, 'team:t#member@user:ann'], ['folder:a#viewer@team:t#member', 'team:t#member@user:ann']],
  ['on what is subtracted', ['folder:a#viewer@user:ann', `folder:a#banned@user:ann${UNMET}`], ['folder:a#viewer@user:ann']],
])('A path with a caveat %s', async (_, relationships, path) => {
  expect(await ask(relationships)).toMatchObject({ result: 'yes', path });
}); // prettier-ignore

it.each([
  ['two teams', [`folder:a#viewer@team:t#member${UNMET}`, `folder:a#viewer@team:u#member${MET}`, 'team:t#member@user:ann', 'team:u#member@user:ann']],
  ['a team and the user', [`folder:a#viewer@team:t#member${UNMET}`, `folder:a#viewer@user:ann${MET}`, 'team:t#member@user:ann']],
  ['two teams, where one has none', [`folder:a#viewer@team:t#member${UNMET}`, 'folder:a#viewer@team:u#member', 'team:t#member@user:ann', 'team:u#member@user:ann']],
  ['two parents, where one has none', [`folder:a#parent@folder:b${UNMET}`, 'folder:a#parent@folder:c', 'folder:b#viewer@user:ann', 'folder:c#viewer@user:ann']],
  ['two parents', [`folder:a#parent@folder:b${UNMET}`, `folder:a#parent@folder:c${MET}`, 'folder:b#viewer@user:ann', 'folder:c#viewer@user:ann']],
])('No path where the caveat leaves several ways: %s', async (_, relationships) => {
  expect(await ask(relationships)).toMatchObject({ result: 'yes', path: [] });
}); // prettier-ignore

it('A path grants by itself, whatever the world and its caveats', async () => {
  const link = fc.constantFrom(
    'folder:a#viewer@user:ann', 'folder:a#viewer@team:t#member', 'folder:a#viewer@team:u#member', 'team:t#member@user:ann',
    'team:u#member@user:ann', 'folder:a#parent@folder:b', 'folder:a#parent@folder:c', 'folder:b#viewer@user:ann',
    'folder:b#viewer@team:t#member', 'folder:c#parent@folder:b', 'folder:c#viewer@user:ann', 'folder:b#banned@user:ann',
  ); // prettier-ignore
  const worldOf = fc.uniqueArray(fc.tuple(link, fc.constantFrom('', MET, UNMET)), {
    selector: ([text]) => text,
    minLength: 1,
    maxLength: 8,
  });
  let paths = 0;
  const assertOnce = (): Promise<void> =>
    fc.assert(
      fc.asyncProperty(worldOf, async (world) => {
        const texts = new Map<string, string>(world.map(([text, caveat]) => [text, `${text}${caveat}`]));
        const answer = await ask([...texts.values()]);
        if (answer?.result !== 'yes') return;
        const path = answer.path ?? [];
        if (path.length === 0) return;
        paths += 1;
        expect(await ask(path.map((text) => texts.get(text) ?? `absent ${text}`))).toMatchObject({
          result: 'yes',
          path,
        });
      }),
      { numRuns: 150 },
    );
  await assertUntilSeen(assertOnce, () => (paths < 20 ? ['a path'] : []));
});
