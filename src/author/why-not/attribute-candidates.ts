/** Proposes values for attributes that a decision requires and that neither the request nor the store has. */
import { cedarPrincipal } from '../../model/acting.js';
import { formatRef, isSameRef, type EntityRef } from '../../model/ids.js';
import type { MissingValue } from '../../model/reasons.js';
import { sortMissingValues } from '../../policy/missing-values.js';
import type { CedarType, RecordMembers } from '../../policy/schema/types.js';
import { replaceMember, type ProposedChange } from './change.js';
import type { ChangeEvaluation } from './change-evaluator.js';
import { placeholderValue } from './alternative-values.js';
import type { DenialProblem } from './denial-problems.js';

/** A value for what is missing, and the names that lead to it within its place. */
interface FilledValue {
  readonly names: readonly string[];
  readonly value: unknown;
}

/** Each proposal fills all missing attributes of one place together: of the request, or of one stored entity. */
export function attributeCandidates(
  problem: DenialProblem,
  { redecision, record, rules }: ChangeEvaluation,
): (readonly ProposedChange[])[] {
  const { bound, facts } = redecision.evaluation;
  if (bound === undefined || facts === undefined) return [];
  const { target, question, now } = bound;
  const { principal: policyPrincipal = cedarPrincipal(bound.acting) } = problem;
  const { acting, duties, chain } = facts.cedar;
  const earlier = chain.filter(({ agent }) => agent.id === policyPrincipal.id).map(({ outcome }) => outcome);
  const missing = sortMissingValues(
    [acting, duties, ...earlier].flatMap((outcome) => (outcome.kind === 'missing' ? outcome.values : [])),
  );
  const contextType: CedarType = { kind: 'Record', members: target.action.context };
  const fillContext = (member: string): FilledValue[] =>
    missing
      .filter(({ entity }) => entity === undefined)
      .flatMap(({ path }) => fillValue(contextType, path.split('.').slice(1), now))
      .filter(({ names }) => names[0] === member && names.length > 1)
      .map(({ names, value }) => ({ names: names.slice(1), value }));
  const fillEntity = (ref: EntityRef): FilledValue[] =>
    missing
      .filter(({ entity }) => entity !== undefined && isSameRef(entity, ref))
      .flatMap(({ path }) => {
        const types = rules.vocabulary.typesByObject.get(ref.type) ?? [];
        const filled = types.map(({ attributes }) => fillValue(asRecord(attributes), path.split('.'), now));
        return filled.find((values) => values.length > 0) ?? [];
      });
  const resource = { type: question.resource.type, id: question.resource.id };
  return [
    stateValues(['action', 'properties'], fillContext('action')),
    stateValues(['context'], fillContext('request')),
    stateValues(['resource', 'properties'], fillEntity(resource)),
    ...listEntities(missing).map((entity) =>
      storeValues(entity, record.facts.entities?.[formatRef(entity)]?.attributes ?? {}, fillEntity(entity)),
    ),
  ].filter((option) => option.length > 0);
}

/** The entities that lack something: a party, the resource, or what a reference leads to. */
function listEntities(missing: readonly MissingValue[]): EntityRef[] {
  return [...new Map(missing.flatMap(({ entity }) => (entity ? [[formatRef(entity), entity]] : []))).values()];
}

/** Some value of the type at these names; none where there is no such member, or where no value can be made up. */
function fillValue(type: CedarType, names: readonly string[], now: Date): FilledValue[] {
  let reached: CedarType | undefined = type;
  for (const name of names) {
    const members: RecordMembers = reached?.kind === 'Record' ? reached.members : {};
    reached = Object.hasOwn(members, name) ? members[name]?.type : undefined;
  }
  const value = reached === undefined ? undefined : placeholderValue(reached, now);
  return value === undefined ? [] : [{ names, value }];
}

function asRecord(members: RecordMembers): CedarType {
  return { kind: 'Record', members };
}

function stateValues(at: readonly string[], values: readonly FilledValue[]): ProposedChange[] {
  return values.map(({ names, value }) => ({ kind: 'request', at: [...at, ...names], value }));
}

/** @param stored what the entity has, of which the changed attributes keep the rest */
function storeValues(
  entity: EntityRef,
  stored: Readonly<Record<string, unknown>>,
  values: readonly FilledValue[],
): ProposedChange[] {
  const changed = values.reduce<Readonly<Record<string, unknown>>>(
    (attributes, { names, value }) => replaceMember(attributes, names, value),
    stored,
  );
  const names = new Set(values.flatMap((filled) => filled.names.slice(0, 1)));
  const attributes = Object.fromEntries([...names].map((name) => [name, changed[name]]));
  return names.size === 0 ? [] : [{ kind: 'entity', entity, attributes }];
}
