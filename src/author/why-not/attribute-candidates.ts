/** Proposes values for attributes that a decision requires and that neither the request nor the store has. */
import { cedarPrincipal } from '../../model/acting.js';
import type { EntityRef } from '../../model/ids.js';
import type { RecordMembers } from '../../policy/schema/types.js';
import type { ProposedChange } from './change.js';
import type { ChangeEvaluation } from './change-evaluator.js';
import { placeholderValue } from './alternative-values.js';
import type { DenialProblem } from './denial-problems.js';

type AttributeValues = Readonly<Record<string, unknown>>;

/** Each proposal fills all missing attributes of one place together. */
export function attributeCandidates(
  problem: DenialProblem,
  evaluation: ChangeEvaluation,
): (readonly ProposedChange[])[] {
  const { bound, facts } = evaluation.redecision.evaluation;
  if (bound === undefined || facts === undefined) return [];
  const { target, question, principalType } = bound;
  const { principal: policyPrincipal = cedarPrincipal(bound.acting) } = problem;
  const { acting, duties, chain } = facts.cedar;
  const earlier = chain.filter(({ agent }) => agent.id === policyPrincipal.id).map(({ outcome }) => outcome);
  const missing = new Set(
    [acting, duties, ...earlier].flatMap((outcome) => (outcome.kind === 'missing' ? outcome.attributes : [])),
  );
  /** @param place the beginning of the missing names, such as `employee` or `context.action` */
  const values = (place: string, members: RecordMembers): AttributeValues =>
    Object.fromEntries(
      Object.entries(members).flatMap(([name, member]) => {
        const value = missing.has(`${place}.${name}`) ? placeholderValue(member.type, bound.now) : undefined;
        return value === undefined ? [] : [[name, value]];
      }),
    );
  const contextValues = (name: string): AttributeValues => {
    const type = target.action.context[name]?.type;
    return type?.kind === 'Record' ? values(`context.${name}`, type.members) : {};
  };
  const resource = { type: question.resource.type, id: question.resource.id };
  const resourceValues = values(resource.type, target.resourceType.attributes);
  return [
    statedChanges(['action', 'properties'], contextValues('action')),
    statedChanges(['context'], contextValues('request')),
    statedChanges(['resource', 'properties'], resourceValues),
    storedChange(policyPrincipal, values(policyPrincipal.type, principalType.attributes)),
    storedChange(resource, resourceValues),
  ].filter((option) => option.length > 0);
}

function statedChanges(at: readonly string[], values: AttributeValues): ProposedChange[] {
  return Object.entries(values).map(([name, value]) => ({ kind: 'request', at: [...at, name], value }));
}

function storedChange(entity: EntityRef, attributes: AttributeValues): ProposedChange[] {
  return Object.keys(attributes).length === 0 ? [] : [{ kind: 'entity', entity, attributes }];
}
