/** Relationships that could make a check a yes: by the schema, and along those that are there. */
import { findIdProblem, type EntityRef } from '../../model/ids.js';
import { type Check, type Relationship } from '../../model/relationships.js';
import { formatRelationship } from '../../graph/relationship-text.js';
import type { Expression, GraphSchema } from '../../graph/schema/schema.js';
import { relationshipProblem } from '../../graph/schema/validate-relationship.js';
import type { ProposedChange } from './change.js';
import type { HypotheticalGraph } from './hypothetical-graph.js';

type RelationshipChange = Extract<ProposedChange, { kind: 'relationship' }>;

const MAX_RELATIONSHIP_CHANGES = 60;
/** How long a relationship that must expire would hold: a year of days. */
const A_YEAR_MS = 365 * 24 * 3_600_000;

/**
 * The nearest to the resource first; whether one is enough, SpiceDB has to say.
 * @param now of the decision
 */
export function findGrantingRelationships(
  check: Check,
  graph: GraphSchema,
  hypothetical: HypotheticalGraph,
  now: Date,
): RelationshipChange[] {
  const changes = new Map<string, RelationshipChange>();
  const visited = new Set<string>();
  const open: { readonly object: EntityRef; readonly member: string }[] = [
    { object: check.resource, member: check.permission },
  ];
  const add = (operation: RelationshipChange['operation'], relationship: Relationship): void => {
    const text = formatRelationship(relationship);
    // An id that no relationship can have, as a record that was changed may say.
    if (findIdProblem(relationship.resource.id) !== undefined || findIdProblem(relationship.subject.id) !== undefined)
      return;
    changes.set(`${operation} ${text}`, { kind: 'relationship', operation, relationship: text });
  };
  const followRelation = (
    object: EntityRef,
    relation: string,
    member: (subject: Relationship['subject']) => string | undefined,
  ) => {
    for (const { relation: name, subject, wildcard } of hypothetical.relationshipsOf(object)) {
      const next = name === relation && wildcard !== true ? member(subject) : undefined;
      if (next !== undefined) open.push({ object: { type: subject.type, id: subject.id }, member: next });
    }
  };
  /** What stands in the way behind a `-` would have to go. */
  const removeExcluded = (object: EntityRef, expression: Expression): void => {
    if (expression.kind === 'binary')
      [expression.left, expression.right].forEach((side) => {
        removeExcluded(object, side);
      });
    if (expression.kind !== 'relationref') return;
    for (const relationship of hypothetical.relationshipsOf(object))
      if (
        relationship.relation === expression.relationName &&
        relationship.subject.type === check.subject.type &&
        relationship.subject.id === check.subject.id
      )
        add('delete', relationship);
  };
  const visitExpression = (object: EntityRef, expression: Expression): void => {
    switch (expression.kind) {
      case 'nil':
        return;
      case 'relationref':
        open.push({ object, member: expression.relationName });
        return;
      case 'binary':
        visitExpression(object, expression.left);
        if (expression.operator === 'exclusion') removeExcluded(object, expression.right);
        else visitExpression(object, expression.right);
        return;
      case 'arrow':
      case 'namedarrow':
        followRelation(object, expression.sourceRelation.relationName, () => expression.targetRelationOrPermission);
    }
  };
  for (let next = open.shift(); next !== undefined && changes.size < MAX_RELATIONSHIP_CHANGES; next = open.shift()) {
    const { object, member } = next;
    const key = JSON.stringify([object.type, object.id, member]);
    if (visited.has(key)) continue;
    visited.add(key);
    const expression = graph.permissionExpression(object.type, member);
    if (expression !== undefined) visitExpression(object, expression);
    if (graph.relationTypes(object.type, member) === undefined) continue;
    const relationship = { resource: object, relation: member, subject: check.subject };
    const valid = [
      relationship,
      { ...relationship, expiresAt: new Date(now.getTime() + A_YEAR_MS).toISOString() },
    ].find((candidate) => relationshipProblem(candidate, graph) === undefined);
    if (valid !== undefined) add('touch', valid);
    followRelation(object, member, ({ relation }) => relation);
  }
  return [...changes.values()];
}
