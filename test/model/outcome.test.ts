/** The law by which the steps' outcomes make a decision, its empty case included. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { combineOutcomes, deny, pass, unknown, type StepOutcome } from '../../src/model/outcome.js';
import { reason } from '../../src/model/reasons.js';

const P = pass();
const D = deny(reason('policy', 'policy_no_permit'));
const U = unknown('database_unavailable');

describe('combine', () => {
  it.each([
    ['every step passes', [P, P, P], 3, 'allow'],
    ['a single step passes', [P], 1, 'allow'],
    ['one denies', [P, D, P], 3, 'deny'],
    ['one denies and another is unknown', [U, D], 2, 'deny'],
    ['one denies and the rest was never asked', [D], 8, 'deny'],
    ['one is unknown', [P, U, P], 3, 'unknown'],
    ['a step is missing', [P, P], 3, 'unknown'],
    ['there is one too many', [P, P, P], 2, 'unknown'],
    ['nothing was asked', [], 8, 'unknown'],
    ['there are no steps at all', [], 0, 'unknown'],
    ['there are no steps, but a pass', [P], 0, 'unknown'],
  ] as const)('where %s: %#', (_, outcomes, steps, verdict) => {
    expect(combineOutcomes(outcomes, steps)).toBe(verdict);
  });

  const outcomes = fc.array(fc.constantFrom<StepOutcome>(P, D, U), { maxLength: 10 });
  const steps = fc.nat({ max: 10 });

  it('allows exactly where every one of the steps has passed', () => {
    fc.assert(
      fc.property(outcomes, steps, (list, n) => {
        const passes = list.filter((o) => o === P).length;
        expect(combineOutcomes(list, n) === 'allow').toBe(n > 0 && passes === n && list.length === n);
      }),
      { numRuns: 1000 },
    );
  });

  it('denies exactly where something denies', () => {
    fc.assert(
      fc.property(outcomes, steps, (list, n) => {
        expect(combineOutcomes(list, n) === 'deny').toBe(list.includes(D));
      }),
    );
  });

  it('asks for no order', () => {
    const shuffled = outcomes.chain((list) =>
      fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
    );
    fc.assert(
      fc.property(shuffled, steps, ([list, other], n) => {
        expect(combineOutcomes(other, n)).toBe(combineOutcomes(list, n));
      }),
    );
  });

  it('never makes an allow out of a deny or an unknown by a step that gets worse', () => {
    fc.assert(
      fc.property(outcomes, steps, fc.nat(), fc.constantFrom(D, U), (list, n, at, worse) => {
        fc.pre(list.length > 0);
        const changed = list.map((o, i) => (i === at % list.length ? worse : o));
        expect(combineOutcomes(changed, n)).not.toBe('allow');
      }),
    );
  });
});

describe('an outcome', () => {
  it('passes with or without evidence', () => {
    expect(pass()).toEqual({ outcome: 'pass', evidence: {} });
    expect(pass({ revision: 'r' })).toEqual({ outcome: 'pass', evidence: { revision: 'r' } });
  });

  it('denies with one reason or several, and with remedies', () => {
    const [a, b] = [reason('policy', 'policy_forbid'), reason('delegation', 'scope_insufficient')];
    expect(deny(a)).toEqual({ outcome: 'deny', evidence: {}, reasons: [a], remedies: [] });
    expect(deny([a, b], { x: 1 }, [{ type: 'consent' }])).toEqual({
      outcome: 'deny',
      evidence: { x: 1 },
      reasons: [a, b],
      remedies: [{ type: 'consent' }],
    });
  });

  it('does not deny without a reason', () => {
    expect(() => deny([])).toThrow(new TypeError('a deny needs a reason'));
  });

  it('is unknown for a fault', () => {
    expect(unknown('deadline_exceeded', { x: 1 })).toEqual({
      outcome: 'unknown',
      evidence: { x: 1 },
      fault: 'deadline_exceeded',
    });
  });
});
