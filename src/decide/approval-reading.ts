/** Reads the approval that a question presents: what the store has of it, and whether its approvers may still give it. */
import { isTaskUser } from '../govern/approvals/answerable-steps.js';
import { findIneligibility, type ApproverRules, type EligibilityDeps } from '../govern/approvals/eligibility.js';
import { findStepPermission } from '../govern/approvals/task-progress.js';
import type { Approval, ApprovalAnswer, ApprovalReading, IneligibleAnswer } from '../model/approvals.js';
import type { FaultCode } from '../model/faults.js';
import type { Deadline } from '../runtime/deadline.js';
import { findClassDifference } from './approved-class.js';
import { bindApproval, findBindingDifference } from './approval-binding.js';
import type { BoundQuestion } from './bound-question.js';
import { fetchNeeded, type AnswerDeps, type EngineAnswers } from './engine-answers.js';
import { toResourceRef } from './permission-checks.js';
import type { Facts } from './step.js';

/** Never throws for an engine's failure: that is in the reading. */
export async function readApproval(
  bound: BoundQuestion,
  facts: Pick<Facts, 'needs' | 'delegation' | 'delegationsFault' | 'consents'>,
  { approvals, graph }: Pick<EngineAnswers, 'approvals' | 'graph'>,
  approverRules: ApproverRules,
  deadline: Deadline,
): Promise<ApprovalReading | undefined> {
  const id = bound.question.approval?.id;
  if (id === undefined) return undefined;
  if (typeof approvals === 'string') return { id, fault: approvals };
  const approval = approvals.get(id);
  if (approval === undefined) return { id, ineligible: [] };
  const { binding, details, steps } = approval;
  const asked = bindApproval(bound, facts, steps, binding);
  const difference =
    details === undefined
      ? findBindingDifference(binding, asked)
      : await findClassDifference(bound, { binding, details }, asked, graph, deadline);
  if (typeof difference === 'object') return { id, fault: difference.fault };
  // Another caller's approval doesn't go on record.
  if (difference === 'client') return { id, difference, ineligible: [] };
  if (difference !== undefined || approval.state !== 'approved') return { id, approval, difference, ineligible: [] };
  const deps = { graph, rules: bound.rules, ...approverRules };
  const judged = await Promise.all(approval.answers.map((answer) => judgeAnswer(bound, approval, answer, deps, deadline))); // prettier-ignore
  const fault = judged.find((result) => typeof result === 'string');
  if (fault !== undefined) return { id, fault };
  return { id, approval, ineligible: judged.flatMap((result) => (typeof result === 'object' ? [result] : [])) };
}

/** Reads the approval again, which may have been used or ended meanwhile. Its question and its approvers are what they were. */
export async function renewReading(
  { question }: BoundQuestion,
  reading: ApprovalReading | undefined,
  deps: Pick<AnswerDeps, 'approvals'>,
  deadline: Deadline,
): Promise<ApprovalReading | undefined> {
  if (reading === undefined || 'fault' in reading || question.approval === undefined) return reading;
  const approvals = await fetchNeeded([question.approval], deps.approvals, deadline);
  if (typeof approvals === 'string') return { id: reading.id, fault: approvals };
  return { ...reading, approval: approvals.get(reading.id) };
}

/** @returns undefined where the approver may give the answer */
async function judgeAnswer(
  { question, acting }: BoundQuestion,
  { steps, emergency }: Approval,
  { step: index, by }: ApprovalAnswer,
  deps: EligibilityDeps,
  deadline: Deadline,
): Promise<IneligibleAnswer | FaultCode | undefined> {
  const step = steps[index];
  if (step === undefined) return { step: index, by, why: 'unknown_step' };
  const permission = findStepPermission(step, { emergency });
  if (permission === undefined) return isTaskUser(acting, by) ? undefined : { step: index, by, why: 'not_the_user' };
  const asked = { resource: toResourceRef(question), permission, approver: by, requester: acting };
  const found = await findIneligibility(asked, deps, deadline);
  if ('fault' in found) return found.fault;
  return found.eligible ? undefined : { step: index, by, why: found.why };
}
