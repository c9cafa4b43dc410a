/** Reads what Cedar answered, for the policy and obligations steps, which judge it. */
import type { FaultCode } from '../model/faults.js';
import { type Reason, reason } from '../model/reasons.js';
import type { CedarAnswer } from '../policy/cedar.js';
import { describeMissingValues } from '../policy/missing-values.js';
import type { Policy } from '../policy/policies.js';
import type { CedarOutcome } from './ask-cedar.js';

/**
 * Returns Cedar's answer, undefined where there is none, and adds what is wrong with it to `reasons` and `faults`.
 * @param step the step that reads it, which its reasons name
 * @param suffix names in messages the earlier agent that Cedar was asked for
 */
export function readCedarAnswer(
  step: 'policy' | 'obligations',
  outcome: CedarOutcome,
  reasons: Reason[],
  faults: FaultCode[],
  suffix = '',
): CedarAnswer | undefined {
  switch (outcome.kind) {
    case 'missing':
      reasons.push({
        ...reason(step, 'attribute_missing', describeMissingValues(outcome.values, suffix)),
        missing: outcome.values,
      });
      return undefined;
    case 'fault':
      faults.push(outcome.fault);
      return undefined;
    case 'withheld':
      // Happens only where the relationship step has denied, which outweighs this.
      faults.push('policies_unavailable');
      return undefined;
    case 'answer': {
      const { errors } = outcome.answer;
      if (errors.length > 0) {
        const ids = [...new Set(errors.map((e) => e.policy).filter((id) => id !== ''))].sort();
        reasons.push(reason(step, 'policy_error', `Failed${suffix}: ${errors.map((e) => e.message).join('; ')}`, ids));
      }
      return outcome.answer;
    }
  }
}

/** The policies as evidence names them: `{ id, title, source }`. */
export function citePolicies(ids: readonly string[], policies: ReadonlyMap<string, Policy>): object[] {
  return ids.flatMap((id) => {
    const policy = policies.get(id);
    return policy === undefined
      ? []
      : [{ id, ...(policy.title === undefined ? {} : { title: policy.title }), source: policy.source }];
  });
}
