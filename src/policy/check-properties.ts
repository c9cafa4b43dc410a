/** Checks what a request states against the types that the Cedar schema declares; the binding step does it before any lookup. */
import type { Properties } from '../model/question.js';
import type { CedarRequestFacts } from './cedar-request-facts.js';
import type { EntityType } from './schema/action.js';
import { memoizeByObject } from '../runtime/memoize.js';
import {
  getStatedMember,
  listDeclaredMembers,
  toCedarValue,
  type CedarType,
  type RecordMembers,
} from './schema/types.js';
import type { Vocabulary } from './schema/vocabulary.js';

/**
 * Checks the types of a request's properties, whether or not policies read them. Missing ones are the policy step's to
 * find.
 * @throws InvalidValueError
 */
export function checkProperties(
  facts: Pick<CedarRequestFacts, 'action' | 'resourceType' | 'resourceProperties' | 'actionProperties' | 'context'>,
  subject: { readonly type: EntityType; readonly properties: Properties } | undefined,
  vocabulary: Vocabulary,
): void {
  const checkMembers = (members: RecordMembers, values: Properties, path: string): void => {
    for (const [name, member] of listDeclaredMembers(members)) {
      const value = getStatedMember(values, name);
      if (value !== undefined)
        toCedarValue(withoutRequiredMembers(member.type), value, `${path}.${name}`, vocabulary.objectOf);
    }
  };
  checkMembers(facts.resourceType.attributes, facts.resourceProperties, 'resource.properties');
  if (subject !== undefined) checkMembers(subject.type.attributes, subject.properties, 'subject.properties');
  const { action, request } = facts.action.context;
  if (action?.type.kind === 'Record') checkMembers(action.type.members, facts.actionProperties, 'action.properties');
  if (request?.type.kind === 'Record') checkMembers(request.type.members, facts.context, 'context');
}

/** The type with every member of its records optional, at any depth. */
const withoutRequiredMembers = memoizeByObject((type: CedarType): CedarType => {
  if (type.kind === 'Set') return { kind: 'Set', element: withoutRequiredMembers(type.element) };
  if (type.kind !== 'Record') return type;
  const members = Object.entries(type.members).map(
    ([name, member]) => [name, { ...member, type: withoutRequiredMembers(member.type), required: false }] as const,
  );
  return { kind: 'Record', members: Object.fromEntries(members) };
});
