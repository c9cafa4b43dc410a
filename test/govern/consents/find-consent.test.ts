/** Which consent a question rests on, and what is said where there is none: laws of a pure function. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findConsent, type ConsentFinding, type ConsentQuestion } from '../../../src/govern/consents/find-consent.js';
import type { Consent } from '../../../src/model/consents.js';

const NOW = new Date('2030-03-04T10:00:00Z');
const at = (hours: number): string => new Date(NOW.getTime() + hours * 3_600_000).toISOString();

function consent(more: Partial<Consent> = {}): Consent {
  return {
    id: 'c1',
    details: [{ type: 'remit', actions: ['read'], resources: ['calendar:ann'] }],
    access: 'online',
    confirm: 'never',
    starts: at(-2),
    basis: {},
    given: at(-2),
    ...more,
  };
}

function question(
  more: Partial<ConsentQuestion['request']> = {},
  rest: Partial<ConsentQuestion> = {},
): ConsentQuestion {
  return {
    request: {
      action: 'read',
      permission: 'view',
      resource: { type: 'calendar', id: 'ann' },
      isDefinition: (word) => word === 'calendar',
      locations: [],
      types: [],
      attributes: { action: {}, context: {}, resource: {} },
      findHolding: () => ({ result: 'no', revision: 'r' }),
      purpose: undefined,
      access: 'online',
      ...more,
    },
    now: NOW,
    asserted: {},
    confirmed: false,
    findChange: ({ task }) => (task === 'changed' ? 'the title of "read" has changed' : undefined),
    hasRoom: ({ task }) => task !== 'used up',
    ...rest,
  };
}

const codeOf = (finding: ConsentFinding): string => (finding.kind === 'missing' ? finding.code : finding.kind);

describe('findConsent', () => {
  it('rests on the covering consent that ends first', () => {
    const consents = [
      consent({ id: 'open' }),
      consent({ id: 'late', ends: at(9) }),
      consent({ id: 'soon', ends: at(1) }),
    ];
    expect(findConsent(consents, question())).toMatchObject({ kind: 'found', consent: { id: 'soon' } });
  });

  it('passes over those that are used up, as long as another has room', () => {
    const [soon, late] = [consent({ id: 'soon', ends: at(1), task: 'used up' }), consent({ id: 'late', ends: at(9) })];
    expect(findConsent([late, soon], question())).toMatchObject({ kind: 'found', consent: { id: 'late' } });
    expect(findConsent([{ ...late, task: 'used up' }, soon], question())).toMatchObject({
      kind: 'found',
      consent: { id: 'soon' },
    });
  });

  it.each<[string, readonly Consent[], ConsentQuestion, string]>([
    ['none', [], question(), 'consent_required'],
    ['one for another resource', [consent({ details: [{ type: 'remit', actions: ['read'], resources: ['calendar:bob'] }] })], question(), 'consent_required'],
    ['one that begins later', [consent({ starts: at(1) })], question(), 'consent_required'],
    ['one that expires at this moment', [consent({ ends: at(0) })], question(), 'consent_ended'],
    ['one that was withdrawn', [consent({ withdrawn: at(-1) })], question(), 'consent_ended'],
    ['one withdrawn, and an older one expired', [consent({ withdrawn: at(-1) }), consent({ given: at(-3), ends: at(-1) })], question(), 'consent_ended'],
    ['one withdrawn, and an older one in force', [consent({ withdrawn: at(-1) }), consent({ id: 'c2', given: at(-3) })], question(), 'found'],
    ['one whose action has changed', [consent({ task: 'changed' })], question(), 'consent_suspended'],
    ['one whose action has changed, and that has ended', [consent({ task: 'changed', ends: at(0) })], question(), 'consent_ended'],
    ['background use of an online one', [consent()], question({ access: 'background' }), 'consent_access_mismatch'],
    ['online use of a background one', [consent({ access: 'background' })], question(), 'consent_access_mismatch'],
    ['background use of a detail for background use', [consent({ details: [{ type: 'remit', actions: ['read'], access: 'background' }] })], question({ access: 'background' }), 'consent_access_mismatch'],
    ['the other access, where this one was withdrawn', [consent({ withdrawn: at(-1) }), consent({ access: 'background' })], question(), 'consent_ended'],
    ['an unconfirmed question', [consent({ when: { confirmed: true } })], question(), 'consent_required'],
    ['a confirmation of another kind', [consent({ when: { confirmed: true } })], question({}, { asserted: { confirmed: 'true' } }), 'consent_required'],
    ['a confirmed question', [consent({ when: { confirmed: true } })], question({}, { asserted: { confirmed: true } }), 'found'],
    ['one by which the user is asked each time', [consent({ confirm: 'each' })], question(), 'consent_required'],
    ['the same beside one that is used up', [consent({ task: 'used up' }), consent({ id: 'c2', confirm: 'each' })], question(), 'consent_required'],
    ['the same, used up itself', [consent({ confirm: 'each', task: 'used up' })], question(), 'used_up'],
    ['the same, used up and ended', [consent({ confirm: 'each', task: 'used up', ends: at(0) })], question(), 'consent_ended'],
    ['the same, used up, with the user’s yes', [consent({ confirm: 'each', task: 'used up' })], question({}, { confirmed: true }), 'found'],
    ['the same with the user’s yes', [consent({ confirm: 'each' })], question({}, { confirmed: true }), 'found'],
    ['a purpose of its own, which the question leaves open', [consent({ purpose: 'plan' })], question(), 'found'],
    ['another purpose', [consent({ purpose: 'plan' })], question({ purpose: 'sell' }), 'consent_required'],
    ['a detail with a purpose that the question leaves open', [consent({ details: [{ type: 'remit', actions: ['read'], purpose: 'plan' }] })], question(), 'consent_required'],
    ['a permission that is not held', [consent({ details: [{ type: 'remit', actions: ['read'], resources: { type: 'calendar', permission: 'own' } }] })], question(), 'consent_required'],
  ])('judges %s', (_what, consents, asked, expected) => {
    expect(codeOf(findConsent(consents, asked))).toBe(expected);
  }); // prettier-ignore

  it('is unknown where SpiceDB could not say that a permission is held, unless another consent covers', () => {
    const held = consent({
      details: [{ type: 'remit', actions: ['read'], resources: { type: 'calendar', permission: 'own' } }],
    });
    const asked = question({ findHolding: () => ({ result: 'unknown', fault: 'relationships_unavailable' }) });
    expect(findConsent([held], asked)).toEqual({ kind: 'unknown', fault: 'relationships_unavailable' });
    expect(codeOf(findConsent([held, consent({ id: 'c2' })], asked))).toBe('found');
    expect(codeOf(findConsent([held, consent({ id: 'c2', task: 'used up' })], asked))).toBe('unknown');
    expect(codeOf(findConsent([{ ...held, withdrawn: at(-1) }], asked))).toBe('consent_required');
  });
});

const anyConsent: fc.Arbitrary<Consent> = fc.record({
  id: fc.uuid(),
  details: fc.array(
    fc.record(
      {
        type: fc.constantFrom('remit', 'other'),
        actions: fc.subarray(['read', 'send']),
        resources: fc.subarray(['calendar:ann', 'calendar:*', 'mailbox:ann']),
        purpose: fc.constantFrom('plan', 'sell'),
      },
      { requiredKeys: ['type', 'actions'] },
    ),
    { maxLength: 2 },
  ),
  access: fc.constantFrom('online' as const, 'background' as const),
  confirm: fc.constantFrom('never' as const, 'never' as const, 'each' as const),
  when: fc.constantFrom(undefined, undefined, { confirmed: true }),
  starts: fc.integer({ min: -3, max: 1 }).map(at),
  ends: fc.option(fc.integer({ min: -1, max: 3 }).map(at), { nil: undefined }),
  purpose: fc.constantFrom(undefined, 'plan'),
  task: fc.constantFrom(undefined, undefined, 'changed'),
  basis: fc.constant({}),
  given: fc.integer({ min: -9, max: 0 }).map(at),
  withdrawn: fc.option(fc.integer({ min: -1, max: 0 }).map(at), { nil: undefined, freq: 3 }),
});
const anyQuestion = fc
  .record({
    purpose: fc.constantFrom(undefined, 'plan', 'sell'),
    access: fc.constantFrom('online' as const, 'background' as const),
    asserted: fc.constantFrom({}, { confirmed: true }),
    confirmed: fc.boolean(),
  })
  .map(({ purpose, access, asserted, confirmed }) => question({ purpose, access }, { asserted, confirmed }));

/** Everything by which a consent can become less. */
const NARROWINGS: readonly ((one: Consent) => Consent)[] = [
  (one) => ({ ...one, withdrawn: at(0) }),
  (one) => ({ ...one, ends: at(0) }),
  (one) => ({ ...one, starts: at(1) }),
  (one) => ({ ...one, confirm: 'each' }),
  (one) => ({ ...one, when: { ...one.when, confirmed: true } }),
  (one) => ({ ...one, details: one.details.slice(1) }),
  (one) => ({ ...one, details: one.details.map((detail) => ({ purpose: 'plan', ...detail })) }),
  (one) => ({ ...one, purpose: 'plan' }),
  (one) => ({ ...one, task: 'changed' }),
];

