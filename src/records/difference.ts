/** What is different between two answers to one question. */
import { isDeepStrictEqual } from 'node:util';
import type { Reason } from '../model/reasons.js';
import { coverObligations } from '../policy/duties.js';
import { type Obligation } from '../model/obligations.js';
import type { Remedy } from '../model/remedies.js';

/** The most dangerous first: what gives more comes before what takes. */
export const CHANGES = ['newly_allowed', 'fewer_obligations', 'more_obligations', 'newly_denied', 'reasons'] as const;
export type Change = (typeof CHANGES)[number];

/** Whether more may be done than before, or with less to do for it. */
export function widens(change: Change): boolean {
  return change === 'newly_allowed' || change === 'fewer_obligations';
}

/** Of an answer, what whoever asked acts on, and why. */
export interface Compared {
  readonly decision: boolean;
  readonly obligations: readonly Obligation[];
  readonly reasons: readonly Reason[];
  /** Where they are known: a record has none. */
  readonly remedies?: readonly Remedy[];
}

/** Undefined where they are the same; how a reason is worded doesn't count. */
export function changeOf(before: Compared, after: Compared): Change | undefined {
  if (before.decision !== after.decision) return after.decision ? 'newly_allowed' : 'newly_denied';
  if (!coverObligations(after.obligations, before.obligations)) return 'fewer_obligations';
  if (!coverObligations(before.obligations, after.obligations)) return 'more_obligations';
  const remedied =
    before.remedies === undefined || after.remedies === undefined || isDeepStrictEqual(before.remedies, after.remedies);
  return remedied && isDeepStrictEqual(before.reasons.map(told), after.reasons.map(told)) ? undefined : 'reasons';
}

function told({ code, step, policies = [] }: Reason): unknown {
  return { code, step, policies };
}
