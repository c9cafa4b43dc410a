/** Proposed relationships fit the schema, and a real SpiceDB confirms that they grant. */
import { afterEach, describe, expect, it } from 'vitest';
import { GrantFinder } from '../../../src/author/why-not/grant-finder.js';
import { HypotheticalGraph, type WorldReader } from '../../../src/author/why-not/hypothetical-graph.js';
import { parseRelationship } from '../../../src/graph/relationship-text.js';
import { GraphSchema } from '../../../src/graph/schema/schema.js';
import type { Rules } from '../../../src/policy/load.js';

const SCHEMA = `
use expiration
definition user {}
definition group {
  relation member: user | group#member
}
definition folder {
  relation viewer: user
  permission view = viewer
}
definition document {
  relation parent: folder
  relation viewer: group#member
  relation cleared: user
  relation guest: user with expiration
  relation banned: user
  permission view = (viewer + parent->view) - banned
  permission secret = viewer & cleared
  permission visit = guest
}`;
const graph = GraphSchema.parse(SCHEMA, 'test.zed');
const grounds: HypotheticalGraph[] = [];
afterEach(() => {
  for (const ground of grounds.splice(0)) ground.close();
});

interface Asked {
  readonly reads: string[];
  readonly told: readonly (readonly string[])[];
}

/** The sets of relationships that would allow user:ann, in a world with these relationships. */
async function granting(permission: string, there: readonly string[], id = 'plan', subject = 'ann'): Promise<Asked> {
  const reads: string[] = [];
  const world: WorldReader = {
    relationships: (of) => {
      reads.push(`${of.type}:${of.id}`);
      const all = there.map(parseRelationship);
      return Promise.resolve(all.filter(({ resource }) => resource.type === of.type && resource.id === of.id));
    },
    entity: () => Promise.resolve(undefined),
  };
  const ground = new HypotheticalGraph(graph, world, []);
  grounds.push(ground);
  const check = { resource: { type: 'document', id }, permission, subject: { type: 'user', id: subject } };
  const found = await new GrantFinder(ground, new Date('2030-01-01T00:00:00Z'), {}).findGrants(check, {
    graph,
  } as Rules);
  return {
    reads,
    told: found.map((set) => set.map(({ operation, relationship }) => `${operation} ${relationship}`)),
  };
}

describe('what would grant', () => {
  it('is written where the schema takes the subject: of the groups and parents that are there', async () => {
    const { told } = await granting('view', [
      'document:plan#viewer@group:core#member',
      'group:core#member@group:inner#member',
      'document:plan#parent@folder:all',
    ]);
    expect(told.flat()).toEqual([
      'touch group:core#member@user:ann',
      'touch folder:all#viewer@user:ann',
      'touch group:inner#member@user:ann',
    ]);
  });

  it('is nothing where there is neither', async () => {
    expect((await granting('view', [])).told).toEqual([]);
  });

  it('is two where two are needed', async () => {
    expect((await granting('secret', ['document:plan#viewer@group:core#member'])).told[0]).toEqual([
      'touch document:plan#cleared@user:ann',
      'touch group:core#member@user:ann',
    ]);
  });

  it('is one that goes, where one stands in the way', async () => {
    const { told } = await granting('view', [
      'document:plan#parent@folder:all',
      'folder:all#viewer@user:ann',
      'document:plan#banned@user:ann',
    ]);
    expect(told).toEqual([['delete document:plan#banned@user:ann']]);
  });

  it('ends by itself where it must', async () => {
    expect((await granting('visit', [])).told).toEqual([
      ['touch document:plan#guest@user:ann[expiration:2031-01-01T00:00:00.000Z]'],
    ]);
  });

  it('is looked for once around, though groups go in a circle', async () => {
    const { told, reads } = await granting('view', [
      'document:plan#viewer@group:a#member',
      'group:a#member@group:b#member',
      'group:b#member@group:a#member',
    ]);
    expect(told.length).toBeGreaterThan(0);
    expect(reads).toEqual(['document:plan', 'group:a', 'group:b']);
  });

  it('is looked for in no more than is bounded', async () => {
    const many = Array.from({ length: 3000 }, (_, i) => `document:plan#viewer@group:g${i}#member`);
    const { told, reads } = await granting('view', many);
    expect(told[0]).toEqual(['touch group:g0#member@user:ann']);
    expect(reads.length).toBeLessThanOrEqual(300);
  }, 60_000);

  it.each([
    ['a resource of such an id', 'pl\u0007an', 'ann'],
    ['a subject of such an id', 'plan', 'an\u001bn'],
    ['a resource without an id', '', 'ann'],
  ])('is nothing for %s', async (_what, id, subject) => {
    expect((await granting('visit', [], id, subject)).told).toEqual([]);
  });

  it('takes an id as it is, whatever it looks like', async () => {
    expect((await granting('visit', [], 'a:b#c@d*', '*')).told).toEqual([
      ['touch document:a=3Ab=23c=40d=2A#guest@user:=2A[expiration:2031-01-01T00:00:00.000Z]'],
    ]);
  });
});
