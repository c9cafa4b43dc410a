/** Finds where a value that a policy reads comes from, and the changes that would give it another value. */
import { permissionSubject } from '../../model/acting.js';
import { formatRef, type EntityRef } from '../../model/ids.js';
import type { RecordedFacts } from '../../model/decision.js';
import type { Check } from '../../model/relationships.js';
import type { CedarType, RecordMembers } from '../../policy/schema/types.js';
import type { BoundQuestion } from '../../decide/bound-question.js';
import type { AttributePath } from '../../records/explain/values.js';
import { replaceMember, type ProposedChange } from './change.js';
import type { ChangeEvaluation } from './change-evaluator.js';
import { literalTexts, type Literal, type Literals } from '../hypotheses/literals.js';
import { alternativeValues } from './alternative-values.js';

/** Changes that each give another value, and checks whose answer is the value. */
export interface ValueOrigin {
  readonly changes: readonly ProposedChange[];
  readonly checks: readonly Check[];
}

const HOUR_MS = 3_600_000;
const NO_ORIGIN: ValueOrigin = { changes: [], checks: [] };

interface OriginContext {
  readonly bound: BoundQuestion;
  readonly entities: RecordedFacts['entities'];
  /** Literals that policies compare the value with. */
  readonly literals: readonly Literal[];
}

/**
 * @param path the value's path, such as `resource.status`
 * @param policyPrincipal the principal that the policy was evaluated for
 */
export function findOrigin(
  path: AttributePath,
  policyPrincipal: EntityRef,
  { record, redecision }: ChangeEvaluation,
  literals: Literals,
): ValueOrigin {
  const bound = redecision.evaluation.bound;
  if (bound === undefined) return NO_ORIGIN;
  const [root, ...names] = path;
  const context = { bound, entities: record.facts.entities, literals: literals.of(path.at(-1) ?? '') };
  switch (root) {
    case 'principal':
      return { changes: storedChanges(context, policyPrincipal, bound.principalType.attributes, names), checks: [] };
    case 'resource':
      return { changes: resourceChanges(context, names), checks: [] };
    case 'context':
      return findContextOrigin(context, names);
    default:
      return NO_ORIGIN;
  }
}

/** Changes of a resource's attribute: the caller states it, or it is stored otherwise. */
function resourceChanges(context: OriginContext, names: AttributePath): ProposedChange[] {
  const { question, target } = context.bound;
  const { properties, ...resource } = question.resource;
  const { attributes } = target.resourceType;
  const current = { ...storedAttributes(context, resource), ...properties };
  return [
    ...requestChanges(context, ['resource', 'properties'], attributes, names, current),
    ...storedChanges(context, { type: resource.type, id: resource.id }, attributes, names),
  ];
}

function findContextOrigin(context: OriginContext, [member = '', ...names]: AttributePath): ValueOrigin {
  const { bound, literals } = context;
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
      return { changes: requestChanges(context, ['action', 'properties'], members, names, current), checks: [] };
    }
    case 'request':
      return { changes: requestChanges(context, ['context'], members, names, question.context), checks: [] };
    case 'can':
      return { changes: [], checks: [{ ...check, subject: permissionSubject(acting) }] };
    case 'agent_can':
      return acting.agent === undefined ? NO_ORIGIN : { changes: [], checks: [{ ...check, subject: acting.agent }] };
    case 'now':
      return { changes: nextHours(bound, 24), checks: [] };
    case 'local':
      return { changes: nextHours(bound, 7 * 24), checks: [] };
    case 'delegation':
      return { changes: delegationChanges(names[0] ?? '', bound, literals), checks: [] };
    default:
      return NO_ORIGIN;
  }
}

function storedAttributes({ entities }: OriginContext, entity: EntityRef): Readonly<Record<string, unknown>> {
  return entities?.[formatRef(entity)]?.attributes ?? {};
}

function storedChanges(
  context: OriginContext,
  entity: EntityRef,
  members: RecordMembers,
  names: AttributePath,
): ProposedChange[] {
  const attributes = storedAttributes(context, entity);
  return memberValues(members, names, attributes, context).map((value): ProposedChange => {
    const [name = ''] = names;
    const changed = replaceMember(attributes, names, value)[name];
    return { kind: 'entity', entity, attributes: { [name]: changed ?? null } };
  });
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

/** @returns values that the member at the path could have, and undefined where it can be left out */
function memberValues(
  members: RecordMembers,
  [name = '', ...rest]: AttributePath,
  attributes: Readonly<Record<string, unknown>>,
  context: OriginContext,
): unknown[] {
  const member = Object.hasOwn(members, name) ? members[name] : undefined;
  if (member === undefined) return [];
  const current = Object.hasOwn(attributes, name) ? attributes[name] : undefined;
  const type: CedarType = member.type;
  if (rest.length > 0) {
    const inner = typeof current === 'object' && current !== null ? (current as Record<string, unknown>) : {};
    return type.kind === 'Record' ? memberValues(type.members, rest, inner, context) : [];
  }
  const values = alternativeValues(type, current, context.literals, context.bound.now);
  return member.required || current === undefined ? values : [...values, undefined];
}

/** Proposes each of the next full hours. */
function nextHours({ now }: BoundQuestion, count: number): ProposedChange[] {
  const next = Math.floor(now.getTime() / HOUR_MS) + 1;
  return Array.from({ length: count }, (_, i) => ({
    kind: 'time' as const,
    at: new Date((next + i) * HOUR_MS).toISOString(),
  }));
}

function delegationChanges(member: string, { acting }: BoundQuestion, literals: readonly Literal[]): ProposedChange[] {
  if (acting.grant === undefined) return [];
  const texts = literalTexts(literals);
  switch (member) {
    case 'depth':
      return shorterChains(acting.chain.map(({ id }) => id));
    case 'scopes':
      return texts.map((scope) => ({ kind: 'token', scopes: [scope] }));
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
