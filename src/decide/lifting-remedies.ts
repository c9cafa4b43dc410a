/**
 * Says what would lift the deny of a question where nothing but people's yes is missing: an approval, the user's consent, or
 * both. It is pure: the question is judged again as if they had been given. Lists of capabilities and why-not say it.
 */
import { REMIT_DETAIL_TYPE } from '../model/acting.js';
import type { AccessRequestOffer, ApprovalStep } from '../model/approvals.js';
import type { Consent } from '../model/consents.js';
import type { Remedy } from '../model/remedies.js';
import { findAccessRequestOffer } from './access-request-offer.js';
import type { BoundQuestion } from './bound-question.js';
import { listConsentNeeds } from './consent-facts.js';
import { getAccess } from './coverage-request.js';
import type { Evaluation } from './evaluation.js';
import { evaluateFacts } from './facts.js';
import type { JudgingStep } from './step.js';

/** A consent that is assumed ends, as most do. */
const ASSUMED_CONSENT_MS = 3_600_000;

/**
 * @param steps all that judge facts
 * @returns what has to be added, all of it; undefined where the deny would stay
 */
export function findLiftingRemedies(
  evaluation: Evaluation,
  steps: readonly JudgingStep[],
): readonly Remedy[] | undefined {
  // Nothing can be asked for on a dry run, but what would lift it is the same.
  const { unbound } = evaluation;
  const asked = { ...evaluation, unbound: { ...unbound, question: { ...unbound.question, dryRun: false } } };
  const offer = findAccessRequestOffer(asked, steps);
  if (offer !== undefined) return listOfferRemedies(offer);
  const consented = assumeConsent(asked, steps);
  if (consented === undefined) return undefined;
  if (consented.stepResults.every(({ outcome }) => outcome.outcome === 'pass')) return [{ type: 'consent' }];
  const further = findAccessRequestOffer(consented, steps);
  return further === undefined ? undefined : uniteRemedies([{ type: 'consent' }, ...listOfferRemedies(further)]);
}

/** The remedies that the steps of an offer ask people for. */
export function listOfferRemedies({ steps }: Pick<AccessRequestOffer, 'steps'>): readonly Remedy[] {
  return uniteRemedies(steps.map(toRemedy));
}

function toRemedy(step: ApprovalStep): Remedy {
  return step.kind === 'user' ? { type: 'consent' } : { type: 'approval', permission: step.permission };
}

function uniteRemedies(remedies: readonly Remedy[]): Remedy[] {
  return [...new Map(remedies.map((remedy) => [JSON.stringify(remedy), remedy])).values()];
}

/** The question judged as if the user had consented to it; undefined where no consent is missing. */
function assumeConsent(
  { unbound, bound, facts, stepResults }: Evaluation,
  steps: readonly JudgingStep[],
): Evaluation | undefined {
  if (bound === undefined || facts?.consent?.kind !== 'missing' || listConsentNeeds(bound).length === 0)
    return undefined;
  const assumed = evaluateFacts(bound, { ...facts, consents: [makeCoveringConsent(bound)] });
  const judged = steps.map(({ step, judge }) => ({ step, outcome: judge(bound, assumed) }));
  const opening = stepResults.slice(0, stepResults.length - steps.length);
  return { unbound, bound, facts: assumed, stepResults: [...opening, ...judged] };
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
