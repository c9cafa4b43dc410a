/**
 * Finds what can read the members that a question states: the Cedar schema declares them, a caveat has them as
 * parameters, or the token knows them. What is on record of a question, and what an answer says was ignored, both rest
 * on it.
 */
import type { AuthorizationDetail } from '../model/acting.js';
import { isCountedByTask } from '../govern/history/queries.js';
import type { RecordMember, CedarType } from '../policy/schema/types.js';
import { getVerifiedCredential } from './bound-question.js';
import type { Evaluation } from './evaluation.js';
import { listConfirmationNames } from './consent-facts.js';
import { listCaveatNames } from './permission-checks.js';
import type { Facts } from './step.js';
import { listConstrainedNames } from './unproven-statements.js';

/** A part of a question that has members of the caller's own. */
export type StatingPart = 'subject' | 'action' | 'resource' | 'context';

export interface PartDeclarations {
  /** The records of the Cedar schema: one without members where it declares nothing. */
  readonly types: readonly CedarType[];
  /** Names that something else than a policy reads. */
  readonly otherNames: readonly string[];
}

export function collectDeclarations({
  unbound,
  bound,
  facts,
}: Pick<Evaluation, 'unbound' | 'bound' | 'facts'>): Readonly<Record<StatingPart, PartDeclarations>> {
  const { question, rules } = unbound;
  const { vocabulary } = rules;
  const target = bound?.target ?? vocabulary.find(question.action.name, question.resource.type);
  const { action, request } = target?.action.context ?? {};
  const token = getVerifiedCredential(unbound)?.token;
  const consents = facts?.consents === undefined || 'fault' in facts.consents ? [] : facts.consents;
  const otherNames = [
    ...listConstrainedNames(token?.authorizationDetails ?? []),
    ...listConstrainedNames(listDelegationDetails(facts)),
    ...Object.keys(token?.transaction ?? {}),
    ...listConstrainedNames(consents.flatMap(({ details }) => details)),
  ];
  const subjectTypes = vocabulary.typesByObject.get(question.subject.type) ?? [];
  return {
    subject: { types: subjectTypes.map(({ attributes }) => ({ kind: 'Record', members: attributes })), otherNames },
    action: { types: [getRecordType(action)], otherNames },
    resource: { types: [{ kind: 'Record', members: target?.resourceType.attributes ?? {} }], otherNames },
    context: {
      types: [getRecordType(request)],
      otherNames: [
        ...otherNames,
        ...(bound === undefined ? [] : listCaveatNames(bound)),
        ...listConfirmationNames(consents),
        ...(target !== undefined && isCountedByTask(target, vocabulary) ? ['task'] : []),
      ],
    },
  };
}

/** The details of all delegations that the question rests on. */
export function listDelegationDetails(
  facts: Pick<Facts, 'needs' | 'delegation' | 'delegationsFault'> | undefined,
): AuthorizationDetail[] {
  if (facts === undefined || facts.delegationsFault !== undefined) return [];
  const states = facts.needs.delegations.map(facts.delegation);
  return states.flatMap((state) => (state?.state === 'given' ? (state.details ?? []) : []));
}

/** The names that something can read. */
export function listReadableNames({ types, otherNames }: PartDeclarations): ReadonlySet<string> {
  return new Set([
    ...types.flatMap((type) => (type.kind === 'Record' ? Object.keys(type.members) : [])),
    ...otherNames,
  ]);
}

function getRecordType(member: RecordMember | undefined): CedarType {
  return member?.type.kind === 'Record' ? member.type : { kind: 'Record', members: {} };
}
