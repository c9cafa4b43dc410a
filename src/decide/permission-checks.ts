/** The permissions that a decision checks in the graph: the gate, and those that the action's context type names. */
import { permissionSubject, type AuthorizationDetail } from '../model/acting.js';
import type { CheckRequest } from '../model/checks.js';
import type { EntityRef } from '../model/ids.js';
import { readCaveatValue } from '../graph/schema/caveat-values.js';
import type { Rules } from '../policy/load.js';
import type { Question } from '../model/question.js';
import type { Action } from '../policy/schema/action.js';
import { memoizeByObject } from '../runtime/memoize.js';
import { DELEGATOR_RELATION } from '../policy/schema/vocabulary.js';
import { listDetailPermissions } from '../tokens/authorization-details.js';
import type { BoundQuestion, CoveredQuestion } from './bound-question.js';

/** The gate: the check of the action's permission, without which the resource is out of reach. */
export function buildGateCheck({ acting, target, question }: BoundQuestion): CheckRequest {
  return {
    resource: toResourceRef(question),
    permission: target.action.permission,
    subject: permissionSubject(acting),
    explain: question.explain,
  };
}

/** The checks of `context.can`, for the gate's subject. */
export function buildCanChecks({ target, acting, question }: BoundQuestion): CheckRequest[] {
  const subject = permissionSubject(acting);
  return target.action.can.map((permission) => ({ resource: toResourceRef(question), permission, subject }));
}

/** The checks of `context.agent_can`, for the agent; none outside delegated mode. */
export function buildAgentCanChecks({ target, acting, question }: BoundQuestion): CheckRequest[] {
  if (acting.mode !== 'delegated') return [];
  const subject = acting.agent;
  return target.action.agentCan.map((permission) => ({ resource: toResourceRef(question), permission, subject }));
}

/** The checks of the permissions by which details name resources of the question's type, for the gate's subject. */
export function buildDetailChecks(
  bound: CoveredQuestion,
  details: readonly AuthorizationDetail[] = [],
): CheckRequest[] {
  const { acting, question, rules } = bound;
  const resource = toResourceRef(question);
  return listHeldPermissions(details, question, rules).map((permission) =>
    withCaveatContext(bound, { resource, permission, subject: permissionSubject(acting) }),
  );
}

/** The resource without its properties. */
export function toResourceRef({ resource }: Pick<Question, 'resource'>): EntityRef {
  return { type: resource.type, id: resource.id };
}

/** The check, with the part of the request's context that its caveats can ask for. */
export function withCaveatContext(
  { question, rules }: Pick<CoveredQuestion, 'question' | 'rules'>,
  check: CheckRequest,
): CheckRequest {
  const context = selectCaveatContext(question, rules, check.resource.type, check.permission);
  return context === undefined ? check : { ...check, context };
}

/**
 * The members of the request's context that caveats on the way to the permission can ask for; undefined for none.
 * @throws BadRequest where one that is to be an address is none
 */
export function selectCaveatContext(
  { context }: Pick<Question, 'context'>,
  { graph }: Pick<Rules, 'graph'>,
  type: string,
  permission: string,
): Readonly<Record<string, unknown>> | undefined {
  const parameters = graph.reachability.caveatParameters(type, permission);
  if (parameters.size === 0) return undefined;
  const members = [...parameters].filter(([name]) => Object.hasOwn(context, name));
  return members.length === 0
    ? undefined
    : Object.fromEntries(
        members.map(([name, types]) => [name, readCaveatValue(types, context[name], `context.${name}`)]),
      );
}

/** Reads what the question's caveats can ask for, before anything is asked. @throws BadRequest as selectCaveatContext does */
export function checkCaveatContext(bound: BoundQuestion): void {
  const { question, rules, acting } = bound;
  for (const permission of listResourcePermissions(bound))
    selectCaveatContext(question, rules, question.resource.type, permission);
  if (acting.mode === 'delegated') selectCaveatContext(question, rules, acting.agent.type, DELEGATOR_RELATION);
}

/** The names of all that caveats on the way to the question's permissions can ask for. */
export function listCaveatNames(bound: BoundQuestion): string[] {
  const { question, rules, acting } = bound;
  const listNames = (type: string, permission: string): string[] => [
    ...rules.graph.reachability.caveatParameters(type, permission).keys(),
  ];
  return [
    ...listResourcePermissions(bound).flatMap((permission) => listNames(question.resource.type, permission)),
    ...(acting.mode === 'delegated' ? listNames(acting.agent.type, DELEGATOR_RELATION) : []),
  ];
}

/** Every permission on the resource that the question checks: the action's, and those that details name. */
function listResourcePermissions({ acting, target, question, rules }: BoundQuestion): readonly string[] {
  const ofAction =
    acting.mode === 'delegated' ? listDelegatedPermissions(target.action) : listOwnPermissions(target.action);
  const ofDetails = listHeldPermissions(acting.grant?.details ?? [], question, rules);
  return ofDetails.length === 0 ? ofAction : [...ofAction, ...ofDetails];
}

/** The permissions by which details name resources of the question's type, and which the graph has. */
function listHeldPermissions(
  details: readonly AuthorizationDetail[],
  { resource }: Pick<Question, 'resource'>,
  { graph }: Pick<Rules, 'graph'>,
): readonly string[] {
  return details.length === 0
    ? []
    : listDetailPermissions(details, resource.type).filter((permission) => graph.hasMember(resource.type, permission));
}

const listOwnPermissions = memoizeByObject(({ permission, can, agentPermission }: Action): readonly string[] =>
  [permission, can, agentPermission ?? []].flat(),
);
const listDelegatedPermissions = memoizeByObject((action: Action): readonly string[] => [
  ...listOwnPermissions(action),
  ...action.agentCan,
]);
