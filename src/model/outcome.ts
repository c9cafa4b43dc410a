/** The outcome of a step, and the law by which the outcomes of all steps make a decision. */
import type { FaultCode } from './faults.js';
import type { Reason } from './reasons.js';
import type { Obligation } from './obligations.js';
import type { Remedy } from './remedies.js';

export type Evidence = Readonly<Record<string, unknown>>;

export type StepOutcome =
  | { readonly outcome: 'pass'; readonly evidence: Evidence; readonly obligations?: readonly Obligation[] }
  | {
      readonly outcome: 'deny';
      readonly evidence: Evidence;
      readonly reasons: readonly Reason[];
      readonly remedies: readonly Remedy[];
    }
  | { readonly outcome: 'unknown'; readonly evidence: Evidence; readonly fault: FaultCode };

export type Denial = Extract<StepOutcome, { readonly outcome: 'deny' }>;

/** @param obligations that an allow brings; only the obligations step has any */
export function pass(evidence: Evidence = {}, obligations: readonly Obligation[] = []): StepOutcome {
  return { outcome: 'pass', evidence, ...(obligations.length === 0 ? {} : { obligations }) };
}

/** @throws TypeError without a reason: a deny that explains nothing is a bug */
export function deny(
  reasons: Reason | readonly Reason[],
  evidence: Evidence = {},
  remedies: readonly Remedy[] = [],
): StepOutcome {
  const list = [reasons].flat();
  if (list.length === 0) throw new TypeError('a deny needs a reason');
  return { outcome: 'deny', evidence, reasons: list, remedies };
}

export function unknown(fault: FaultCode, evidence: Evidence = {}): StepOutcome {
  return { outcome: 'unknown', evidence, fault };
}

export type DecisionVerdict = 'allow' | 'deny' | 'unknown';

/**
 * The law: a deny outweighs an unknown; an allow needs a pass of every one of `steps`; anything else, nothing at all
 * included, is unknown and so not an allow. What isn't on record is no answer: it is unknown, whatever was found.
 */
export function combineOutcomes(
  outcomes: readonly StepOutcome[],
  steps: number,
  isUnrecorded = false,
): DecisionVerdict {
  if (isUnrecorded) return 'unknown';
  if (outcomes.some((o) => o.outcome === 'deny')) return 'deny';
  return outcomes.length === steps && steps > 0 && outcomes.every((o) => o.outcome === 'pass') ? 'allow' : 'unknown';
}
