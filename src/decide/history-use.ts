/** The past of a question: the answers that its policies are given, and what an allow leaves for later questions. */
import { listHistoryEvents, listHistoryQueries } from '../govern/history/queries.js';
import { Fault } from '../model/faults.js';
import type { HistoryUse, HistoryValue } from '../model/history.js';
import { isSameRef, type EntityRef } from '../model/ids.js';
import type { Properties } from '../model/question.js';
import { getStatedMember } from '../policy/schema/types.js';
import { collectResourceProperties } from './ask-cedar.js';
import type { BoundQuestion } from './bound-question.js';
import type { Facts } from './step.js';

/** The members of `context.history` for one of the parties that the policies are asked for. */
export function describeHistory(
  bound: BoundQuestion,
  history: Facts['history'],
  principal: EntityRef,
): Record<string, HistoryValue> {
  const queries = listHistoryQueries(bound).filter((asked) => isSameRef(asked.principal, principal));
  return Object.fromEntries(queries.map(({ query, name }) => [query.member, findAnswer(history, query.id, name)]));
}

/** @throws Fault where it wasn't answered: no value stands for what isn't known */
function findAnswer(history: Facts['history'], id: string, name: string): HistoryValue {
  const value = 'fault' in history ? undefined : history.get(id);
  if (value === undefined) throw new Fault('database_unavailable', `"${name}" was not answered`);
  return value;
}

/** Plans what an allow stores of the past; undefined where it neither rests on it nor becomes part of it. */
export function planHistoryUse(bound: BoundQuestion, facts: Facts): HistoryUse | undefined {
  const history = facts.storedHistory ?? facts.history;
  const queries = new Map(listHistoryQueries(bound).map(({ query, name }) => [query.id, { query, name }]));
  const answered = [...queries.values()].map(({ query, name }) => ({
    query,
    value: findAnswer(history, query.id, name),
  }));
  const { vocabulary } = bound.rules;
  const isCounted = vocabulary.countedEventsOf(bound.target.action).length > 0;
  const events = isCounted ? listHistoryEvents(bound, collectAttributes(bound, facts), vocabulary) : [];
  return answered.length + events.length === 0 ? undefined : { answered, events };
}

/** The attributes of the resource: those that are stored, and those that the request states in their place. */
function collectAttributes(bound: BoundQuestion, { entity }: Pick<Facts, 'entity'>): Properties {
  const { type, id } = bound.question.resource;
  const stated = collectResourceProperties(bound);
  const overriding = Object.keys(stated).filter((name) => getStatedMember(stated, name) !== undefined);
  return {
    ...entity({ type, id })?.attributes,
    ...Object.fromEntries(overriding.map((name) => [name, stated[name]])),
  };
}
