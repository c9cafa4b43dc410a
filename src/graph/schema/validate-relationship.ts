/** Why a SpiceDB schema doesn't allow a relationship: said before it is written, with what would fit. */
import type { Relationship } from '../../model/relationships.js';
import type { Graph } from './schema.js';
import { didYouMean } from '../../diagnostics/suggest.js';
import { caveatOf, mayExpire, mustExpire, typeText } from './subject-types.js';

/** In a sentence; undefined where the schema allows it. */
export function refusalOf(
  { resource, relation, subject, wildcard, caveat, expiresAt }: Relationship,
  graph: Graph,
): string | undefined {
  if (!graph.hasDefinition(resource.type))
    return `names "${resource.type}", which is no definition${didYouMean(resource.type, graph.definitionNames())}`;
  const types = graph.relationTypes(resource.type, relation);
  if (types === undefined) {
    return graph.expressionOf(resource.type, relation) !== undefined
      ? `names "${relation}", which is a permission of "${resource.type}": only relations are written`
      : `names "${relation}", which is no relation of "${resource.type}"${didYouMean(relation, graph.relationNames(resource.type))}`;
  }
  const alike = types.filter(
    (t) =>
      t.path === subject.type &&
      (t.relationName === '...' ? undefined : t.relationName) === subject.relation &&
      t.wildcard === (wildcard === true),
  );
  const takes = `"${relation}" of "${resource.type}" takes ${types.map(typeText).join(' | ')}`;
  if (alike.length === 0) return `does not fit: ${takes}`;
  if (expiresAt !== undefined && !alike.some((t) => mayExpire(t, graph.text))) return `has an expiration: ${takes}`;
  if (caveat !== undefined && !alike.some((t) => caveatOf(t) === caveat.name)) return `has a caveat: ${takes}`;
  const complete = alike.some(
    (t) => (caveatOf(t) === undefined || caveat !== undefined) && (!mustExpire(t) || expiresAt !== undefined),
  );
  return complete ? undefined : `lacks what it depends on: ${takes}`;
}
