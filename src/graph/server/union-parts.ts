/** The parts of a union, judged by an object's own relationships: which grant at once, and which may lead further. */
import type { EntityRef } from '../../model/ids.js';
import type { Relationship } from '../../model/relationships.js';
import type { Expression, GraphSchema } from '../schema/schema.js';
import { proofByLastToExpire, type GrantProof } from './proof.js';
import { matchesSubject } from './proof-reader.js';

/** The most levels of permissions that refer to permissions of the same object. */
const MAX_PERMISSION_DEPTH = 50;

/** The operands of a union, those of unions within it included; any other expression is its only one. */
export function unionOperands(expression: Expression): Expression[] {
  return expression.kind === 'binary' && expression.operator === 'union'
    ? [...unionOperands(expression.left), ...unionOperands(expression.right)]
    : [expression];
}

/** The proof by one of the rows that grants to the subject by itself, through any of the parts. */
export function proveByOneRow(
  schema: GraphSchema,
  type: string,
  parts: readonly Expression[],
  rows: readonly Relationship[],
  subject: EntityRef,
): GrantProof {
  const relations = new Set(parts.flatMap((part) => grantingRelations(schema, type, part)));
  return proofByLastToExpire(
    rows.filter((row) => row.caveat === undefined && relations.has(row.relation) && matchesSubject(row, subject)),
  );
}

/** The relations that each grant a part by themselves, over unions of unions on the same object. */
function grantingRelations(schema: GraphSchema, type: string, part: Expression, depth = 0): string[] {
  if (depth > MAX_PERMISSION_DEPTH) return [];
  if (part.kind === 'binary' && part.operator === 'union')
    return unionOperands(part).flatMap((operand) => grantingRelations(schema, type, operand, depth + 1));
  if (part.kind !== 'relationref') return [];
  if (schema.relationTypes(type, part.relationName) !== undefined) return [part.relationName];
  const expression = schema.permissionExpression(type, part.relationName);
  return expression === undefined ? [] : grantingRelations(schema, type, expression, depth + 1);
}

/** Whether a part may grant by more than {@link proveByOneRow} sees: a userset, an arrow's object, a caveat. */
export function mayLeadFurther(
  schema: GraphSchema,
  type: string,
  part: Expression,
  rows: readonly Relationship[],
  depth = 0,
): boolean {
  if (depth > MAX_PERMISSION_DEPTH) return true;
  switch (part.kind) {
    case 'nil':
      return false;
    case 'arrow':
    case 'namedarrow':
      return rows.some(({ relation }) => relation === part.sourceRelation.relationName);
    case 'binary':
      return (
        part.operator !== 'union' ||
        unionOperands(part).some((operand) => mayLeadFurther(schema, type, operand, rows, depth + 1))
      );
    case 'relationref': {
      const { relationName } = part;
      if (schema.relationTypes(type, relationName) !== undefined)
        return rows.some(
          ({ relation, subject, caveat }) =>
            relation === relationName && (subject.relation !== undefined || caveat !== undefined),
        );
      const expression = schema.permissionExpression(type, relationName);
      return expression === undefined || mayLeadFurther(schema, type, expression, rows, depth + 1);
    }
  }
}
