/** Values for what a decision requires and finds nowhere: in the request, or stored. */
import { principal } from '../../model/acting.js';
import type { EntityRef } from '../../model/ids.js';
import type { Members } from '../../policy/schema/types.js';
import type { Change } from './change.js';
import type { Judgement } from './judge.js';
import { someValue } from './literals.js';
import type { Problem } from './problems.js';

type Values = Readonly<Record<string, unknown>>;

/** All that is missing of the same thing at once. */
export function attributeCandidates(problem: Problem, judgement: Judgement): (readonly Change[])[] {
  const { established: e, facts } = judgement.again.course;
  if (e === undefined || facts === undefined) return [];
  const { on, question, principalType } = e;
  const { who = principal(e.acting) } = problem;
  const { acting, duties, chain } = facts.cedar;
  const earlier = chain.filter(({ agent }) => agent.id === who.id).map(({ consulted }) => consulted);
  const missing = new Set(
    [acting, duties, ...earlier].flatMap((one) => (one.kind === 'missing' ? one.attributes : [])),
  );
  /** @param place that names begin with, `employee` or `context.action` */
  const values = (place: string, members: Members): Values =>
    Object.fromEntries(
      Object.entries(members).flatMap(([name, member]) => {
        const value = missing.has(`${place}.${name}`) ? someValue(member.type, e.now.toISOString()) : undefined;
        return value === undefined ? [] : [[name, value]];
      }),
    );
  const ofContext = (name: string): Values => {
    const type = on.action.context[name]?.type;
    return type?.kind === 'Record' ? values(`context.${name}`, type.members) : {};
  };
  const resource = { type: question.resource.type, id: question.resource.id };
  const ofResource = values(resource.type, on.resourceType.attributes);
  return [
    requested(['action', 'properties'], ofContext('action')),
    requested(['context'], ofContext('request')),
    requested(['resource', 'properties'], ofResource),
    stored(who, values(who.type, principalType.attributes)),
    stored(resource, ofResource),
  ].filter((option) => option.length > 0);
}

function requested(at: readonly string[], values: Values): Change[] {
  return Object.entries(values).map(([name, value]) => ({ kind: 'request', at: [...at, name], value }));
}

function stored(entity: EntityRef, attributes: Values): Change[] {
  return Object.keys(attributes).length === 0 ? [] : [{ kind: 'entity', entity, attributes }];
}
