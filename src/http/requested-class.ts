/**
 * Reads the class of questions that an access request asks for, in place of the one that was denied: details, of which one covers
 * that question. An approval of it is good for every question that they cover.
 */
import { checkRequestedDetails } from '../govern/requested-details.js';
import type { AuthorizationDetail } from '../model/acting.js';
import type { CheckAnswer } from '../model/checks.js';
import { BadRequest } from '../model/faults.js';
import type { Caller } from '../model/question.js';
import type { Service } from '../service/service.js';
import { checkDetailsCoverage, listDetailPermissions, listDetailResources } from '../tokens/authorization-details.js';
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
  { record, user, agent }: RequestableDenial,
  { question }: RequestedItem,
  details: readonly AuthorizationDetail[],
): Promise<string | undefined> {
  const { rules } = service.activePolicies;
  const { type, id } = question.resource;
  const subject = user ?? agent;
  const permissions = listDetailPermissions(details, type).filter((permission) =>
    rules.graph.hasMember(type, permission),
  );
  const checks = permissions.flatMap((permission) =>
    subject === undefined ? [] : [{ resource: { type, id }, permission, subject }],
  );
  const answers =
    checks.length === 0
      ? []
      : await askApproverGraph(service, service.deadlineMs, ({ graph }, deadline) =>
          deadline.race(graph.check(checks)),
        );
  const held = new Map<string, CheckAnswer | undefined>(checks.map(({ permission }, i) => [permission, answers[i]]));
  const audience = caller.kind === 'client' ? caller.client.audience : undefined;
  const token = record.facts?.credential;
  const grant = token !== undefined && 'ok' in token && token.ok ? token.token : undefined;
  const stated = question.context;
  return checkDetailsCoverage(
    details,
    {
      action: question.action.name,
      permission: rules.vocabulary.find(question.action.name, type)?.action.permission ?? '',
      resource: { type, id },
      isDefinition: (word) => rules.graph.hasDefinition(word),
      locations: audience === undefined ? [] : [audience],
      types: [],
      attributes: { action: question.action.properties, context: stated, resource: question.resource.properties },
      findHolding: (permission) => held.get(permission),
      purpose: Object.hasOwn(stated, 'purpose') ? stated['purpose'] : grant?.purpose,
      access: grant?.access ?? 'online',
    },
    'details',
  ).problem;
}