describe('the law of consents', () => {
  it('withdrawing, narrowing or losing one never covers more', () => {
    fc.assert(
      fc.property(
        fc.array(anyConsent, { maxLength: 4 }),
        anyQuestion,
        fc.nat(),
        fc.nat(NARROWINGS.length),
        (consents, asked, which, how) => {
          fc.pre(consents.length > 0);
          const index = which % consents.length;
          const narrow = NARROWINGS[how];
          const fewer = consents.flatMap((one, i) => (i !== index ? [one] : narrow === undefined ? [] : [narrow(one)]));
          if (findConsent(fewer, asked).kind === 'found') expect(findConsent(consents, asked).kind).toBe('found');
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('what is found is in force, of the right access, confirmed where it must be, and none other ends before it', () => {
    fc.assert(
      fc.property(fc.array(anyConsent, { maxLength: 4 }), anyQuestion, (consents, asked) => {
        const finding = findConsent(consents, asked);
        if (finding.kind !== 'found') return;
        const { consent: found } = finding;
        expect(found.withdrawn).toBeUndefined();
        expect(Date.parse(found.starts)).toBeLessThanOrEqual(NOW.getTime());
        if (found.ends !== undefined) expect(Date.parse(found.ends)).toBeGreaterThan(NOW.getTime());
        expect(found.access).toBe(asked.request.access);
        if (found.when !== undefined) expect(asked.asserted).toEqual({ confirmed: true });
        if (found.confirm === 'each') expect(asked.confirmed).toBe(true);
        const others = consents.filter((one) => one !== found && findConsent([one], asked).kind === 'found');
        for (const { ends } of others)
          if (ends !== undefined) expect(Date.parse(ends)).toBeGreaterThanOrEqual(Date.parse(found.ends ?? at(-99)));
      }),
      { numRuns: 1000 },
    );
  });
});
