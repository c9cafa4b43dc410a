/** What is reported of each case, whichever kind of file it stands in. */
import type { Rules } from '../../policy/load.js';
import { combination } from './case.js';
import { why, type Difference } from './compare.js';
import type { Place } from './places.js';
import { passed, type Tried } from './run.js';

export interface Result {
  readonly place: Place;
  readonly test: string;
  /** Which of the test's combinations. */
  readonly name: string;
  readonly outcome: 'passed' | 'failed' | 'error';
  readonly differences: readonly Difference[];
  /** Why it was decided so; of an error, what was wrong. */
  readonly because: readonly string[];
}

export function resultOf(tried: Tried, rules: Rules): Result {
  const { case: one, decision, error, differences } = tried;
  const outcome = passed(tried) ? 'passed' : error === undefined ? 'failed' : 'error';
  const explained = outcome === 'failed' && decision !== undefined ? why(decision, rules) : [];
  return {
    place: one.expected.place,
    test: one.test,
    name: combination(one),
    outcome,
    differences,
    because: error === undefined ? explained : [error],
  };
}
