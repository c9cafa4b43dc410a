/**
 * Finds out whether approving would lift a deny, by judging its facts again with the approvals assumed. Only where all steps
 * then pass can they be asked for. It is pure, so a replay of the record comes to the same.
 */
import { mayAskAgain } from '../govern/approvals/advice.js';
import { DEFAULT_ONCE_MS, findLatestEnd } from '../govern/approvals/task-progress.js';
import type { AccessRequestOffer, ApprovalStep } from '../model/approvals.js';
import type { StepOutcome } from '../model/outcome.js';
import { dependsOnRequest, type ReasonCode } from '../model/reasons.js';
import { hasRemedy } from '../policy/policies.js';
import { bindApproval } from './approval-binding.js';
import { memoizeByObjects } from '../runtime/memoize.js';
import { findRequiredPermissions, isLiftedBySignIn, listDenyingForbids, type GivenAnswers } from './approval-facts.js';
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
interface LiftingSteps {
  readonly steps: readonly ApprovalStep[];
  /** The outcomes with them: what still denies was set aside. */
  readonly outcomes: readonly StepOutcome[];
  /** Whether they lift it as well where they are given in an emergency: policies read whether it was one. */
  readonly liftsInEmergency: () => boolean;
}

/**
 * Finds it once for an evaluation, of which it is asked before the decision is recorded and again when it is.
 * @param steps all that judge facts. @returns undefined where nothing can be asked for
 */
export const findAccessRequestOffer = memoizeByObjects(makeAccessRequestOffer);

function makeAccessRequestOffer(evaluation: Evaluation, steps: readonly JudgingStep[]): AccessRequestOffer | undefined {
  const { unbound, bound, facts } = evaluation;
  if (bound === undefined || facts === undefined || unbound.question.dryRun) return undefined;
  // Where people aren't asked nothing has to be tried.
  if (facts.refusal !== undefined) return undefined;
  const lifting = tryLifting(evaluation, steps, false);
  if (lifting === undefined || lifting.steps.length === 0) return undefined;
  const { emergency } = bound.target.action;
  return {
    steps: lifting.steps,
    binding: bindApproval(bound, facts, lifting.steps),
    question_sha256: hashQuestion(bound, facts),
    ...(emergency === undefined || !lifting.liftsInEmergency() ? {} : { emergency }),
    expires_at: new Date(bound.now.getTime() + OFFER_LIFETIME_MS).toISOString(),
  };
}

/**
 * Tries what people could say yes to, whether or not a request is there that would be allowed then.
 * @param setsAside whether what only the request or a stronger sign-in can supply is left out of account: it may be none of
 *   people's yes that the question lacks
 * @returns undefined where the deny would stay
 */
export function tryLifting(
  { bound, facts, stepResults }: Evaluation,
  steps: readonly JudgingStep[],
  setsAside: boolean,
): LiftingSteps | undefined {
  if (bound === undefined || facts === undefined) return undefined;
  const outcomes = stepResults.map(({ outcome }) => outcome);
  if (allPass(outcomes) || mayTellOfStatements(bound) || !mayAskAgain(facts.approval)) return undefined;
  const lifting = assumeWhatLifts({ bound, facts, steps, setsAside }, outcomes);
  // Who has said no lately isn't asked again, nor what can't be read.
  return facts.refusal !== undefined && lifting !== undefined && lifting.steps.length > 0 ? undefined : lifting;
}

/** The question as it is tried with answers. */
interface Trial {
  readonly bound: BoundQuestion;
  readonly facts: Facts;
  readonly steps: readonly JudgingStep[];
  readonly setsAside: boolean;
}

const LIFTABLE_REASONS: readonly ReasonCode[] = ['policy_forbid', 'consent_required'];

function mayBeLifted(outcome: StepOutcome, { setsAside }: Pick<Trial, 'setsAside'>): boolean {
  if (outcome.outcome !== 'deny') return outcome.outcome === 'pass';
  return outcome.reasons.every(
    (reason) => LIFTABLE_REASONS.includes(reason.code) || (setsAside && dependsOnRequest(reason)),
  );
}

/** Whether the step passes, or nothing denies that isn't set aside. */
function isSettled(outcome: StepOutcome, { bound, setsAside }: Trial): boolean {
  if (outcome.outcome !== 'deny' || !setsAside) return outcome.outcome === 'pass';
  return outcome.reasons.every(
    (reason) =>
      dependsOnRequest(reason) ||
      (reason.code === 'policy_forbid' && listDenyingForbids([reason], bound).every(isLiftedBySignIn)),
  );
}

