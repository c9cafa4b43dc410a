/** Proofs against an oracle, on random graphs: a path grants by itself, and no grant is missed. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { proveGrant } from '../../../src/graph/server/grant-proof.js';
import type { GrantProof } from '../../../src/graph/server/proof.js';
import type { SnapshotReader } from '../../../src/graph/server/snapshot-reader.js';
import type { CheckRequest } from '../../../src/model/checks.js';
import type { Relationship } from '../../../src/model/relationships.js';
import { relationshipKey, parseRelationship } from '../../../src/graph/relationship-text.js';
import { GraphSchema } from '../../../src/graph/schema/schema.js';

const graph = GraphSchema.parse(
  `
definition user {}
definition team {
  relation member: user | team#member
}
definition doc {
  relation parent: doc
  relation viewer: user | user:* | team#member
  relation editor: user | team#member
  relation cleared: user
  relation banned: user
  permission edit = editor + parent->edit
  permission view = viewer + edit + parent->view
  permission both = view & cleared
  permission allowed = edit - banned
  permission visible = (view - banned) + parent->visible
  permission wide = viewer + (editor - (banned & cleared) - parent->allowed) + allowed
}
`,
  'proofs.zed',
);

/** The same schema once more, as sentences about relationships. */
class Oracle {
  constructor(private readonly rows: readonly Relationship[]) {}

  holds(resource: string, name: string, user: string, trail: readonly string[] = []): boolean {
    const here = `${resource}#${name}`;
    if (trail.includes(here)) return false;
    const on = [...trail, here];
    const own = (member: string): boolean => this.holds(resource, member, user, on);
    const above = (member: string): boolean =>
      this.of(resource, 'parent').some(({ subject: { type, id } }) => this.holds(`${type}:${id}`, member, user, on));
    switch (name) {
      case 'edit':
        return own('editor') || above('edit');
      case 'view':
        return own('viewer') || own('edit') || above('view');
      case 'both':
        return own('view') && own('cleared');
      case 'allowed':
        return own('edit') && !own('banned');
      case 'visible':
        return (own('view') && !own('banned')) || above('visible');
      case 'wide':
        return own('viewer') || (own('editor') && !(own('banned') && own('cleared')) && !above('allowed')) || own('allowed'); // prettier-ignore
      default:
        return this.of(resource, name).some(({ subject: { type, id, relation }, wildcard }) =>
          relation === undefined
            ? type === 'user' && (wildcard === true || id === user)
            : this.holds(`${type}:${id}`, relation, user, on),
        );
    }
  }

  private of(resource: string, relation: string): readonly Relationship[] {
    return this.rows.filter((r) => `${r.resource.type}:${r.resource.id}` === resource && r.relation === relation);
  }
}

const name = (kind: string, count: number) => fc.nat(count - 1).map((n) => `${kind}${n}`);
const [doc, team, user] = [name('d', 5), name('t', 4), name('u', 3)];
const subject = fc.oneof(
  user.map((u) => `user:${u}`),
  team.map((t) => `team:${t}#member`),
);
const row = fc
  .oneof(
    fc.tuple(team, subject).map(([t, s]) => `team:${t}#member@${s}`),
    fc.tuple(doc, doc).map(([a, b]) => `doc:${a}#parent@doc:${b}`),
    fc.tuple(doc, fc.oneof({ weight: 5, arbitrary: subject }, { weight: 1, arbitrary: fc.constant('user:*') })).map(([d, s]) => `doc:${d}#viewer@${s}`),
    fc.tuple(doc, subject).map(([d, s]) => `doc:${d}#editor@${s}`),
    fc.tuple(doc, user).map(([d, u]) => `doc:${d}#cleared@user:${u}`),
    fc.tuple(doc, user).map(([d, u]) => `doc:${d}#banned@user:${u}`),
  )
  .map(parseRelationship); // prettier-ignore
