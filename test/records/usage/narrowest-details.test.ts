/** The law of proposed details: they cover all that was really done, and what is taken out of one is no longer covered. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkDetailSizes } from '../../../src/govern/detail-limits.js';
import type { AuthorizationDetail } from '../../../src/model/acting.js';
import type { AgentUse } from '../../../src/records/usage/agent-use.js';
import { proposeDetails } from '../../../src/records/usage/narrowest-details.js';
import { checkDetailsCoverage } from '../../../src/tokens/authorization-details.js';

const USE: AgentUse = {
  id: '1',
  at: '2030-03-04T10:00:00.000Z',
  agent: 'agent:bot',
  user: 'user:ann',
  through: [],
  action: 'read',
  resourceType: 'doc',
  resources: [{ type: 'doc', id: 'plan' }],
  outcome: 'done',
  reason: undefined,
  access: 'online',
  properties: {},
  scopes: [],
  consent: undefined,
};

const euros = (value: number) => ({ value, unit: 'EUR', decimals: 0 });
const propertyValue = {
  count: fc.integer({ min: 0, max: 3 }),
  paid: fc.integer({ min: 0, max: 3 }).map(euros),
  branch: fc.constantFrom('main', 'dev', 'x'),
  forced: fc.boolean(),
  to: fc.array(fc.constantFrom('a', 'b'), { maxLength: 2 }),
};
const use: fc.Arbitrary<AgentUse> = fc
  .record({
    user: fc.constantFrom('user:ann', 'user:ben', undefined),
    agent: fc.constantFrom('agent:bot', 'agent:other'),
    action: fc.constantFrom('read', 'write', 'pay'),
    resourceType: fc.constantFrom('doc', 'team'),
    ids: fc.uniqueArray(fc.constantFrom('1', '2', 'ä:*', '*'), { minLength: 1, maxLength: 2 }),
    outcome: fc.constantFrom('done' as const, 'done' as const, 'undone' as const, 'denied' as const, 'asked' as const),
    access: fc.constantFrom('online' as const, 'online' as const, 'background' as const, undefined),
    properties: fc.oneof(
      { weight: 4, arbitrary: fc.record(propertyValue, { requiredKeys: [] }) },
      { weight: 4, arbitrary: fc.constant({}) },
      { weight: 1, arbitrary: fc.constant(undefined) },
    ),
    isKnown: fc.integer({ min: 0, max: 9 }).map((n) => n > 0),
  })
  .map(({ ids, isKnown, ...others }) => ({
    ...USE,
    ...others,
    resources: isKnown ? ids.map((id) => ({ type: others.resourceType, id })) : undefined,
  }));

/** The same is often done by another action, so that there is something to merge. */
const otherAction = fc.option(fc.constantFrom('read', 'write', 'pay'), { nil: undefined, freq: 2 });

/** Whether the details cover the use, whatever the record doesn't say of it. */
function covers(details: readonly AuthorizationDetail[], done: AgentUse): boolean {
  const { action, resourceType, resources = [{ type: resourceType, id: 'any' }], properties = {}, access } = done;
  return resources.every((resource) =>
    (access === undefined ? (['online', 'background'] as const) : [access]).every(
      (stated) =>
        checkDetailsCoverage(details, {
          action,
          permission: action,
          resource,
          isDefinition: (word) => ['doc', 'team'].includes(word),
          locations: [],
          types: [],
          attributes: { action: properties, context: {}, resource: {} },
          findHolding: () => undefined,
          purpose: undefined,
          access: stated,
        }).problem === undefined,
    ),
  );
}

/** The details that are narrower than one by a single value. */
function narrowerBySteps(detail: AuthorizationDetail): AuthorizationDetail[] {
  const { actions = [], constraints = {}, access } = detail;
  const resources = detail.resources as readonly string[];
  return [
    ...resources.map((_, i) => ({ ...detail, resources: resources.toSpliced(i, 1) })),
    ...actions.map((_, i) => ({ ...detail, actions: actions.toSpliced(i, 1) })),
    ...(access === undefined ? [{ ...detail, access: 'online' as const }] : []),
    ...Object.entries(constraints).flatMap(([name, constraint]) =>
      narrowerConstraints(constraint as Bound).map((bound) => ({
        ...detail,
        constraints: { ...constraints, [name]: bound },
      })),
    ),
  ];
}
interface Bound {
  readonly max?: number | { readonly value: number };
  readonly one_of?: readonly unknown[];
}
function narrowerConstraints({ max, one_of: values = [] }: Bound): object[] {
  if (typeof max === 'number') return [{ max: max - 1 }];
  if (max !== undefined) return [{ max: { ...max, value: max.value - 1 } }];
  return values.map((_, i) => ({ one_of: values.toSpliced(i, 1) }));
}

describe('proposed details', () => {
  it('cover all that was really done, and no less narrow ones are proposed', () => {
    const seen = { max: 0, one_of: 0, online: 0, merged: 0 };
    fc.assert(
      fc.property(fc.array(fc.tuple(use, otherAction), { maxLength: 8 }), (drawn) => {
        const uses = drawn.flatMap(([one, action]) => (action === undefined ? [one] : [one, { ...one, action }]));
        const proposed = proposeDetails(uses);
        const done = uses.filter(({ outcome }) => outcome === 'done');
        for (const one of done) {
          const own = proposed.filter(({ user, agent }) => user === one.user && agent === one.agent);
          expect(covers(own.map(({ detail }) => detail), one)).toBe(true); // prettier-ignore
        }
        for (const entry of proposed) {
          const own = proposed.filter(({ user, agent }) => user === entry.user && agent === entry.agent);
          const ownDone = done.filter(({ user, agent }) => user === entry.user && agent === entry.agent);
          const text = JSON.stringify(entry.detail);
          seen.max += text.includes('"max"') ? 1 : 0;
          seen.one_of += text.includes('"one_of"') ? 1 : 0;
          seen.online += entry.detail.access === undefined ? 0 : 1;
          seen.merged += entry.detail.actions.length > 1 ? 1 : 0;
          for (const narrower of narrowerBySteps(entry.detail)) {
            const details = own.map((other) => (other === entry ? narrower : other.detail));
            expect([text, narrower, ownDone.every((one) => covers(details, one))]).toEqual([text, narrower, false]);
          }
        }
      }),
      { numRuns: 1_000 },
    );
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(20);
  });

  it('are none of what was not done', () => {
    const uses = (['undone', 'denied', 'asked'] as const).map((outcome) => ({ ...USE, outcome }));
    expect(proposeDetails(uses)).toEqual([]);
  });

  it('name all of a type where a grant could not name so many, and always fit in one', () => {
    const many = (count: number, length: number, action = 'read'): AgentUse[] =>
      Array.from({ length: count }, (_, i) => ({
        ...USE,
        action,
        resources: [{ type: 'doc', id: `${action}${i}`.padEnd(length, 'x') }],
      }));
    expect(proposeDetails(many(100, 10))[0]?.detail.resources).toHaveLength(100);
    expect(proposeDetails(many(101, 10))[0]?.detail.resources).toEqual(['doc:*']);
    expect(proposeDetails(many(5, 1000))[0]?.detail.resources).toEqual(['doc:*']);
    const together = proposeDetails(['a', 'b', 'c'].flatMap((action) => many(50, 60, action)));
    checkDetailSizes(together.map(({ detail }) => detail), 'details'); // prettier-ignore
    expect(together.map(({ detail }) => (detail.resources as string[]).length).sort((a, b) => a - b)).toEqual([
      1, 50, 50,
    ]);
  });
});
