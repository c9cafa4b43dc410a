/**
 * Finds out whether approving would lift a deny, by judging its facts again with the approvals assumed. Only where all steps
 * then pass can they be asked for. It is pure, so a replay of the record comes to the same.
 */
import { mayAskAgain } from '../govern/approvals/advice.js';
import type { AccessRequestOffer, ApprovalStep } from '../model/approvals.js';
import type { StepOutcome } from '../model/outcome.js';
import type { ReasonCode } from '../model/reasons.js';
import { hasRemedy } from '../policy/policies.js';
import { bindApproval } from './approval-binding.js';
import { findRequiredPermissions, listDenyingForbids, type GivenAnswers } from './approval-facts.js';
import type { BoundQuestion } from './bound-question.js';
import { assumeElevation, findElevationStep } from './elevation.js';
import type { Evaluation } from './evaluation.js';
import { evaluateFacts } from './facts.js';
import { hashQuestion } from './question-identity.js';
import type { Facts, JudgingStep } from './step.js';
import { listNamesBehindStatements } from './told-denial.js';

/** The time for which approvals of a denied question can be asked for. */
const OFFER_LIFETIME_MS = 15 * 60_000;

/** The answers that are taken to have been given. */
interface AssumedAnswers {
  readonly permissions: boolean;
  readonly user: boolean;
  /** Gives the user the right that they lack. */
  readonly elevation: ApprovalStep | undefined;
  /** Whether those who answer in an emergency gave them. */
  readonly emergency: boolean;
}

/** The steps that lift a deny, none of which can be left out. */
interface Lifting {
  readonly steps: readonly ApprovalStep[];
  /** Whether they lift it as well where they are given in an emergency: policies read whether it was one. */
  readonly liftsInEmergency: () => boolean;
}

/** @param steps all that judge facts. @returns undefined where nothing can be asked for */
export function findAccessRequestOffer(
  evaluation: Evaluation,
  steps: readonly JudgingStep[],
): AccessRequestOffer | undefined {
  const { unbound, bound, facts } = evaluation;
  if (bound === undefined || facts === undefined || unbound.question.dryRun) return undefined;
  const lifting = findLifting(evaluation, steps);
  if (lifting === undefined) return undefined;
  const { emergency } = bound.target.action;
  return {
    steps: lifting.steps,
    binding: bindApproval(bound, facts, lifting.steps),
    question_sha256: hashQuestion(bound, facts),
    ...(emergency === undefined || !lifting.liftsInEmergency() ? {} : { emergency }),
    expires_at: new Date(bound.now.getTime() + OFFER_LIFETIME_MS).toISOString(),
  };
}

/** The steps that would lift the deny, also where nothing can be asked for on it; undefined where approving would not. */
export function findLifting(
  { bound, facts, stepResults }: Evaluation,
  steps: readonly JudgingStep[],
): Lifting | undefined {
  if (bound === undefined || facts === undefined) return undefined;
  const outcomes = stepResults.map(({ outcome }) => outcome);
  if (allPass(outcomes) || mayTellOfStatements(bound) || !mayAskAgain(facts.approval)) return undefined;
  const lifting = assumeWhatLifts(outcomes, bound, facts, steps);
  return lifting === undefined || lifting.steps.length === 0 ? undefined : lifting;
}

const LIFTABLE_REASONS: readonly ReasonCode[] = ['policy_forbid', 'consent_required'];

function mayBeLifted(outcome: StepOutcome): boolean {
  if (outcome.outcome !== 'deny') return outcome.outcome === 'pass';
  return outcome.reasons.every(({ code }) => LIFTABLE_REASONS.includes(code));
}

/**
 * Whether the offer could tell an agent that asks for itself what is stored of an entity that its question names: then it is
 * told the same whatever is stored, and that is no offer.
 */
function mayTellOfStatements(bound: BoundQuestion): boolean {
  return bound.question.caller.kind === 'agent' && listNamesBehindStatements(bound).length > 0;
}

