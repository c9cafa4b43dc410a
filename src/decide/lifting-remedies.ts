/**
 * Says what would lift the deny of a question where nothing but people's yes is missing: an approval, the user's consent, or
 * both. It is pure: the question is judged again as if they had been given. Lists of capabilities and why-not say it.
 */
import { REMIT_DETAIL_TYPE } from '../model/acting.js';
import type { ApprovalStep } from '../model/approvals.js';
import type { Consent } from '../model/consents.js';
import { dependsOnRequest, type ReasonCode } from '../model/reasons.js';
import type { Remedy } from '../model/remedies.js';
import { hasPeopleRemedy, type Policy } from '../policy/policies.js';
import { NOOP_OBSERVER } from '../telemetry/observer.js';
import { allPass, tryLifting } from './access-request-offer.js';
import { listDenyingForbids } from './approval-facts.js';
import type { BoundQuestion } from './bound-question.js';
import { listConsentNeeds } from './consent-facts.js';
import { getAccess } from './coverage-request.js';
import type { Evaluation } from './evaluation.js';
import { evaluateFacts } from './facts.js';
import { judgeFacts, JUDGING_STEPS } from './decide.js';
import type { Facts } from './step.js';

/** A consent that is assumed ends, as most do. */
const ASSUMED_CONSENT_MS = 3_600_000;
const CONSENT: Remedy = { type: 'consent' };

/** @returns what has to be added, all of it; undefined where the deny would stay */
export function findLiftingRemedies(evaluation: Evaluation): readonly Remedy[] | undefined {
  const cure = tryConsents(evaluation, [], false);
  return cure === undefined || cure.remedies.length === 0 ? undefined : cure.remedies;
}

/** The remedies that would lift a deny, and what is left of it then. */
export interface TriedCure {
  /** All that has to be added; none where only the request is to say more. */
  readonly remedies: readonly Remedy[];
  /** Whether it depends on what the request says as well, which can't be tried. */
  readonly depends: boolean;
  /** Whether other people are asked for it, as tasks. */
  readonly asksPeople: boolean;
}

/**
 * Tries what would lift a deny, where the token lacks a scope as well, or the request what only it can say: the question is
 * judged again with all that can be added to it.
 * @returns undefined where the deny would stay
 */
export function findCure(evaluation: Evaluation): TriedCure | undefined {
  const scoped = assumeScopes(evaluation);
  return scoped === undefined
    ? tryConsents(evaluation, [], true)
    : tryConsents(scoped.evaluation, scoped.remedies, true);
}

/** @param remedies those that are assumed already @param setsAside as {@link tryLifting} has it */
function tryConsents(evaluation: Evaluation, remedies: readonly Remedy[], setsAside: boolean): TriedCure | undefined {
  const plain = tryPeople(evaluation, remedies, setsAside);
  if (plain !== undefined) return plain;
  const consented = assumeConsent(evaluation);
  return consented === undefined ? undefined : tryPeople(consented, [...remedies, CONSENT], setsAside);
}

function tryPeople(evaluation: Evaluation, remedies: readonly Remedy[], setsAside: boolean): TriedCure | undefined {
  if (allPass(evaluation.stepResults.map(({ outcome }) => outcome)))
    return { remedies: uniteRemedies(remedies), depends: false, asksPeople: false };
  const lifting = tryLifting(evaluation, JUDGING_STEPS, setsAside);
  const { bound } = evaluation;
  if (lifting === undefined || bound === undefined) return undefined;
  const left = lifting.outcomes.flatMap((outcome) => (outcome.outcome === 'deny' ? outcome.reasons : []));
  const signIns = listDenyingForbids(left, bound).flatMap((forbid) => forbid.remedies);
  return {
    remedies: uniteRemedies([...remedies, ...lifting.steps.map(toRemedy), ...signIns]),
    depends: left.some(({ code }) => code !== 'policy_forbid'),
    asksPeople: lifting.steps.length > 0,
  };
}

/** The question judged as if its token had the scopes that it lacks; undefined where it lacks none, or more than scopes. */
function assumeScopes(
  evaluation: Evaluation,
): { readonly evaluation: Evaluation; readonly remedies: readonly Remedy[] } | undefined {
  const { bound, facts, stepResults } = evaluation;
  const outcome = stepResults.find(({ step }) => step === 'delegation')?.outcome;
  if (bound?.acting.grant === undefined || facts === undefined || outcome?.outcome !== 'deny') return undefined;
  if (!outcome.reasons.every((reason) => reason.code === 'scope_insufficient' || dependsOnRequest(reason)))
    return undefined;
  const missing = outcome.remedies.flatMap((remedy) => (remedy.type === 'scope' ? remedy.scope.split(' ') : []));
  const grant = { ...bound.acting.grant, scopes: [...bound.acting.grant.scopes, ...missing] };
  const scoped = { ...bound, acting: { ...bound.acting, grant } as BoundQuestion['acting'] };
  return {
    evaluation: judgeAssumed(evaluation, scoped, evaluateFacts(scoped, facts)),
    remedies: outcome.remedies,
  };
}

/** Whether nothing but a person's yes has to be added for the reason to go away: whether it is enough, only judging again tells. */
export function mayPeopleLift(code: ReasonCode, policy: Policy | undefined): boolean {
  return code.startsWith('consent_') || (code === 'policy_forbid' && policy !== undefined && hasPeopleRemedy(policy));
}

function toRemedy(step: ApprovalStep): Remedy {
  return step.kind === 'user' ? CONSENT : { type: 'approval', permission: step.permission };
}

/** Each once, in their order. */
function uniteRemedies(remedies: readonly Remedy[]): Remedy[] {
  return [...new Map(remedies.map((remedy) => [JSON.stringify(remedy), remedy])).values()];
}

/** The question judged as if the user had consented to it; undefined where no consent is missing. */
function assumeConsent(evaluation: Evaluation): Evaluation | undefined {
  const { bound, facts } = evaluation;
  if (bound === undefined || facts?.consent?.kind !== 'missing' || listConsentNeeds(bound).length === 0)
    return undefined;
  // Which of several counts is found among all of them.
  const stored = facts.consents === undefined || 'fault' in facts.consents ? [] : facts.consents;
  const assumed = { ...facts, consents: [...stored, makeCoveringConsent(bound)] };
  return judgeAssumed(evaluation, bound, evaluateFacts(bound, assumed));
}

function judgeAssumed({ unbound, stepResults }: Evaluation, bound: BoundQuestion, facts: Facts): Evaluation {
  const opening = stepResults.slice(0, stepResults.length - JUDGING_STEPS.length);
  return judgeFacts({ unbound, stepResults: opening }, { bound, facts }, NOOP_OBSERVER);
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
