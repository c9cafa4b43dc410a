/** Proposals for problems of the agents themselves: one that isn't stored, or one whose own question states too much. */
import { getVerifiedCredential } from '../../decide/bound-question.js';
import { findUnprovenStatements } from '../../decide/unproven-statements.js';
import { listAgents } from '../../model/acting.js';
import { placeholderValue } from './alternative-values.js';
import type { ChangeOption, ProposedChange } from './change.js';
import type { ChangeEvaluation } from './change-evaluator.js';

/** Proposes to store every agent that isn't, with what the schema requires of it. */
export function storedAgentCandidates({ redecision }: ChangeEvaluation): ChangeOption[] {
  const { bound, facts } = redecision.evaluation;
  if (bound === undefined || facts === undefined) return [];
  const { attributes } = bound.principalType;
  const required = Object.entries(attributes).flatMap(([name, { type, required }]) =>
    required ? [[name, placeholderValue(type, bound.now)] as const] : [],
  );
  const unknown = listAgents(bound.acting).filter((agent) => facts.entity(agent) === undefined);
  return [unknown.map((entity) => ({ kind: 'entity', entity, attributes: Object.fromEntries(required) }))];
}

/** Proposes to ask without what an agent's word doesn't prove. */
export function ownStatementCandidates({ redecision }: ChangeEvaluation): ChangeOption[] {
  const { unbound } = redecision.evaluation;
  const { question, rules } = unbound;
  const target = rules.vocabulary.find(question.action.name, question.resource.type);
  if (target === undefined) return [];
  const details = getVerifiedCredential(unbound)?.token.authorizationDetails;
  const places = findUnprovenStatements(question, target, rules, details);
  return [places.map((place): ProposedChange => ({ kind: 'request', at: splitPlace(place), value: undefined }))];
}

/** The place as a path; an attribute's name may itself have dots. */
function splitPlace(place: string): string[] {
  const [first = '', second = '', ...rest] = place.split('.');
  return first === 'context' ? [first, [second, ...rest].join('.')] : [first, second, rest.join('.')];
}