/** @returns undefined where the deny stays with all approvals that there could be */
function assumeWhatLifts(
  found: readonly StepOutcome[],
  bound: BoundQuestion,
  facts: Facts,
  steps: readonly JudgingStep[],
): Lifting | undefined {
  const elevation = findElevationStep(bound, facts);
  const nothing: AssumedAnswers = { permissions: false, user: false, elevation, emergency: false };
  // The outcomes are known already, unless the question presents an approval: what that gives is left out.
  const isJudged = facts.approval === undefined && elevation === undefined;
  if (isJudged && !found.every(mayBeLifted)) return undefined;
  let assumed = isJudged ? assumeMore(nothing, found, bound) : nothing;
  while (assumed !== undefined) {
    const judged = judgeAssuming(assumed, bound, facts, steps);
    if (allPass(judged.outcomes)) return listNeededSteps(assumed, judged.listPermissions(), bound, facts, steps);
    assumed = assumeMore(assumed, judged.outcomes, bound);
  }
  return undefined;
}

interface AssumedJudgement {
  readonly outcomes: readonly StepOutcome[];
  /** Lists the permissions whose holders were taken to have said yes, which takes asking Cedar once more. */
  readonly listPermissions: () => readonly string[];
}

function judgeAssuming(
  { permissions, user, elevation, emergency }: AssumedAnswers,
  bound: BoundQuestion,
  found: Facts,
  steps: readonly JudgingStep[],
): AssumedJudgement {
  const [at, until] = [bound.now.toISOString(), new Date(bound.now.getTime() + OFFER_LIFETIME_MS).toISOString()];
  // The approvers aren't known yet.
  const seen = { by: '', approvers: [], approved_at: at, expires_at: until, emergency };
  const given: GivenAnswers = {
    user: user ? { at, until } : undefined,
    approval: permissions ? { permissions: 'any', seen } : undefined,
  };
  const facts = elevation === undefined ? found : { ...found, check: assumeElevation(bound, found) };
  const assumedFacts = evaluateFacts(bound, facts, given);
  return {
    outcomes: steps.map(({ judge }) => judge(bound, assumedFacts)),
    listPermissions: () =>
      permissions ? (findRequiredPermissions(bound, evaluateFacts(bound, facts, { user: given.user })) ?? []) : [],
  };
}

export function allPass(outcomes: readonly StepOutcome[]): boolean {
  return outcomes.every(({ outcome }) => outcome === 'pass');
}

/**
 * Adds the next answer that could lift what still denies; undefined where none could. The user's own comes first: what policies
 * read of their consent may lift the rest.
 */
function assumeMore(
  assumed: AssumedAnswers,
  outcomes: readonly StepOutcome[],
  bound: BoundQuestion,
): AssumedAnswers | undefined {
  if (!outcomes.every(mayBeLifted)) return undefined;
  const reasons = outcomes.flatMap((outcome) => (outcome.outcome === 'deny' ? outcome.reasons : []));
  const forbids = listDenyingForbids(reasons, bound);
  const isConsentMissing = reasons.some(({ step }) => step === 'consent');
  const others = assumed.permissions ? forbids : forbids.filter((forbid) => !hasRemedy(forbid, 'approval'));
  if (!isConsentMissing && !assumed.permissions && others.length === 0) return { ...assumed, permissions: true };
  const mayLift = isConsentMissing || others.every((forbid) => hasRemedy(forbid, 'consent'));
  return mayLift && !assumed.user && canAskUser(bound) ? { ...assumed, user: true } : undefined;
}

/** A user is asked for what an agent does for them, of the actions that ask for consent. */
function canAskUser({ acting, target }: BoundQuestion): boolean {
  return acting.mode === 'delegated' && target.action.consent !== undefined;
}

/** The steps without those that turn out not to be needed beside the others. */
function listNeededSteps(
  assumed: AssumedAnswers,
  permissions: readonly string[],
  bound: BoundQuestion,
  facts: Facts,
  steps: readonly JudgingStep[],
): Lifting {
  const judge = (answers: AssumedAnswers): AssumedJudgement => judgeAssuming(answers, bound, facts, steps);
  const without = assumed.user ? judge({ ...assumed, user: false }) : undefined;
  const isUserNeeded = without !== undefined && !allPass(without.outcomes);
  const needed = without === undefined || isUserNeeded ? permissions : without.listPermissions();
  const isReadByPolicies = needed.length > 0 && bound.target.action.emergency !== undefined;
  return {
    steps: [
      ...needed.map((permission): ApprovalStep => ({ kind: 'permission', permission })),
      ...(isUserNeeded ? [{ kind: 'user' } as const] : []),
      ...(assumed.elevation === undefined ? [] : [assumed.elevation]),
    ],
    liftsInEmergency: () =>
      !isReadByPolicies || allPass(judge({ ...assumed, user: isUserNeeded, emergency: true }).outcomes),
  };
}
