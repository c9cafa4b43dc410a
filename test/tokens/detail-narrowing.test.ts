/** The laws of details: one that covers another covers every question that the other covers. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AuthorizationDetail } from '../../src/model/acting.js';
import { checkDetailsCoverage, type CoverageRequest } from '../../src/tokens/authorization-details.js';
import type { StatedAttributes } from '../../src/tokens/detail-constraints.js';
import { detailCovers, detailsCover } from '../../src/tokens/detail-narrowing.js';
import { mayDetailMeet } from '../../src/tokens/detail-overlap.js';

const word = fc.constantFrom('a', 'b', 'c');
const words = fc.uniqueArray(word, { minLength: 1, maxLength: 3 });
const amount = fc.record({
  value: fc.integer({ min: 0, max: 30 }),
  unit: fc.constantFrom('EUR', 'USD'),
  decimals: fc.integer({ min: 0, max: 1 }),
});
const path = fc.constantFrom('/', '/a', '/a/b', '/a/./b/', '/ab', '/a/../b');
const value = fc.oneof(fc.integer({ min: 0, max: 3 }), word, amount, path, fc.constant('ab'));
const limits = {
  min: fc.oneof(fc.integer({ min: 0, max: 3 }), amount),
  max: fc.oneof(fc.integer({ min: 0, max: 3 }), amount),
  equals: fc.oneof(value, fc.array(value, { maxLength: 2 })),
  one_of: fc.array(value, { minLength: 1, maxLength: 3 }),
  prefix: fc.constantFrom('', 'a', 'ab', '/a'),
  within: path,
};
const singleTest = fc.oneof(
  ...Object.entries(limits).map(([test, limit]: [string, fc.Arbitrary<unknown>]) =>
    limit.map((chosen) => ({ [test]: chosen })),
  ),
);
const constraint = fc.oneof(
  fc.integer({ min: 0, max: 3 }),
  word,
  singleTest,
  fc.tuple(singleTest, singleTest).map(([a, b]) => ({ ...a, ...b })),
);
const attribute = fc.constantFrom('x', 'action.x', 'context.x', 'resource.y');
const held = fc.record({ type: fc.constantFrom('doc', 'team'), permission: fc.constantFrom('view', 'edit') });
const named = fc.oneof(fc.constantFrom('doc:1', 'doc:2', 'doc:*', 'team:1'), held);
const members = {
  type: fc.constant('remit'),
  actions: words,
  locations: words,
  datatypes: fc.uniqueArray(fc.constantFrom('doc', 'team')),
  privileges: words,
  identifier: fc.constantFrom('1', 'doc:1'),
  resources: fc.oneof(fc.uniqueArray(named, { maxLength: 3 }), held),
  constraints: fc.dictionary(attribute, constraint, { maxKeys: 2 }),
  purpose: word,
  access: fc.constantFrom('online', 'background'),
};
const detail: fc.Arbitrary<AuthorizationDetail> = fc
  .subarray(Object.keys(members).slice(2) as (keyof typeof members)[], { maxLength: 4 })
  .chain((chosen) => {
    const names = ['type', 'actions', ...chosen] as (keyof typeof members)[];
    return fc.record(
      Object.fromEntries(names.map((name) => [name, members[name]])),
    ) as fc.Arbitrary<AuthorizationDetail>;
  });
const stated = fc.dictionary(fc.constantFrom('x', 'y'), fc.oneof(value, fc.array(value, { maxLength: 2 })), {
  maxKeys: 2,
});
const question: fc.Arbitrary<CoverageRequest> = fc
  .record({
    action: word,
    permission: word,
    resource: fc.record({ type: fc.constantFrom('doc', 'team'), id: fc.constantFrom('1', '2') }),
    locations: fc.uniqueArray(word, { minLength: 1, maxLength: 2 }),
    attributes: fc.record({ action: stated, context: stated, resource: stated }),
    purpose: fc.option(word, { nil: undefined }),
    access: fc.constantFrom('online' as const, 'background' as const),
    held: fc.uniqueArray(fc.constantFrom('view', 'edit')),
  })
  .map(({ held: permissions, ...request }) => ({
    ...request,
    isDefinition: (text) => ['doc', 'team'].includes(text),
    types: [],
    findHolding: (permission) =>
      permissions.some((name) => name === permission)
        ? { result: 'yes', revision: '1' }
        : { result: 'no', revision: '1' },
  }));

/** A change that mostly narrows, so that pairs that cover one another are found often. */
const narrower = (outer: AuthorizationDetail): fc.Arbitrary<AuthorizationDetail> =>
  fc.record({
    type: fc.constant('remit'),
    actions: fc.subarray([...(outer.actions ?? [])]),
    ...Object.fromEntries(
      (['locations', 'datatypes', 'privileges'] as const).flatMap((member) => {
        const list = outer[member];
        return list === undefined ? [] : [[member, fc.subarray([...list])]];
      }),
    ),
    ...(outer.identifier === undefined ? {} : { identifier: fc.constant(outer.identifier) }),
    ...(outer.purpose === undefined ? {} : { purpose: fc.constant(outer.purpose) }),
    ...(outer.access === undefined ? {} : { access: fc.constantFrom('online' as const, outer.access) }),
    ...(outer.resources === undefined ? {} : { resources: fc.subarray([outer.resources].flat()) }),
    constraints: fc
      .dictionary(attribute, constraint, { maxKeys: 1 })
      .map((more) => ({ ...more, ...outer.constraints })),
  });
