/** Relationships that could make a check a yes: by the schema, and along those that are there. */
import { idProblem, type EntityRef } from '../../model/ids.js';
import { type Check, type Relationship } from '../../model/relationships.js';
import { relationshipText } from '../../graph/relationship-text.js';
import type { Expression, Graph } from '../../graph/schema/schema.js';
import { refusalOf } from '../../graph/schema/validate-relationship.js';
import type { Change } from './change.js';
import type { Ground } from './ground.js';

type Written = Extract<Change, { kind: 'relationship' }>;

const MAX_WAYS = 60;
/** How long a relationship that must expire would hold: a year of days. */
const A_YEAR_MS = 365 * 24 * 3_600_000;

/**
 * The nearest to the resource first; whether one is enough, SpiceDB has to say.
 * @param now of the decision
 */
export function waysTo(check: Check, graph: Graph, ground: Ground, now: Date): Written[] {
  const found = new Map<string, Written>();
  const seen = new Set<string>();
  const open: { readonly object: EntityRef; readonly member: string }[] = [
    { object: check.resource, member: check.permission },
  ];
  const add = (operation: Written['operation'], relationship: Relationship): void => {
    const text = relationshipText(relationship);
    // An id that no relationship can have, as a record that was changed may say.
    if (idProblem(relationship.resource.id) !== undefined || idProblem(relationship.subject.id) !== undefined) return;
    found.set(`${operation} ${text}`, { kind: 'relationship', operation, relationship: text });
  };
  const along = (
    object: EntityRef,
    relation: string,
    member: (subject: Relationship['subject']) => string | undefined,
  ) => {
    for (const { relation: own, subject, wildcard } of ground.of(object)) {
      const next = own === relation && wildcard !== true ? member(subject) : undefined;
      if (next !== undefined) open.push({ object: { type: subject.type, id: subject.id }, member: next });
    }
  };
  /** What stands in the way behind a `-` would have to go. */
  const without = (object: EntityRef, e: Expression): void => {
    if (e.kind === 'binary')
      [e.left, e.right].forEach((side) => {
        without(object, side);
      });
    if (e.kind !== 'relationref') return;
    for (const one of ground.of(object))
      if (
        one.relation === e.relationName &&
        one.subject.type === check.subject.type &&
        one.subject.id === check.subject.id
      )
        add('delete', one);
  };
  const walk = (object: EntityRef, e: Expression): void => {
    switch (e.kind) {
      case 'nil':
        return;
      case 'relationref':
        open.push({ object, member: e.relationName });
        return;
      case 'binary':
        walk(object, e.left);
        if (e.operator === 'exclusion') without(object, e.right);
        else walk(object, e.right);
        return;
      case 'arrow':
      case 'namedarrow':
        along(object, e.sourceRelation.relationName, () => e.targetRelationOrPermission);
    }
  };
  for (let next = open.shift(); next !== undefined && found.size < MAX_WAYS; next = open.shift()) {
    const { object, member } = next;
    const key = JSON.stringify([object.type, object.id, member]);
    if (seen.has(key)) continue;
    seen.add(key);
    const expression = graph.expressionOf(object.type, member);
    if (expression !== undefined) walk(object, expression);
    if (graph.relationTypes(object.type, member) === undefined) continue;
    const relationship = { resource: object, relation: member, subject: check.subject };
    const fitting = [
      relationship,
      { ...relationship, expiresAt: new Date(now.getTime() + A_YEAR_MS).toISOString() },
    ].find((one) => refusalOf(one, graph) === undefined);
    if (fitting !== undefined) add('touch', fitting);
    along(object, member, ({ relation }) => relation);
  }
  return [...found.values()];
}
