/** Literals are found by the name of the attribute that policies compare with them, whatever the comparison. */
import { describe, expect, it } from 'vitest';
import { findLiterals, literalNumbers, literalTexts } from '../../../src/author/hypotheses/literals.js';
import { loadRules } from '../../../src/policy/load.js';

const ZED = `definition user {}
definition doc {
  relation owner: user
  permission view = owner
}
`;
const SCHEMA = `entity Group;
entity User in [Group] { department: String, manager?: User };
entity Doc { status: String, pages: Long, department: String, lasts: duration, until: datetime };
action "view" appliesTo { principal: [User], resource: [Doc], context: {} };
`;

function literalsOf(...conditions: readonly string[]): ReturnType<typeof findLiterals> {
  const rules = loadRules({
    relationships: { name: 'z', text: ZED },
    actions: [{ name: 's', text: SCHEMA }],
    policies: conditions.map((condition, i) => ({ name: `p${i}`, text: `@id("p${i}") ${condition}` })),
  });
  return findLiterals(rules.policies.values());
}
const permitWhen = (condition: string): string => `permit (principal, action, resource) when { ${condition} };`;

describe('literals of an attribute', () => {
  it.each([
    ['an equality', 'resource.status == "draft"', 'status', [{ as: 'plain', value: 'draft' }]],
    ['an order', 'resource.pages > 3', 'pages', [{ as: 'plain', value: 3 }]],
    ['a list', '["a", "b"].contains(resource.status)', 'status', [{ as: 'plain', value: 'a' }, { as: 'plain', value: 'b' }]],
    ['a pattern', 'resource.status like "a*c"', 'status', [{ as: 'plain', value: 'ac' }, { as: 'plain', value: 'axc' }]],
    ['a duration', 'resource.lasts > duration("5h")', 'lasts', [{ as: 'duration', value: '5h' }]],
    ['an entity', 'principal has manager && principal.manager == User::"zoe"', 'manager', [{ as: 'entity', value: 'zoe' }]],
  ] as const)('%s', (_, condition, name, literals) => {
    expect(literalsOf(permitWhen(condition)).of(name)).toEqual(literals);
  }); // prettier-ignore

  it('are none of an attribute that no policy compares', () => {
    expect(literalsOf(permitWhen('resource.pages > 3')).of('status')).toEqual([]);
  });

  it('are those of every attribute that it is compared with, too', () => {
    const literals = literalsOf(permitWhen('resource.status == "draft"'), permitWhen('resource.status == resource.department'));
    expect(literalTexts(literals.of('department'))).toEqual(['draft']);
  }); // prettier-ignore
});

it('entities are those of scopes and conditions, each once', () => {
  const { entities } = literalsOf(
    'forbid (principal in Group::"staff", action, resource == Doc::"plan");',
    permitWhen('principal in Group::"staff" || principal == User::"ann"'),
  );
  expect(entities).toEqual([
    { type: 'Group', id: 'staff' },
    { type: 'Doc', id: 'plan' },
    { type: 'User', id: 'ann' },
  ]);
});

it('texts and numbers are told apart, and a number that is not exact is none', () => {
  const literals = [
    { as: 'plain', value: 'a' },
    { as: 'duration', value: '1h' },
    { as: 'plain', value: 7 },
    { as: 'plain', value: 2 ** 53 },
  ] as const;
  expect(literalTexts(literals)).toEqual(['a']);
  expect(literalTexts(literals, 'duration')).toEqual(['1h']);
  expect(literalNumbers(literals)).toEqual([7]);
});