/** A question that mostly meets what the detail says. */
const fitting = (inner: AuthorizationDetail): fc.Arbitrary<CoverageRequest> => {
  const pick = (list: readonly string[] | undefined, other: CoverageRequest['action']): string => list?.[0] ?? other;
  const limitsOf = (limit: unknown): unknown[] =>
    typeof limit === 'object' && limit !== null
      ? Object.values(limit).flatMap((one: unknown) => (Array.isArray(one) ? [one, ...(one as unknown[])] : [one]))
      : [limit];
  const attributes = Object.entries(inner.constraints ?? {}).map(([name, limit]) => {
    const [part, member = 'x'] = name.includes('.') ? name.split('.') : ['action', name];
    return fc.constantFrom(...limitsOf(limit)).map((chosen) => [part, { [member]: chosen }] as const);
  });
  return fc.tuple(question, fc.tuple(...attributes)).map(([request, chosen]) => ({
    ...request,
    action: pick(inner.actions, request.action),
    permission: pick(inner.privileges, request.permission),
    locations: [pick(inner.locations, 'a')],
    purpose: inner.purpose,
    resource: { type: pick(inner.datatypes, 'doc'), id: '1' },
    findHolding: () => ({ result: 'yes', revision: '1' }),
    attributes: { action: {}, context: {}, resource: {}, ...(Object.fromEntries(chosen) as Partial<StatedAttributes>) },
  }));
};
const covers = (outer: AuthorizationDetail, request: CoverageRequest): boolean =>
  checkDetailsCoverage([outer], request).problem === undefined;

