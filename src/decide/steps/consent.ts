/**
 * Step 5: where the action asks for consent, has the user given one to this agent that covers the question? And where its
 * use is limited, is enough left? It only reads: what is used is reserved with the record.
 */
import { planCharges } from '../../govern/limits/charges.js';
import { judgeLimits } from '../../govern/limits/judge.js';
import { planRetryKey } from '../../govern/limits/retry-key.js';
import type { FaultCode } from '../../model/faults.js';
import { describeRef } from '../../model/ids.js';
import { deny, pass, unknown, type Evidence } from '../../model/outcome.js';
import { reason, type Reason } from '../../model/reasons.js';
import type { Remedy } from '../../model/remedies.js';
import { limitRemedies } from '../../policy/remedies.js';
import type { BoundQuestion } from '../bound-question.js';
import { listConsentNeeds } from '../consent-facts.js';
import type { Facts, JudgingStep } from '../step.js';

interface Judgement {
  readonly reasons: readonly Reason[];
  readonly evidence: Evidence;
  readonly remedies?: readonly Remedy[];
  readonly fault?: FaultCode;
}

export const consentStep: JudgingStep = {
  step: 'consent',

  needs: (bound) => ({
    consents: listConsentNeeds(bound),
    charges: planCharges(bound).charges,
    retry: planRetryKey(bound),
    approval: bound.question.approval,
  }),

  judge: (bound, facts) => {
    const limits = judgeUse(facts);
    const consent = judgeConsent(bound, facts, limits.reasons.length > 0);
    const approval = judgeApprovalFinding(facts);
    const reasons = [...approval.reasons, ...consent.reasons, ...limits.reasons];
    const evidence = { ...consent.evidence, ...approval.evidence, ...limits.evidence };
    if (reasons.length > 0) return deny(reasons, evidence, [...(consent.remedies ?? []), ...(limits.remedies ?? [])]);
    const fault = consent.fault ?? approval.fault ?? limits.fault;
    return fault === undefined ? pass(evidence) : unknown(fault, evidence);
  },
};

const CONSENT_NEEDS = { standing: 'standing consent', each: "the user's yes each time" } as const;

/**
 * Consent is what a person gives an agent: a person acting alone needs none.
 * @param isLimited whether limits deny the question: then it isn't the user's yes that one who is asked each time lacks
 */
function judgeConsent(
  { target: { action }, acting }: BoundQuestion,
  { consent }: Facts,
  isLimited: boolean,
): Judgement {
  if (action.consent === undefined || acting.mode === 'human') return { reasons: [], evidence: { required: false } };
  const evidence = { required: action.consent };
  if (consent?.kind === 'unknown') return { reasons: [], evidence, fault: consent.fault };
  if (consent?.kind === 'found') {
    const { id, given, ends, access, when } = consent.consent;
    const terms = { access, given, ...(ends === undefined ? {} : { ends }), ...(when === undefined ? {} : { when }) };
    return { reasons: [], evidence: { ...evidence, consent: id, ...terms } };
  }
  if (consent?.kind === 'confirmed')
    return { reasons: [], evidence: { ...evidence, confirmed: consent.at, ends: consent.until } };
  if (consent?.kind === 'used_up' && isLimited)
    return { reasons: [], evidence: { ...evidence, consent: consent.consent.id } };
  const missing =
    consent?.kind === 'missing'
      ? consent
      : { code: 'consent_required' as const, message: consent?.message ?? NO_USER, notBefore: undefined };
  const message = `"${action.name}" needs ${CONSENT_NEEDS[action.consent]}. ${missing.message}`;
  const { notBefore } = missing;
  const waiting = notBefore === undefined ? [] : [{ type: 'time' as const, not_before: notBefore }];
  return {
    reasons: [
      { ...reason('consent', missing.code, message), ...(notBefore === undefined ? {} : { not_before: notBefore }) },
    ],
    evidence,
    remedies: [...waiting, { type: 'consent' }],
  };
}

/** The reason for which no consents were looked at. */
const NO_USER = 'An agent that acts for itself has no user to give it.';

/** The approval that the question presents must be good, whether or not anything asks for it. */
function judgeApprovalFinding({ approval }: Facts): Judgement {
  switch (approval?.kind) {
    case undefined:
      return { reasons: [], evidence: {} };
    case 'unknown':
      return { reasons: [], evidence: {}, fault: approval.fault };
    case 'bad': {
      const { code, message, at } = approval;
      return { reasons: [{ ...reason('consent', code, message), ...(at === undefined ? {} : { at }) }], evidence: {} };
    }
    case 'good': {
      const { id, answers, approved_until } = approval.approval;
      const approvers = [...new Set(answers.map(({ by }) => describeRef(by)))];
      return { reasons: [], evidence: { approval: id, approvers, approved_until } };
    }
  }
}

function judgeUse({ limits, use }: Facts): Judgement {
  if (limits === undefined) return { reasons: [], evidence: {} };
  if ('fault' in limits) return { reasons: [], evidence: {}, fault: limits.fault };
  const { reasons, evidence } = judgeLimits(use, limits);
  return {
    reasons,
    remedies: limitRemedies(reasons),
    evidence: {
      ...(evidence.length === 0 ? {} : { limits: evidence }),
      ...(limits.retry?.kind === 'held' ? { retry_of: limits.retry.decision } : {}),
    },
  };
}
