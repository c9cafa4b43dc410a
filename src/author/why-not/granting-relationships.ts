/** Finds relationships that may make a check a yes: by the schema, and along the relationships that exist. */
import { findIdProblem, type EntityRef } from '../../model/ids.js';
import type { Check, Relationship } from '../../model/relationships.js';
import { formatRelationship } from '../../graph/relationship-text.js';
import type { Expression, GraphSchema } from '../../graph/schema/schema.js';
import { relationshipProblem } from '../../graph/schema/validate-relationship.js';
import type { RelationshipChange } from './change.js';
import type { HypotheticalGraph } from './hypothetical-graph.js';

const MAX_RELATIONSHIP_CHANGES = 60;
/** The lifetime that a relationship is given where the schema wants it to expire. */
const YEAR_MS = 365 * 24 * 3_600_000;

/**
 * Lists relationships to write or to delete, the nearest to the resource first. Whether one of them is enough, only SpiceDB
 * can say.
 * @param now the time of the decision
 */
export function findGrantingRelationships(
  check: Check,
  graph: GraphSchema,
  hypothetical: HypotheticalGraph,
  now: Date,
): RelationshipChange[] {
  return new GrantingRelationshipSearch(check, graph, hypothetical, now).run();
}

/** A permission or relation of an object that the subject would have to hold. */
interface RequiredMember {
  readonly object: EntityRef;
  readonly member: string;
}

class GrantingRelationshipSearch {
  private readonly changes = new Map<string, RelationshipChange>();
  private readonly pending: RequiredMember[];

  constructor(
    private readonly check: Check,
    private readonly graph: GraphSchema,
    private readonly hypothetical: HypotheticalGraph,
    private readonly now: Date,
  ) {
    this.pending = [{ object: check.resource, member: check.permission }];
  }

  run(): RelationshipChange[] {
    const visited = new Set<string>();
    for (
      let next = this.pending.shift();
      next !== undefined && this.changes.size < MAX_RELATIONSHIP_CHANGES;
      next = this.pending.shift()
    ) {
      const key = JSON.stringify([next.object.type, next.object.id, next.member]);
      if (visited.has(key)) continue;
      visited.add(key);
      this.visit(next);
    }
    return [...this.changes.values()];
  }

  private visit({ object, member }: RequiredMember): void {
    const expression = this.graph.permissionExpression(object.type, member);
    if (expression !== undefined) this.visitExpression(object, expression);
    if (this.graph.relationTypes(object.type, member) === undefined) return;
    const relationship = { resource: object, relation: member, subject: this.check.subject };
    const expiresAt = new Date(this.now.getTime() + YEAR_MS).toISOString();
    const valid = [relationship, { ...relationship, expiresAt }].find(
      (candidate) => relationshipProblem(candidate, this.graph) === undefined,
    );
    if (valid !== undefined) this.add('touch', valid);
    this.followRelation(object, member, ({ relation }) => relation);
  }

  private visitExpression(object: EntityRef, expression: Expression): void {
    switch (expression.kind) {
      case 'nil':
        return;
      case 'relationref':
        this.pending.push({ object, member: expression.relationName });
        return;
      case 'binary':
        this.visitExpression(object, expression.left);
        if (expression.operator === 'exclusion') this.removeExcluded(object, expression.right);
        else this.visitExpression(object, expression.right);
        return;
      case 'arrow':
      case 'namedarrow':
        this.followRelation(
          object,
          expression.sourceRelation.relationName,
          () => expression.targetRelationOrPermission,
        );
    }
  }

  /** @param memberOf the member that the subject of a relationship would have to be held by; undefined for none */
  private followRelation(
    object: EntityRef,
    relation: string,
    memberOf: (subject: Relationship['subject']) => string | undefined,
  ): void {
    for (const { relation: name, subject, wildcard } of this.hypothetical.relationshipsOf(object)) {
      const member = name === relation && wildcard !== true ? memberOf(subject) : undefined;
      if (member !== undefined) this.pending.push({ object: { type: subject.type, id: subject.id }, member });
    }
  }

  /** Proposes to delete the subject's relationships in the expression behind a `-`. */
  private removeExcluded(object: EntityRef, expression: Expression): void {
    if (expression.kind === 'binary')
      for (const side of [expression.left, expression.right]) this.removeExcluded(object, side);
    if (expression.kind !== 'relationref') return;
    for (const relationship of this.hypothetical.relationshipsOf(object))
      if (
        relationship.relation === expression.relationName &&
        relationship.subject.type === this.check.subject.type &&
        relationship.subject.id === this.check.subject.id
      )
        this.add('delete', relationship);
  }

  private add(operation: RelationshipChange['operation'], relationship: Relationship): void {
    // A record that was tampered with may hold an id that no relationship can have.
    if ([relationship.resource.id, relationship.subject.id].some((id) => findIdProblem(id) !== undefined)) return;
    const text = formatRelationship(relationship);
    this.changes.set(`${operation} ${text}`, { kind: 'relationship', operation, relationship: text });
  }
}