/**
 * Whether the offer could tell an agent that asks for itself what is stored of an entity that its question names: then it is
 * told the same whatever is stored, and that is no offer.
 */
function mayTellOfStatements(bound: BoundQuestion): boolean {
  return bound.question.caller.kind === 'agent' && listNamesBehindStatements(bound).length > 0;
}

/** @returns undefined where the deny stays with all approvals that there could be */
function assumeWhatLifts(trial: Trial, found: readonly StepOutcome[]): LiftingSteps | undefined {
  const { bound, facts } = trial;
  const elevation = findElevationStep(bound, facts);
  const nothing: AssumedAnswers = { permissions: false, user: false, elevation, emergency: false };
  // The outcomes are known already, unless the question presents an approval: what that gives is left out.
  const isJudged = facts.approval === undefined && elevation === undefined;
  if (isJudged && !found.every((outcome) => mayBeLifted(outcome, trial))) return undefined;
  let assumed: AssumedAnswers | undefined = nothing;
  let judged: AssumedJudgement = isJudged
    ? { outcomes: found.slice(-trial.steps.length), listPermissions: () => [] }
    : judgeAssuming(nothing, trial);
  while (!judged.outcomes.every((outcome) => isSettled(outcome, trial))) {
    assumed = assumeMore(assumed, judged.outcomes, trial);
    if (assumed === undefined) return undefined;
    judged = judgeAssuming(assumed, trial);
  }
  return listNeededSteps(assumed, judged, trial);
}

interface AssumedJudgement {
  readonly outcomes: readonly StepOutcome[];
  /** Lists the permissions whose holders were taken to have said yes, which takes asking Cedar once more. */
  readonly listPermissions: () => readonly string[];
}

function judgeAssuming(
  { permissions, user, elevation, emergency }: AssumedAnswers,
  { bound, facts: found, steps, setsAside }: Trial,
): AssumedJudgement {
  const onceMs = found.approvalMs ?? DEFAULT_ONCE_MS;
  const task = { steps: elevation === undefined ? [] : [elevation], ...(emergency ? { emergency: '' } : {}) };
  const end = findLatestEnd(task, 'once', bound.now, { onceMs, untilMaxMs: onceMs });
  const [at, until] = [bound.now.toISOString(), end.toISOString()];
  // The approvers aren't known yet.
  const seen = { by: '', approvers: [], approved_at: at, expires_at: until, emergency };
  const given: GivenAnswers = {
    user: user ? { at, until } : undefined,
    approval: permissions ? { permissions: 'any', seen } : undefined,
    setsAside,
  };
  const facts = elevation === undefined ? found : { ...found, check: assumeElevation(bound, found) };
  const assumedFacts = evaluateFacts(bound, facts, given);
  return {
    outcomes: steps.map(({ judge }) => judge(bound, assumedFacts)),
    listPermissions: () =>
      permissions
        ? (findRequiredPermissions(bound, evaluateFacts(bound, facts, { ...given, approval: undefined }), setsAside) ??
          [])
        : [],
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
  trial: Trial,
): AssumedAnswers | undefined {
  const { bound, setsAside } = trial;
  if (!outcomes.every((outcome) => mayBeLifted(outcome, trial))) return undefined;
  const reasons = outcomes.flatMap((outcome) => (outcome.outcome === 'deny' ? outcome.reasons : []));
  const forbids = listDenyingForbids(reasons, bound).filter((forbid) => !setsAside || !isLiftedBySignIn(forbid));
  const isConsentMissing = reasons.some(({ code }) => code === 'consent_required');
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
function listNeededSteps(assumed: AssumedAnswers, judged: AssumedJudgement, trial: Trial): LiftingSteps {
  const judge = (answers: AssumedAnswers): AssumedJudgement => judgeAssuming(answers, trial);
  const isEnough = ({ outcomes }: AssumedJudgement): boolean => outcomes.every((outcome) => isSettled(outcome, trial));
  const without = assumed.user ? judge({ ...assumed, user: false }) : undefined;
  const isUserNeeded = without !== undefined && !isEnough(without);
  const needed = (without === undefined || isUserNeeded ? judged : without).listPermissions();
  return {
    outcomes: judged.outcomes,
    steps: [
      ...needed.map((permission): ApprovalStep => ({ kind: 'permission', permission })),
      ...(isUserNeeded ? [{ kind: 'user' } as const] : []),
      ...(assumed.elevation === undefined ? [] : [assumed.elevation]),
    ],
    // Policies read whether it was one only of an approval.
    liftsInEmergency: () => needed.length === 0 || isEnough(judge({ ...assumed, user: isUserNeeded, emergency: true })),
  };
}
