/**
 * Reads the class of questions that an access request asks for, in place of the one that was denied: details, of which one covers
 * that question. An approval of it is good for every question that they cover.
 */
import { checkClassCoverage } from '../decide/approved-class.js';
import { restoreCoveredQuestion } from '../decide/denied-coverage.js';
import { checkRequestedDetails } from '../govern/requested-details.js';
import type { AuthorizationDetail } from '../model/acting.js';
import { BadRequest, Fault } from '../model/faults.js';
import type { Caller } from '../model/question.js';
import type { Service } from '../service/service.js';
import { listDetailResources } from '../tokens/authorization-details.js';
import { askApproverGraph } from './approver-graph.js';
import type { RequestableDenial } from './denied-question.js';
import { joinItemPlace, type RequestedItem } from './requested-questions.js';

/** @returns undefined where it asks for the one question @throws BadRequest, Fault */
export async function readRequestedClass(
  service: Pick<Service, 'activePolicies' | 'config' | 'deadlineMs'>,
  caller: Caller,
  denial: RequestableDenial,
  item: RequestedItem,
): Promise<readonly AuthorizationDetail[] | undefined> {
  const { details, emergency = false } = item.requested;
  if (details === undefined) return undefined;
  const place = joinItemPlace(item.at, 'requested_access.details');
  if (emergency) throw new BadRequest('can not be asked for in an emergency, which is for one question', place);
  // The user is asked each time, and a right is given on one resource.
  if (denial.offer.steps.some(({ kind }) => kind !== 'permission'))
    throw new BadRequest(
      'is for questions that need the approval of those who hold a permission, and nothing else: this one needs the user’s own yes, or a right for a while',
      place,
    );
  checkRequestedDetails(details, service.activePolicies.rules, place);
  for (const [i, detail] of details.entries()) {
    if (listDetailResources(detail).length === 0)
      throw new BadRequest('is required: the resources that it is about', `${place}[${i}].resources`);
    if (caller.kind === 'agent') requireActionConstraints(detail, `${place}[${i}].constraints`);
  }
  const problem = await findUncovered(service, caller, denial, item, details);
  if (problem !== undefined) throw new BadRequest(`must cover the question that was denied: ${problem}`, place);
  return details;
}

/** An agent that asks for itself proves nothing by its statements, but for those of its own action. */
function requireActionConstraints({ constraints = {} }: AuthorizationDetail, place: string): void {
  const other = Object.keys(constraints).find((name) => !name.startsWith('action.'));
  if (other !== undefined)
    throw new BadRequest(
      'must be of the action, "action.amount": what else an agent states of its own question proves nothing',
      `${place}.${other}`,
    );
}

/** @returns why no detail covers the denied question; undefined where one does @throws Fault */
async function findUncovered(
  service: Pick<Service, 'activePolicies' | 'config' | 'deadlineMs'>,
  caller: Caller,
  { record }: RequestableDenial,
  { question }: RequestedItem,
  details: readonly AuthorizationDetail[],
): Promise<string | undefined> {
  const covered = restoreCoveredQuestion(record, caller, question, service.activePolicies.rules);
  if (covered === undefined) return 'no action of the rules is it any more';
  const { problem, fault } = await askApproverGraph(service, service.deadlineMs, ({ graph }, deadline) =>
    checkClassCoverage(covered, details, graph, deadline),
  );
  if (fault !== undefined) throw new Fault(fault);
  return problem;
}
