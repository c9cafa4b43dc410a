/** Finds where a value that a policy reads comes from, and the changes that would give it another value. */
import { permissionSubject } from '../../model/acting.js';
import { formatRef, type EntityRef } from '../../model/ids.js';
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

/** @param policyPrincipal the principal that the policy was evaluated for */
export function findOrigin(
  path: AttributePath,
  policyPrincipal: EntityRef,
  { record, redecision }: ChangeEvaluation,
  literals: Literals,
): ValueOrigin {
  const bound = redecision.course.established;
  if (bound === undefined) return NO_ORIGIN;
  const { question, on, principalType, acting } = bound;
  const [root = '', ...rest] = path;
  const compared = literals.of(path.at(-1) ?? '');

  const storedChanges = (entity: EntityRef, members: RecordMembers): ProposedChange[] => {
    const attributes = record.facts.entities?.[formatRef(entity)]?.attributes ?? {};
    return memberValues(members, rest, attributes, compared, bound.now).flatMap((value): ProposedChange[] => {
      const [name = ''] = rest;
      const changed = replaceMember(attributes, rest, value)[name];
      return [{ kind: 'entity', entity, attributes: { [name]: changed ?? null } }];
    });
  };
  const requestChanges = (
    at: readonly string[],
    members: RecordMembers,
    names: AttributePath,
    current: Readonly<Record<string, unknown>>,
  ) =>
    memberValues(members, names, current, compared, bound.now).map((value): ProposedChange => ({
      kind: 'request',
      at: [...at, ...names],
      value,
    }));

  if (root === 'principal') return { changes: storedChanges(policyPrincipal, principalType.attributes), checks: [] };
  if (root === 'resource') {
    const { properties, ...resource } = question.resource;
    const attributes = record.facts.entities?.[formatRef(resource)]?.attributes ?? {};
    const { resourceType } = on;
    const stated = requestChanges(['resource', 'properties'], resourceType.attributes, rest, {
      ...attributes,
      ...properties,
    });
    return {
      changes: [...stated, ...storedChanges({ type: resource.type, id: resource.id }, resourceType.attributes)],
      checks: [],
    };
  }
  if (root !== 'context') return NO_ORIGIN;
  const [member = '', ...names] = rest;
  const type = on.action.context[member]?.type;
  const members = type?.kind === 'Record' ? type.members : {};
  const resource = { type: question.resource.type, id: question.resource.id };
  switch (member) {
    case 'action':
      return {
        changes: requestChanges(['action', 'properties'], members, names, question.action.properties),
        checks: [],
      };
    case 'request':
      return { changes: requestChanges(['context'], members, names, question.context), checks: [] };
    case 'can':
      return { changes: [], checks: [{ resource, permission: names[0] ?? '', subject: permissionSubject(acting) }] };
    case 'agent_can':
      return acting.agent === undefined
        ? NO_ORIGIN
        : { changes: [], checks: [{ resource, permission: names[0] ?? '', subject: acting.agent }] };
    case 'now':
      return { changes: nextHours(bound), checks: [] };
    case 'delegation':
      return { changes: delegationChanges(names[0] ?? '', bound, compared), checks: [] };
    default:
      return NO_ORIGIN;
  }
}

/** @returns values that the member at the path could have, and undefined where it can be left out */
function memberValues(
  members: RecordMembers,
  [name = '', ...rest]: AttributePath,
  attributes: Readonly<Record<string, unknown>>,
  literals: readonly Literal[],
  now: Date,
): unknown[] {
  const member = Object.hasOwn(members, name) ? members[name] : undefined;
  if (member === undefined) return [];
  const current = Object.hasOwn(attributes, name) ? attributes[name] : undefined;
  const type: CedarType = member.type;
  if (rest.length > 0) {
    const inner = typeof current === 'object' && current !== null ? (current as Record<string, unknown>) : {};
    return type.kind === 'Record' ? memberValues(type.members, rest, inner, literals, now) : [];
  }
  const values = alternativeValues(type, current, literals, now);
  return member.required || current === undefined ? values : [...values, undefined];
}

/** Proposes each of the next 24 full hours. */
function nextHours({ now }: BoundQuestion): ProposedChange[] {
  const next = Math.floor(now.getTime() / HOUR_MS) + 1;
  return Array.from({ length: 24 }, (_, i) => ({
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