describe('details', () => {
  it('that cover a detail cover each question that it covers', () => {
    let hits = 0;
    const pair = detail.chain((outer) =>
      fc
        .oneof(narrower(outer), detail)
        .chain((inner) => fc.tuple(fc.constant(outer), fc.constant(inner), fc.oneof(fitting(inner), question))),
    );
    fc.assert(
      fc.property(pair, ([outer, inner, request]) => {
        if (!detailCovers(outer, inner) || !covers(inner, request)) return;
        hits += 1;
        expect(covers(outer, request)).toBe(true);
        const background = checkDetailsCoverage([inner], request).background;
        if (background) expect(checkDetailsCoverage([outer], request).background).toBe(true);
      }),
      { numRuns: 5_000 },
    );
    expect(hits).toBeGreaterThan(50);
  });

  it('that cover a question in common meet, and meet what they cover', () => {
    let hits = 0;
    const pair = detail.chain((a) =>
      fc
        .oneof(narrower(a), detail, singleTest.map((x): AuthorizationDetail => ({ ...a, constraints: { ...a.constraints, x } })))
        .chain((b) => fc.tuple(fc.constant(a), fc.constant(b), fc.oneof(fitting(a), fitting(b), question))),
    ); // prettier-ignore
    fc.assert(
      fc.property(pair, ([a, b, request]) => {
        expect(mayDetailMeet(a, b)).toBe(mayDetailMeet(b, a));
        if (!covers(a, request) || !covers(b, request)) return;
        hits += 1;
        expect(mayDetailMeet(a, b)).toBe(true);
      }),
      { numRuns: 5_000 },
    );
    expect(hits).toBeGreaterThan(50);
  });

  it.each<[object, object]>([
    [{ actions: ['a'] }, { actions: ['b'] }],
    [{ resources: ['doc:1'] }, { resources: ['doc:2', 'team:*'] }],
    [{ resources: { type: 'doc', permission: 'view' } }, { resources: ['team:1'] }],
    [{ identifier: 'doc:1' }, { identifier: '2' }],
    [{ constraints: { x: 'v' } }, { constraints: { x: { one_of: ['w', 'u'] } } }],
    [{ constraints: { x: { prefix: 'a-' } } }, { constraints: { x: { prefix: 'b-' } } }],
    [{ constraints: { x: { within: '/a' } } }, { constraints: { x: { within: '/b' } } }],
    [{ constraints: { x: { max: 5 } } }, { constraints: { x: { min: 6 } } }],
    [{ constraints: { x: { one_of: ['a', 'b'] } } }, { constraints: { x: { one_of: ['c'] } } }],
  ])('%j and %j have no question in common', (a, b) => {
    const whole = { type: 'remit', actions: ['a'] };
    expect(mayDetailMeet({ ...whole, ...a }, { ...whole, ...b })).toBe(false);
  });

  it('cover themselves', () => {
    fc.assert(
      fc.property(detail, (one) => {
        expect(detailCovers(one, one)).toBe(true);
      }),
    );
  });

  it('cover what is covered by those that they cover', () => {
    const chain = detail.chain((a) => narrower(a).chain((b) => fc.tuple(fc.constant(a), fc.constant(b), narrower(b))));
    fc.assert(
      fc.property(chain, ([a, b, c]) => {
        if (detailCovers(a, b) && detailCovers(b, c)) expect(detailCovers(a, c)).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it('with a member or a test that is not understood cover nothing, and nothing covers them', () => {
    const odd = fc.constantFrom<Record<string, unknown>>(
      { until: 'tomorrow' },
      { constraints: { x: { at_most: 1 } } },
      { constraints: { x: {} } },
      { constraints: { x: { max: '1' } } },
      { constraints: { x: { within: 'home' } } },
      { resources: { type: 'doc', permission: 'view', not: 'doc:1' } },
      { resources: ['doc:*', { type: 'doc', permission: 'view', not: 'doc:1' }] },
    );
    fc.assert(
      fc.property(detail, odd, question, (one, oddMembers, request) => {
        const misread = { ...one, ...oddMembers };
        expect(covers(misread, request)).toBe(false);
        expect(detailCovers(misread, one)).toBe(false);
        expect(detailCovers({ type: 'remit', actions: ['a', 'b', 'c'] }, misread)).toBe(false);
      }),
    );
  });

  it('are covered where each is covered by one of the others', () => {
    const [a, b] = [
      { type: 'remit', actions: ['a'] },
      { type: 'remit', actions: ['b'] },
    ];
    expect(detailsCover([a, b], [b, a])).toBe(true);
    expect(detailsCover([a], [a, b])).toBe(false);
    expect(detailsCover([], [a])).toBe(false);
    expect(detailsCover([a], [{ type: 'remit' }])).toBe(false);
    expect(detailsCover([a], [])).toBe(true);
  });

  it.each([
    [{ max: { value: 1000, unit: 'EUR', decimals: 2 } }, { max: { value: 10, unit: 'EUR', decimals: 0 } }, true],
    [{ max: { value: 1000, unit: 'EUR', decimals: 2 } }, { max: { value: 11, unit: 'EUR', decimals: 0 } }, false],
    [{ max: { value: 1000, unit: 'EUR', decimals: 2 } }, { max: { value: 1, unit: 'USD', decimals: 0 } }, false],
    [{ max: { value: 1000, unit: 'EUR', decimals: 2 } }, { max: 1 }, false],
    [{ within: '/home/alice' }, { within: '/home/alice/docs' }, true],
    [{ within: '/home/alice' }, { within: '/home/alice_evil' }, false],
    [{ within: '/home/alice' }, { prefix: '/home/alice/' }, false],
    [{ one_of: ['a', 'b'] }, 'a', true],
    [{ one_of: ['a', 'b'] }, { equals: 'c' }, false],
  ])('with the constraint %j and %j: %j', (outer, inner, expected) => {
    const withConstraint = (limit: unknown): AuthorizationDetail => ({
      type: 'remit',
      actions: ['a'],
      constraints: { x: limit },
    });
    expect(detailCovers(withConstraint(outer), withConstraint(inner))).toBe(expected);
  });
});
