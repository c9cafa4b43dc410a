/**
 * Step 5: where the action asks for consent, is there one? None can be given yet, so such an action is denied. And where
 * its use is limited, is enough left? It only reads: what is used is reserved with the record.
 */
import { planCharges } from '../../govern/limits/charges.js';
import { judgeLimits } from '../../govern/limits/judge.js';
import { planRetryKey } from '../../govern/limits/retry-key.js';
import { deny, pass, unknown } from '../../model/outcome.js';
import { reason } from '../../model/reasons.js';
import type { BoundQuestion } from '../bound-question.js';
import type { JudgingStep } from '../step.js';

export const consentStep: JudgingStep = {
  step: 'consent',

  needs: (bound) => ({ charges: planCharges(bound).charges, retry: planRetryKey(bound) }),

  judge: (bound, { limits }) => {
    const { reasons, evidence, remedies } = judgeConsent(bound);
    if (limits === undefined) return reasons.length === 0 ? pass(evidence) : deny(reasons, evidence, remedies);
    if ('fault' in limits)
      return reasons.length === 0 ? unknown(limits.fault, evidence) : deny(reasons, evidence, remedies);
    const judgement = judgeLimits(planCharges(bound), limits);
    const allReasons = [...reasons, ...judgement.reasons];
    const allEvidence = {
      ...evidence,
      ...(judgement.evidence.length === 0 ? {} : { limits: judgement.evidence }),
      ...(limits.retry?.kind === 'held' ? { retry_of: limits.retry.decision } : {}),
    };
    return allReasons.length === 0 ? pass(allEvidence) : deny(allReasons, allEvidence, remedies);
  },
};

/** Consent is what a person gives an agent: a person acting alone needs none. */
function judgeConsent({ target: { action }, acting }: BoundQuestion) {
  if (action.consent === undefined || acting.mode === 'human')
    return { reasons: [], evidence: { required: false }, remedies: [] };
  return {
    reasons: [reason('consent', 'consent_required', `"${action.name}" needs ${action.consent} consent.`)],
    evidence: { required: action.consent },
    remedies: [{ type: 'consent' as const }],
  };
}
