/**
 * Holds a question against the class of questions that an approval was given for: it is asked by the same parties, and one of the
 * details covers it.
 */
import { REMIT_DETAIL_TYPE, type AuthorizationDetail } from '../model/acting.js';
import type { ApprovalBinding } from '../model/approvals.js';
import type { CheckAnswer, CheckRequest } from '../model/checks.js';
import type { FaultCode } from '../model/faults.js';
import type { GraphSnapshot } from '../graph/snapshot.js';
import { engineFaultCode, type Deadline } from '../runtime/deadline.js';
import { checkDetailsCoverage, type DetailsCoverage } from '../tokens/authorization-details.js';
import { findPartyDifference } from './approval-binding.js';
import type { BoundQuestion, CoveredQuestion } from './bound-question.js';
import { buildCoverageRequest } from './coverage-request.js';
import { buildDetailChecks } from './permission-checks.js';

/** The place at which a question differs that is none of the class. */
export const CLASS_PLACE = 'details';

/**
 * @param asked the binding of the question
 * @returns the place at which it differs; undefined where it is one of the class; or the fault for which that can't be told
 */
export async function findClassDifference(
  bound: BoundQuestion,
  approved: { readonly binding: ApprovalBinding; readonly details: readonly AuthorizationDetail[] },
  asked: ApprovalBinding,
  graph: Pick<GraphSnapshot, 'check'>,
  deadline: Deadline,
): Promise<string | undefined | { readonly fault: FaultCode }> {
  const difference = findPartyDifference(approved.binding, asked);
  if (difference !== undefined) return difference;
  try {
    const details = approved.details.filter(({ type }) => type === REMIT_DETAIL_TYPE);
    const { problem, fault } = await checkClassCoverage(bound, details, graph, deadline);
    if (problem === undefined) return undefined;
    return fault === undefined ? CLASS_PLACE : { fault };
  } catch (error) {
    return { fault: engineFaultCode(error) };
  }
}

/** Whether one of the details covers the question, as the graph is. @throws Fault */
export async function checkClassCoverage(
  question: CoveredQuestion,
  details: readonly AuthorizationDetail[],
  graph: Pick<GraphSnapshot, 'check'>,
  deadline: Deadline,
): Promise<DetailsCoverage> {
  const checks = buildDetailChecks(question, details);
  const answers = await deadline.race(graph.check(checks));
  const held = new Map(checks.map(({ permission }, i) => [permission, answers[i]]));
  const check = ({ permission }: Pick<CheckRequest, 'permission'>): CheckAnswer =>
    held.get(permission) ?? { result: 'unknown', fault: 'relationships_unavailable' };
  return checkDetailsCoverage(details, buildCoverageRequest(question, { check }), CLASS_PLACE);
}
