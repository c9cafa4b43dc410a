/** What is different between two answers to one question. */
import { isDeepStrictEqual } from 'node:util';
import type { Reason } from '../model/reasons.js';
import { coverObligations } from '../policy/duties.js';
import { type Obligation } from '../model/obligations.js';
import type { Remedy } from '../model/remedies.js';

/** The most dangerous first: what gives more comes before what takes. */
export const DECISION_CHANGES = [
  'newly_allowed',
  'fewer_obligations',
  'more_obligations',
  'newly_denied',
  'reasons',
] as const;
export type DecisionChange = (typeof DECISION_CHANGES)[number];

/** Whether more may be done than before, or with less to do for it. */
export function isWidening(change: DecisionChange): boolean {
  return change === 'newly_allowed' || change === 'fewer_obligations';
}

/** Of an answer, what whoever asked acts on, and why. */
export interface ComparableDecision {
  readonly decision: boolean;
  readonly obligations: readonly Obligation[];
  readonly reasons: readonly Reason[];
  /** Where they are known: a record has none. */
  readonly remedies?: readonly Remedy[];
}

/** Undefined where they are the same; how a reason is worded doesn't count. */
export function classifyChange(before: ComparableDecision, after: ComparableDecision): DecisionChange | undefined {
  if (before.decision !== after.decision) return after.decision ? 'newly_allowed' : 'newly_denied';
  if (!coverObligations(after.obligations, before.obligations)) return 'fewer_obligations';
  if (!coverObligations(before.obligations, after.obligations)) return 'more_obligations';
  const sameRemedies =
    before.remedies === undefined || after.remedies === undefined || isDeepStrictEqual(before.remedies, after.remedies);
  return sameRemedies &&
    isDeepStrictEqual(before.reasons.map(toComparableReason), after.reasons.map(toComparableReason))
    ? undefined
    : 'reasons';
}

function toComparableReason({ code, step, policies = [] }: Reason): unknown {
  return { code, step, policies };
}
