import { describe, expect, it } from 'vitest';
import { formatTree, buildRelationshipTree } from '../../../src/records/explain/tree.js';

describe('a tree of relationships', () => {
  const lines = (permission: string, ...path: string[]) => {
    const tree = buildRelationshipTree(path, permission);
    return tree === undefined ? undefined : formatTree(tree);
  };

  it('is drawn from the resource to whoever holds it', () => {
    expect(lines('view', 'employee:erin#reports_to@employee:dave', 'employee:dave#manager@user:alice')).toEqual([
      'employee:erin  view',
      '└─ reports_to  employee:dave',
      '   └─ manager  user:alice',
    ]);
  });

  it('goes through usersets', () => {
    expect(lines('push', 'repository:api#owner@team:a#member', 'team:a#member@user:carol')).toEqual([
      'repository:api  push',
      '└─ owner  team:a#member',
      '   └─ member  user:carol',
    ]);
  });

  it('forks where several are needed', () => {
    expect(
      lines(
        'pay',
        'employee:erin#manager@user:bob',
        'employee:erin#cleared@team:pay#member',
        'team:pay#member@user:bob',
      ),
    ).toEqual(['employee:erin  pay', '├─ manager  user:bob', '└─ cleared  team:pay#member', '   └─ member  user:bob']);
  });

  it('ends where relationships go in a circle', () => {
    expect(lines('member', 'team:a#member@team:b#member', 'team:b#member@team:a#member')).toHaveLength(3);
  });

  it.each([[['nonsense']], [[]], [['a:1#r@b:1', 'c:1#r@d:1']], [['a:1#r@']]])('is not made of %j', (path) => {
    expect(buildRelationshipTree(path, 'view')).toBeUndefined();
  });
});
