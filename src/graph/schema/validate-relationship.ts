/** Validates relationships against the SpiceDB schema before they are written, with a hint at what would fit. */
import type { Relationship } from '../../model/relationships.js';
import type { GraphSchema } from './schema.js';
import type { Problem } from '../../diagnostics/diagnostics.js';
import { suggestNearest } from '../../diagnostics/suggest.js';
import { findCaveatContextProblem } from './caveat-values.js';
import { caveatName, allowsExpiration, requiresExpiration, formatSubjectType } from './subject-types.js';

/**
 * Finds the reason that the schema doesn't allow the relationship, in a phrase that follows its text; undefined where
 * it does.
 */
export function relationshipProblem(
  { resource, relation, subject, wildcard, caveat, expiresAt }: Relationship,
  schema: GraphSchema,
): Problem | undefined {
  if (!schema.hasDefinition(resource.type))
    return {
      message: `names "${resource.type}", which is no definition`,
      suggestion: suggestNearest(resource.type, schema.definitionNames()),
    };
  const types = schema.relationTypes(resource.type, relation);
  if (types === undefined) {
    return schema.permissionExpression(resource.type, relation) !== undefined
      ? { message: `names "${relation}", which is a permission of "${resource.type}": only relations are written` }
      : {
          message: `names "${relation}", which is no relation of "${resource.type}"`,
          suggestion: suggestNearest(relation, schema.relationNames(resource.type)),
        };
  }
  const matching = types.filter(
    (t) =>
      t.path === subject.type &&
      (t.relationName === '...' ? undefined : t.relationName) === subject.relation &&
      t.wildcard === (wildcard === true),
  );
  const allowed = `"${relation}" of "${resource.type}" takes ${types.map(formatSubjectType).join(' | ')}`;
  if (matching.length === 0) return { message: `does not fit: ${allowed}` };
  if (expiresAt !== undefined && !matching.some((t) => allowsExpiration(t, schema.caveatsMayExpire)))
    return { message: `has an expiration: ${allowed}` };
  if (caveat !== undefined && !matching.some((t) => caveatName(t) === caveat.name))
    return { message: `has a caveat: ${allowed}` };
  const complete = matching.some(
    (t) => (caveatName(t) === undefined || caveat !== undefined) && (!requiresExpiration(t) || expiresAt !== undefined),
  );
  return complete ? caveatContextProblem({ caveat }, schema) : { message: `lacks what it depends on: ${allowed}` };
}

/**
 * Finds the reason that the context of the relationship's caveat can't be stored; undefined where it can, as far as
 * Remit reads it.
 */
export function caveatContextProblem(
  { caveat }: Pick<Relationship, 'caveat'>,
  schema: GraphSchema,
): Problem | undefined {
  if (caveat === undefined) return undefined;
  const message = findCaveatContextProblem(schema.caveatParametersOf(caveat.name), caveat.context);
  return message === undefined ? undefined : { message };
}
