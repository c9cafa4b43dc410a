/** The approval of a question: what was read of the one that it presents, and what that gives the steps. */
import { judgeApproval, type ApprovalFinding, type GoodApproval } from '../govern/approvals/judge.js';
import { findEarlierUser } from '../govern/limits/retry-key.js';
import type { ApprovalStep } from '../model/approvals.js';
import { describeRef } from '../model/ids.js';
import { dependsOnRequest, type Reason } from '../model/reasons.js';
import { hasPeopleRemedy, hasRemedy, type Policy } from '../policy/policies.js';
import type { PolicyApproval } from '../policy/cedar-request-facts.js';
import type { BoundQuestion } from './bound-question.js';
import type { UserAnswer } from './consent-facts.js';
import { judgePolicies, type PolicyFacts } from './steps/policy.js';
import type { Facts } from './step.js';

/** The yes that people have said to a question, as far as steps and policies are given it. */
export interface GivenAnswers {
  /** The user's yes to this very question. */
  readonly user?: UserAnswer | undefined;
  /** The permissions by whose holders it is approved, and what policies read of that; undefined where it isn't. */
  readonly approval?: { readonly permissions: ReadonlySet<string> | 'any'; readonly seen: PolicyApproval } | undefined;
  /** Whether they are tried beside what else the question lacks: what people can't give doesn't keep policies from being given them. */
  readonly setsAside?: boolean | undefined;
}

/** Whether a forbid is lifted by a stronger sign-in and by no yes of people: a trial of their yes sets it aside. */
export function isLiftedBySignIn(forbid: Policy): boolean {
  return hasRemedy(forbid, 'step_up') && !hasPeopleRemedy(forbid);
}

/** Judges the approval that the question presents; undefined where it presents none. */
export function findQuestionApproval(
  { now }: BoundQuestion,
  { approvalReading, limits }: Pick<Facts, 'approvalReading' | 'limits'>,
): ApprovalFinding | undefined {
  if (approvalReading === undefined) return undefined;
  const retry = limits !== undefined && !('fault' in limits) ? limits.retry : undefined;
  return judgeApproval(approvalReading, now, findEarlierUser(retry));
}

export function listGivenAnswers(finding: ApprovalFinding | undefined): GivenAnswers {
  if (finding?.kind !== 'good') return {};
  const { approval } = finding;
  const permissions = new Set(listPermissions(approval.steps));
  return {
    user: findUserAnswer(approval),
    ...(permissions.size === 0 ? {} : { approval: { permissions, seen: describeApproval(approval) } }),
  };
}

function findUserAnswer({ steps, answers, approved_until: until }: GoodApproval): UserAnswer | undefined {
  const answer = answers.find(({ step }) => steps[step]?.kind === 'user');
  return answer === undefined ? undefined : { at: answer.at, until };
}

/** The permissions that the steps ask approvers for. */
function listPermissions(steps: readonly ApprovalStep[]): string[] {
  return steps.flatMap((step) => (step.kind === 'permission' ? [step.permission] : []));
}

function describeApproval({ steps, answers, approved_until, emergency }: GoodApproval): PolicyApproval {
  const ofPermissions = answers
    .filter(({ step }) => steps[step]?.kind === 'permission')
    .sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  const last = ofPermissions.at(-1);
  return {
    by: last === undefined ? '' : describeRef(last.by),
    approvers: [...new Set(ofPermissions.map(({ by }) => describeRef(by)))],
    approved_at: last?.at ?? approved_until,
    expires_at: approved_until,
    emergency: emergency !== undefined,
  };
}

/**
 * Whether each forbid that denies names a remedy that another yes can be.
 * @param facts with Cedar's answers as they are without one
 */
export function areAllLiftable(bound: BoundQuestion, facts: PolicyFacts, setsAside = false): boolean {
  const outcome = judgePolicies(bound, facts);
  if (outcome.outcome !== 'deny') return true;
  const forbids = listDenyingForbids(outcome.reasons, bound);
  return forbids.every((forbid) => hasPeopleRemedy(forbid) || (setsAside && isLiftedBySignIn(forbid)));
}

/** The forbids that deny; none where the reasons are others. */
export function listDenyingForbids(
  reasons: readonly Pick<Reason, 'code' | 'policies'>[],
  { rules }: BoundQuestion,
): Policy[] {
  const ofForbids = reasons.filter(({ code }) => code === 'policy_forbid');
  return ofForbids.flatMap(({ policies = [] }) => policies.flatMap((id) => rules.policies.get(id) ?? []));
}

/**
 * The approval that policies are given: where every forbid that denies without it says whose approval lifts it, and all of
 * them have given theirs. One that doesn't say so stays, whatever its condition reads.
 * @param facts with Cedar's answers as they are without an approval
 */
export function selectPolicyApproval(
  { approval, setsAside }: GivenAnswers,
  bound: BoundQuestion,
  facts: PolicyFacts,
): PolicyApproval | undefined {
  if (approval === undefined) return undefined;
  const required = findRequiredPermissions(bound, facts, setsAside);
  if (required === undefined || required.length === 0) return undefined;
  const { permissions, seen } = approval;
  return permissions === 'any' || required.every((permission) => permissions.has(permission)) ? seen : undefined;
}

/**
 * The permissions whose holders' approval the denying forbids ask for, in order; undefined where the policies deny for
 * anything else as well, none where they don't deny.
 * @param facts with Cedar's answers as they are without an approval
 * @param setsAside leaves out what only the request or a stronger sign-in can supply
 */
export function findRequiredPermissions(
  bound: BoundQuestion,
  facts: PolicyFacts,
  setsAside = false,
): string[] | undefined {
  const outcome = judgePolicies(bound, facts);
  if (outcome.outcome === 'pass') return [];
  if (outcome.outcome === 'unknown') return undefined;
  const others = outcome.reasons.filter(({ code }) => code !== 'policy_forbid');
  if (others.some((other) => !setsAside || !dependsOnRequest(other))) return undefined;
  const forbids = listDenyingForbids(outcome.reasons, bound).filter((f) => !setsAside || !isLiftedBySignIn(f));
  const permissions = forbids.map(({ remedies }) =>
    remedies.flatMap((remedy) => (remedy.type === 'approval' ? [remedy.permission] : [])),
  );
  return permissions.some((named) => named.length === 0) ? undefined : [...new Set(permissions.flat())].sort();
}