/** As many relationships as keep an object from being read in one call. */
const crowd = doc.map((d) =>
  Array.from({ length: 60 }, (_, i) => parseRelationship(`doc:${d}#viewer@user:crowd-${i}`)),
);
const world = fc
  .tuple(fc.uniqueArray(row, { maxLength: 25, selector: relationshipKey }), fc.option(crowd))
  .map(([rows, many]) => [...rows, ...(many ?? [])]);

function reading(rows: readonly Relationship[]): SnapshotReader {
  const oracle = new Oracle(rows);
  const holds = ({ resource, permission, subject: s }: CheckRequest): boolean =>
    oracle.holds(`${resource.type}:${resource.id}`, permission, s.id);
  return {
    readRelationships: (filter, limit) =>
      Promise.resolve(
        rows
          .filter(
            (r) =>
              r.resource.type === filter.resourceType &&
              r.resource.id === filter.resourceId &&
              (filter.relation === undefined || r.relation === filter.relation) &&
              (filter.subjectType === undefined || r.subject.type === filter.subjectType) &&
              (filter.subjectRelation === undefined || (r.subject.relation ?? '') === filter.subjectRelation) &&
              (filter.wildcard === true
                ? r.wildcard === true
                : filter.subjectId === undefined || (r.wildcard !== true && r.subject.id === filter.subjectId)),
          )
          .slice(0, limit),
      ),
    checkPermissions: (checks) => Promise.resolve(checks.map((check) => (holds(check) ? 'yes' : 'no'))),
    checkUncached: (check) => Promise.resolve(holds(check)),
  };
}

const asked = (d: string, permission: string, u: string): CheckRequest => ({
  resource: { type: 'doc', id: d },
  permission,
  subject: { type: 'user', id: u },
});
const proved = (rows: readonly Relationship[], d: string, permission: string, u: string): Promise<GrantProof> =>
  proveGrant(asked(d, permission, u), graph, reading(rows), { checkCaveats: false, deadline: Infinity });

describe('a proof', () => {
  it('is there exactly where the permission is held, of relationships that are there and suffice', async () => {
    await fc.assert(
      fc.asyncProperty(
        world,
        doc,
        fc.constantFrom('view', 'edit', 'both', 'viewer', 'visible', 'wide'),
        user,
        async (rows, d, p, u) => {
          const proof = await proved(rows, d, p, u);
          const path = proof.kind === 'proved' ? (proof.path ?? []) : [];
          const used = rows.filter((r) => path.includes(relationshipKey(r)));
          expect(used).toHaveLength(path.length);
          // What isn't held has no proof, and an empty path grants nothing.
          expect(proof.kind).toBe(new Oracle(rows).holds(`doc:${d}`, p, u) ? 'proved' : 'none');
          expect(new Oracle(used).holds(`doc:${d}`, p, u)).toBe(proof.kind === 'proved');
        },
      ),
      { numRuns: 500 },
    );
  });

  it('is read from an object at once, whichever of its parts grants', async () => {
    const rows = ['doc:d0#editor@user:u0', 'doc:d0#viewer@team:t0#member', 'team:t0#member@user:u1'].map(
      parseRelationship,
    );
    let reads = 0;
    const all = reading(rows);
    const counted: SnapshotReader = {
      ...all,
      readRelationships: (filter, limit) => {
        reads += 1;
        return all.readRelationships(filter, limit);
      },
      checkPermissions: () => Promise.reject(new Error('nothing is asked')),
    };
    const how = { checkCaveats: false, deadline: Infinity };
    expect(await proveGrant(asked('d0', 'view', 'u0'), graph, counted, how)).toMatchObject({
      path: ['doc:d0#editor@user:u0'],
    });
    expect(reads).toBe(1);
    expect(await proveGrant(asked('d0', 'view', 'u1'), graph, counted, how)).toMatchObject({
      path: ['doc:d0#viewer@team:t0#member', 'team:t0#member@user:u1'],
    });
    expect(reads).toBe(3);
  });
});
