/** Proposes other values of what is stored: of an entity of the question, and of those that references lead to. */
import type { RecordedFacts } from '../../model/decision.js';
import { formatRef, type EntityRef } from '../../model/ids.js';
import { toStoredRef } from '../../policy/cedar-request.js';
import { readReference, type CedarType, type RecordMembers } from '../../policy/schema/types.js';
import type { EntityUid } from '../../policy/schema/uid.js';
import type { BoundQuestion } from '../../decide/bound-question.js';
import type { AttributePath } from '../../records/explain/values.js';
import type { Literal } from '../hypotheses/literals.js';
import { alternativeValues } from './alternative-values.js';
import { replaceMember, type ProposedChange } from './change.js';

type MemberValues = Readonly<Record<string, unknown>>;

export interface OriginContext {
  readonly bound: BoundQuestion;
  readonly entities: RecordedFacts['entities'];
  /** Literals that policies compare the value with. */
  readonly literals: readonly Literal[];
}

/** Changes of what is at the path, of the entity itself or behind its references. @param type the entity's Cedar type */
export function storedChanges(
  context: OriginContext,
  entity: EntityRef,
  type: string,
  names: AttributePath,
): ProposedChange[] {
  const members = context.bound.rules.vocabulary.entityTypes.get(type)?.attributes ?? {};
  return [
    ...changeAttribute(context, entity, members, names),
    ...changeReferenced(context, members, names, storedAttributes(context, entity)),
  ];
}

export function changeAttribute(
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

/** Changes of what is stored behind the first reference on the path. A path is as finite as the policy that has it. */
export function changeReferenced(
  context: OriginContext,
  members: RecordMembers,
  [name = '', ...rest]: AttributePath,
  values: MemberValues,
): ProposedChange[] {
  const type = Object.hasOwn(members, name) ? members[name]?.type : undefined;
  const value = Object.hasOwn(values, name) ? values[name] : undefined;
  if (rest.length === 0 || type === undefined || value === undefined) return [];
  if (type.kind === 'Record') return changeReferenced(context, type.members, rest, asValues(value));
  const { vocabulary } = context.bound.rules;
  const uid = type.kind === 'Entity' ? readReference(type.name, value, vocabulary.objectOf) : undefined;
  return uid === undefined ? [] : changeNamed(context, uid, rest);
}

/** Changes of what is stored of an entity that a policy names. */
export function changeNamed(context: OriginContext, uid: EntityUid, names: AttributePath): ProposedChange[] {
  return storedChanges(context, toStoredRef(uid, context.bound.rules.vocabulary), uid.type, names);
}

export function storedAttributes({ entities }: OriginContext, entity: EntityRef): MemberValues {
  return entities?.[formatRef(entity)]?.attributes ?? {};
}

/** @returns values that the member at the path could have, and undefined where it can be left out */
export function memberValues(
  members: RecordMembers,
  [name = '', ...rest]: AttributePath,
  attributes: MemberValues,
  context: OriginContext,
): unknown[] {
  const member = Object.hasOwn(members, name) ? members[name] : undefined;
  if (member === undefined) return [];
  const current = Object.hasOwn(attributes, name) ? attributes[name] : undefined;
  const type: CedarType = member.type;
  if (rest.length > 0) {
    return type.kind === 'Record' ? memberValues(type.members, rest, asValues(current), context) : [];
  }
  const values = alternativeValues(type, current, context.literals, context.bound.now);
  return member.required || current === undefined ? values : [...values, undefined];
}

function asValues(value: unknown): MemberValues {
  return typeof value === 'object' && value !== null ? (value as MemberValues) : {};
}
