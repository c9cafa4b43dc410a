/** The difference between two answers to one question. Replay and diff call it. */
import { isDeepStrictEqual } from 'node:util';
import type { Reason } from '../model/reasons.js';
import { coverObligations } from '../policy/duties.js';
import type { Obligation } from '../model/obligations.js';
import type { Remedy } from '../model/remedies.js';

/** The most dangerous first: what allows more comes before what allows less. */
export const DECISION_CHANGES = [
  'newly_allowed',
  'fewer_obligations',
  'more_obligations',
  'newly_denied',
  'reasons',
] as const;
export type DecisionChange = (typeof DECISION_CHANGES)[number];

/** Whether more is allowed than before, or with fewer obligations. */
export function isWidening(change: DecisionChange): boolean {
  return change === 'newly_allowed' || change === 'fewer_obligations';
}

/** The parts of an answer that the caller acts on, and the reasons. */
export interface ComparableDecision {
  readonly decision: boolean;
  readonly obligations: readonly Obligation[];
  readonly reasons: readonly Reason[];
  /** Absent where they are not known: a record has none. */
  readonly remedies?: readonly Remedy[];
}

/** undefined where the answers are the same; the wording of a reason doesn't count. */
export function classifyChange(before: ComparableDecision, after: ComparableDecision): DecisionChange | undefined {
  if (before.decision !== after.decision) return after.decision ? 'newly_allowed' : 'newly_denied';
  if (!coverObligations(after.obligations, before.obligations)) return 'fewer_obligations';
  if (!coverObligations(before.obligations, after.obligations)) return 'more_obligations';
  const sameRemedies =
    before.remedies === undefined || after.remedies === undefined || isDeepStrictEqual(before.remedies, after.remedies);
  const sameReasons = isDeepStrictEqual(before.reasons.map(toComparableReason), after.reasons.map(toComparableReason));
  return sameRemedies && sameReasons ? undefined : 'reasons';
}

function toComparableReason({ code, step, policies = [] }: Reason): unknown {
  return { code, step, policies };
}
