/** The difference between two answers to one question. Replay and diff call it. */
import { isDeepStrictEqual } from 'node:util';
import type { AccessRequestOffer } from '../model/approvals.js';
import type { Reason } from '../model/reasons.js';
import { listDutyGaps, type DutyGap } from '../policy/duties.js';
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
  /** The approvals that can be asked for; absent where there are none. */
  readonly access_request?: Pick<AccessRequestOffer, 'steps'> | undefined;
}

/** The obligations in which two allows differ, as parts of duties. */
export interface ObligationChanges {
  readonly lifted: readonly DutyGap[];
  readonly imposed: readonly DutyGap[];
}

/** None where either is a deny: then they aren't what differs. */
export function compareObligations(before: ComparableDecision, after: ComparableDecision): ObligationChanges {
  if (!before.decision || !after.decision) return { lifted: [], imposed: [] };
  return {
    lifted: listDutyGaps(after.obligations, before.obligations),
    imposed: listDutyGaps(before.obligations, after.obligations),
  };
}

/** `no longer due: mask:ssn (now mask:ssn=last4)`, and what is newly due; no line where there is nothing to say. */
export function formatObligationChanges({ lifted, imposed }: ObligationChanges): string[] {
  const list = (heading: string, gaps: readonly DutyGap[], when: string): string[] =>
    gaps.length === 0
      ? []
      : [`${heading}: ${gaps.map(({ duty, instead }) => `${duty}${instead === undefined ? '' : ` (${when} ${instead})`}`).join(', ')}`]; // prettier-ignore
  return [...list('no longer due', lifted, 'now'), ...list('newly due', imposed, 'before')];
}

/** undefined where the answers are the same; the wording of a reason doesn't count. */
export function classifyChange(before: ComparableDecision, after: ComparableDecision): DecisionChange | undefined {
  if (before.decision !== after.decision) return after.decision ? 'newly_allowed' : 'newly_denied';
  if (listDutyGaps(after.obligations, before.obligations).length > 0) return 'fewer_obligations';
  if (listDutyGaps(before.obligations, after.obligations).length > 0) return 'more_obligations';
  const sameRemedies =
    before.remedies === undefined || after.remedies === undefined || isDeepStrictEqual(before.remedies, after.remedies);
  const sameReasons = isDeepStrictEqual(before.reasons.map(toComparableReason), after.reasons.map(toComparableReason));
  const sameApprovals = isDeepStrictEqual(before.access_request?.steps, after.access_request?.steps);
  return sameRemedies && sameReasons && sameApprovals ? undefined : 'reasons';
}

function toComparableReason({ code, step, policies = [] }: Reason): unknown {
  return { code, step, policies };
}
