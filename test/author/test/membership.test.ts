/** Members as validation files expect them: SpiceDB's checks agree with every one, and errors say what is wrong. */
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { Membership, MembershipError } from '../../../src/author/test/membership.js';
import { GraphSandbox } from '../../../src/graph/embedded/sandbox.js';
import { parseStoredRelationship } from '../../../src/graph/relationship-text.js';
import { GraphSchema } from '../../../src/graph/schema/schema.js';

// Real engines, on a machine that may be busy with much else.
vi.setConfig({ testTimeout: 180_000 });

/** Before the clock that SpiceDB goes by, and after what has expired here. */
const NOW = new Date('2020-01-01T00:00:00Z');
const schemaWith = (...permissions: readonly string[]): string => `use self
use expiration
caveat weekday(day string) { day == "tuesday" }
definition user {}
definition team {
  relation member: user | user with weekday | team#member | user with expiration
}
definition doc {
  relation reader: user | user:* | user with weekday | user:* with weekday | team#member | team#member with weekday
  relation writer: user | user:* | team#member
  relation banned: user | user:* | user with weekday
  relation parent: doc | doc with weekday
${permissions.map((expression, i) => `  permission perm${i} = ${expression}\n`).join('')}
  permission inherited = parent->perm0
}
`;
const membersOf = (text: string, permission: string, ...relationships: readonly string[]): string[] =>
  new Membership(GraphSchema.parse(text, 'm.zed'), relationships.map(parseStoredRelationship), NOW).findMembers(
    'doc',
    'd1',
    permission,
  );

const member = fc.constantFrom('reader', 'writer', 'banned', 'self', 'nil');
const arrow = fc
  .tuple(fc.constantFrom('parent->X', 'parent.any(X)', 'parent.all(X)'), fc.constantFrom('reader', 'writer'))
  .map(([form, target]) => form.replace('X', target));
const { expression } = fc.letrec<{ expression: string }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    member,
    arrow,
    fc
      .tuple(tie('expression'), fc.constantFrom('+', '&', '-'), tie('expression'))
      .map(([a, operator, b]) => `(${a} ${operator} ${b})`),
  ),
}));
const relationship = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('d1', 'd2'),
      fc.constantFrom('reader', 'writer', 'banned'),
      fc.constantFrom('user:u1', 'user:u2', 'user:u3', 'user:*', 'team:t1#member'),
    )
    .filter(([, relation, subject]) => !(relation === 'banned' && subject.startsWith('team')))
    .map(([doc, relation, subject]) => `doc:${doc}#${relation}@${subject}`),
  fc.constantFrom('doc:d1#parent@doc:d2', 'doc:d1#parent@doc:d3'),
  fc.constantFrom('team:t1#member@user:u1', 'team:t1#member@user:u2', 'team:t1#member@team:t2#member'),
  fc.constantFrom('team:t2#member@user:u3', 'team:t1#member@user:u3[expiration:2001-01-01T00:00:00Z]'),
);
/** The last one of those that SpiceDB takes for the same. */
const withoutRepeats = (texts: readonly string[]): string[] => [
  ...new Map(texts.map((text) => [text.replace(/\[.*/, ''), text])).values(),
];

describe('the members of a permission', () => {
  it('are those whom SpiceDB lets through', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(expression, { minLength: 1, maxLength: 3 }),
        fc.array(relationship, { maxLength: 14 }),
        async (permissions, texts) => {
          const text = schemaWith(...permissions);
          const relationships = withoutRepeats(texts);
          const rows = relationships.map(parseStoredRelationship);
          const graph = GraphSchema.parse(text, 'm.zed');
          const membership = new Membership(graph, rows, NOW);
          const sandbox = await GraphSandbox.start(text, rows, 'm.zed');
          try {
            const names = [...permissions.map((_, i) => `perm${i}`), 'inherited'];
            for (const permission of names) {
              const resource = { type: 'doc', id: 'd1' };
              const members = membership.findMembers('doc', 'd1', permission);
              const users = ['u1', 'u2', 'u3', 'stranger'];
              const answers = await sandbox.check(
                users.map((id) => ({ resource, permission, subject: { type: 'user', id } })),
              );
              for (const [i, user] of users.entries()) {
                expect([permission, user, answers[i]]).toEqual([permission, user, describeUser(members, user)]);
              }
            }
          } finally {
            sandbox.close();
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('are named by the relations of the parts that hold, not of those that fail beside them', () => {
    const schema = schemaWith('banned + (reader & writer)');
    expect(membersOf(schema, 'perm0', 'doc:d1#banned@user:u1', 'doc:d1#reader@user:u1')).toEqual([
      '[user:u1] is <doc:d1#banned>',
    ]);
    expect(
      membersOf(schema, 'perm0', 'doc:d1#banned@user:u1', 'doc:d1#reader@user:u1', 'doc:d1#writer@user:*'),
    ).toEqual(['[user:u1] is <doc:d1#banned>/<doc:d1#reader>']);
  });

  it('are written with their caveats, exceptions and sets', () => {
    const schema = schemaWith('reader - banned');
    const rows = [
      'doc:d1#reader@user:*',
      'doc:d1#reader@team:YWJj==#member[weekday]',
      'doc:d1#banned@user:u1[weekday]',
    ];
    expect(membersOf(schema, 'perm0', ...rows, 'doc:d1#banned@user:u2', 'team:YWJj==#member@user:u3')).toEqual([
      '[team:YWJj==#member[...]] is <doc:d1#reader>',
      '[user:* - {user:u1[...], user:u2}] is <doc:d1#reader>',
      '[user:u3[...]] is <team:YWJj==#member>',
    ]);
    expect(membersOf(schemaWith('self'), 'perm0')).toEqual(['[doc:d1] is <doc:d1#perm0>']);
  });

  it.each([
    ['a circle', 'reader', ['doc:d1#reader@team:a#member', 'team:a#member@team:b#member', 'team:b#member@team:a#member'], 'leads back to itself'],
    ['a long way', 'reader', ['doc:d1#reader@team:t0#member', ...Array.from({ length: 30 }, (_, i) => `team:t${i}#member@team:t${i + 1}#member`)], 'more than 25 steps'],
    ['a permission that is not there', 'veiw', [], '"doc" has no relation or permission "veiw"'],
  ])('are not told over %s', (_, permission, rows, message) => {
    expect(() => membersOf(schemaWith('reader'), permission, ...rows)).toThrow(MembershipError);
    expect(() => membersOf(schemaWith('reader'), permission, ...rows)).toThrow(message);
  }); // prettier-ignore
});

/** What the members say of a user, as SpiceDB's check would. */
function describeUser(members: readonly string[], user: string): 'yes' | 'no' {
  const isNamed = members.some((text) => text.startsWith(`[user:${user}]`));
  const wildcard = members.find((text) => text.startsWith('[user:*'));
  const isExcepted = new RegExp(`[{ ]user:${user}[,}]`).test(wildcard ?? '');
  return isNamed || (wildcard !== undefined && !isExcepted) ? 'yes' : 'no';
}
