/** Finds where a value that a policy reads comes from, and the changes that would give it another value. */
import { permissionSubject } from '../../model/acting.js';
import type { ReplayableRecord } from '../../model/decision.js';
import type { EntityRef } from '../../model/ids.js';
import type { Check } from '../../model/relationships.js';
import type { RecordMembers } from '../../policy/schema/types.js';
import type { EntityUid } from '../../policy/schema/uid.js';
import type { BoundQuestion } from '../../decide/bound-question.js';
import type { AttributePath } from '../../records/explain/values.js';
import type { ProposedChange } from './change.js';
import type { ChangeEvaluation } from './change-evaluator.js';
import { approvalCandidates } from './people-candidates.js';
import { literalTexts, type Literals } from '../hypotheses/literals.js';
import { HOUR_MS } from '../hypotheses/values.js';
import {
  changeAttribute,
  changeNamed,
  changeReferenced,
  memberValues,
  storedAttributes,
  storedChanges,
  type OriginContext,
} from './stored-values.js';

/** Changes that each give another value, and checks whose answer is the value. */
export interface ValueOrigin {
  readonly changes: readonly ProposedChange[];
  readonly checks: readonly Check[];
}

interface PolicyOriginContext extends OriginContext {
  readonly record: ReplayableRecord;
  /** The scopes that the policy itself names. */
  readonly scopes: readonly string[];
}

const NO_ORIGIN: ValueOrigin = { changes: [], checks: [] };

/**
 * @param path the value's path, such as `resource.status`
 * @param policyPrincipal the principal that the policy was evaluated for
 * @param scopes those that the policy names
 */
export function findOrigin(
  path: AttributePath,
  policyPrincipal: EntityRef,
  { record, redecision }: ChangeEvaluation,
  { literals, scopes }: { readonly literals: Literals; readonly scopes: readonly string[] },
): ValueOrigin {
  const bound = redecision.evaluation.bound;
  if (bound === undefined) return NO_ORIGIN;
  const [root, ...names] = path;
  const context = { bound, entities: record.facts.entities, literals: literals.of(path.at(-1) ?? '') };
  switch (root) {
    case 'principal':
      return { changes: storedChanges(context, policyPrincipal, bound.principalType.name, names), checks: [] };
    case 'resource':
      return { changes: resourceChanges(context, names), checks: [] };
    case 'context':
      return findContextOrigin({ ...context, scopes, record }, names);
    default:
      return NO_ORIGIN;
  }
}

/** Finds changes of what a policy reads of an entity that it names itself, as in `Team::"all".locked`. */
export function findNamedOrigin(
  { uid, names }: { readonly uid: EntityUid; readonly names: AttributePath },
  { record, redecision }: ChangeEvaluation,
  literals: Literals,
): ValueOrigin {
  const { bound } = redecision.evaluation;
  if (bound === undefined) return NO_ORIGIN;
  const context = { bound, entities: record.facts.entities, literals: literals.of(names.at(-1) ?? '') };
  return { changes: changeNamed(context, uid, names), checks: [] };
}

/** Changes of a resource's attribute: the caller states it, or it is stored otherwise. */
function resourceChanges(context: OriginContext, names: AttributePath): ProposedChange[] {
  const { question, target } = context.bound;
  const { properties, ...resource } = question.resource;
  const { attributes } = target.resourceType;
  const current = { ...storedAttributes(context, resource), ...properties };
  return [
    ...requestChanges(context, ['resource', 'properties'], attributes, names, current),
    ...changeAttribute(context, { type: resource.type, id: resource.id }, attributes, names),
    ...changeReferenced(context, attributes, names, current),
  ];
}

function findContextOrigin(context: PolicyOriginContext, [member = '', ...names]: AttributePath): ValueOrigin {
  const { bound } = context;
  const { question, target, acting } = bound;
  const type = target.action.context[member]?.type;
  const members = type?.kind === 'Record' ? type.members : {};
  const check = {
    resource: { type: question.resource.type, id: question.resource.id },
    permission: names[0] ?? '',
  };
  switch (member) {
    case 'action': {
      const current = question.action.properties;
      const changes = requestChanges(context, ['action', 'properties'], members, names, current);
      return { changes: [...changes, ...changeReferenced(context, members, names, current)], checks: [] };
    }
    case 'request': {
      const changes = requestChanges(context, ['context'], members, names, question.context);
      return { changes: [...changes, ...changeReferenced(context, members, names, question.context)], checks: [] };
    }
    case 'user':
      return acting.user === undefined || type?.kind !== 'Entity'
        ? NO_ORIGIN
        : { changes: storedChanges(context, acting.user, type.name, names), checks: [] };
    case 'can':
      return { changes: [], checks: [{ ...check, subject: permissionSubject(acting) }] };
    case 'agent_can':
      return acting.agent === undefined ? NO_ORIGIN : { changes: [], checks: [{ ...check, subject: acting.agent }] };
    case 'now':
      return { changes: nextHours(bound, 24), checks: [] };
    case 'local':
      return { changes: nextHours(bound, 7 * 24), checks: [] };
    case 'delegation':
      return { changes: delegationChanges(names[0] ?? '', context), checks: [] };
    case 'approval':
    case 'consent':
      // The user's own yes is an approval that the question presents as well.
      return { changes: approvalCandidates(context).flat(), checks: [] };
    default:
      return NO_ORIGIN;
  }
}

/** @param at the place in the request where the member is stated */
function requestChanges(
  context: OriginContext,
  at: readonly string[],
  members: RecordMembers,
  names: AttributePath,
  current: Readonly<Record<string, unknown>>,
): ProposedChange[] {
  return memberValues(members, names, current, context).map((value): ProposedChange => ({
    kind: 'request',
    at: [...at, ...names],
    value,
  }));
}

/** Proposes each of the next full hours. */
function nextHours({ now }: BoundQuestion, count: number): ProposedChange[] {
  const next = Math.floor(now.getTime() / HOUR_MS) + 1;
  return Array.from({ length: count }, (_, i) => ({
    kind: 'time' as const,
    at: new Date((next + i) * HOUR_MS).toISOString(),
  }));
}

function delegationChanges(
  member: string,
  { bound: { acting }, literals, scopes: policyScopes }: PolicyOriginContext,
): ProposedChange[] {
  if (acting.grant === undefined) return [];
  const texts = literalTexts(literals);
  switch (member) {
    case 'depth':
      return shorterChains(acting.chain.map(({ id }) => id));
    case 'scopes':
      // Where a policy asks for several, one alone does nothing.
      return [...texts.map((scope) => [scope]), ...(policyScopes.length > 1 ? [policyScopes] : [])].map((scopes) => ({
        kind: 'token',
        scopes,
      }));
    case 'purpose':
      return [...texts, null].map((purpose) => ({ kind: 'token', purpose }));
    case 'access':
      return [{ kind: 'token', access: acting.grant.access === 'online' ? 'background' : 'online' }];
    default:
      return [];
  }
}

/** Proposes the chain without each one of its agents, and without any. */
export function shorterChains(chain: readonly string[]): ProposedChange[] {
  const without = chain.map((_, i) => chain.filter((__, k) => k !== i));
  return [...without, ...(chain.length > 1 ? [[]] : [])].map((remaining) => ({ kind: 'token', chain: remaining }));
}
