/**
 * Says what would lift the deny of a question where nothing but people's yes is missing: an approval, the user's consent, or
 * both. It is pure: the question is judged again as if they had been given. Lists of capabilities and why-not say it.
 */
import { REMIT_DETAIL_TYPE } from '../model/acting.js';
import type { ApprovalStep } from '../model/approvals.js';
import type { Consent } from '../model/consents.js';
import type { ReasonCode } from '../model/reasons.js';
import type { Remedy } from '../model/remedies.js';
import type { Policy } from '../policy/policies.js';
import { NOOP_OBSERVER } from '../telemetry/observer.js';
import { allPass, findLifting } from './access-request-offer.js';
import type { BoundQuestion } from './bound-question.js';
import { listConsentNeeds } from './consent-facts.js';
import { getAccess } from './coverage-request.js';
import type { Evaluation } from './evaluation.js';
import { evaluateFacts } from './facts.js';
import { judgeFacts, JUDGING_STEPS } from './decide.js';

/** A consent that is assumed ends, as most do. */
const ASSUMED_CONSENT_MS = 3_600_000;
const CONSENT: Remedy = { type: 'consent' };

/** @returns what has to be added, all of it; undefined where the deny would stay */
export function findLiftingRemedies(evaluation: Evaluation): readonly Remedy[] | undefined {
  const lifting = findLifting(evaluation, JUDGING_STEPS);
  if (lifting !== undefined) return uniteRemedies(lifting.steps.map(toRemedy));
  const consented = assumeConsent(evaluation);
  if (consented === undefined) return undefined;
  if (allPass(consented.stepResults.map(({ outcome }) => outcome))) return [CONSENT];
  const further = findLifting(consented, JUDGING_STEPS);
  return further === undefined ? undefined : uniteRemedies([CONSENT, ...further.steps.map(toRemedy)]);
}

/** Whether nothing but a person's yes has to be added for the reason to go away: whether it is enough, only judging again tells. */
export function mayPeopleLift(code: ReasonCode, policy: Policy | undefined): boolean {
  return code.startsWith('consent_') || (code === 'policy_forbid' && (policy?.remedies ?? []).some(isPeopleRemedy));
}

function isPeopleRemedy({ type }: Remedy): boolean {
  return type === 'approval' || type === 'consent';
}

function toRemedy(step: ApprovalStep): Remedy {
  return step.kind === 'user' ? CONSENT : { type: 'approval', permission: step.permission };
}

/** Each once, in their order. */
export function uniteRemedies(remedies: readonly Remedy[]): Remedy[] {
  return [...new Map(remedies.map((remedy) => [JSON.stringify(remedy), remedy])).values()];
}

/** The question judged as if the user had consented to it; undefined where no consent is missing. */
function assumeConsent({ unbound, bound, facts, stepResults }: Evaluation): Evaluation | undefined {
  if (bound === undefined || facts?.consent?.kind !== 'missing' || listConsentNeeds(bound).length === 0)
    return undefined;
  // Which of several counts is found among all of them.
  const stored = facts.consents === undefined || 'fault' in facts.consents ? [] : facts.consents;
  const assumed = evaluateFacts(bound, { ...facts, consents: [...stored, makeCoveringConsent(bound)] });
  const opening = stepResults.slice(0, stepResults.length - JUDGING_STEPS.length);
  return judgeFacts({ unbound, stepResults: opening }, { bound, facts: assumed }, NOOP_OBSERVER);
}

function makeCoveringConsent(bound: BoundQuestion): Consent {
  const { question, target, now } = bound;
  const { type, id } = question.resource;
  return {
    id: '',
    details: [{ type: REMIT_DETAIL_TYPE, actions: [target.action.name], resources: [`${type}:${id}`] }],
    access: getAccess(bound),
    confirm: 'never',
    starts: now.toISOString(),
    given: now.toISOString(),
    ends: new Date(now.getTime() + ASSUMED_CONSENT_MS).toISOString(),
    basis: 'unchecked',
  };
}
