/** What may be stored as an entity: held by the schema when it is written, so that decisions need not doubt it. */
import type { StoredEntity } from '../model/entities.js';
import type { Rules } from './load.js';
import { toCedar, ValueProblem } from './schema/types.js';
import { didYouMean } from '../diagnostics/suggest.js';

export const MAX_PARENTS = 100;

/** Why `entity` doesn't fit the schema, in a sentence; undefined if it does. What is missing may come with a request. */
export function storable(entity: StoredEntity, { vocabulary, graph }: Rules): string | undefined {
  const types = vocabulary.byObject.get(entity.type) ?? [];
  if (types.length === 0 && !graph.hasDefinition(entity.type)) {
    const hint = didYouMean(entity.type, [...vocabulary.byObject.keys(), ...graph.definitionNames()]);
    return `no schema has a type "${entity.type}"${hint}`;
  }
  for (const type of types) {
    for (const [name, member] of Object.entries(type.attributes)) {
      if (!Object.hasOwn(entity.attributes, name)) continue;
      try {
        toCedar(member.type, entity.attributes[name], `attributes.${name}`, vocabulary.objectOf);
      } catch (error) {
        if (error instanceof ValueProblem) return `${error.at} ${error.message}`;
        throw error;
      }
    }
  }
  if (entity.parents.length > MAX_PARENTS) return `has more than ${MAX_PARENTS} parents`;
  for (const parent of entity.parents) {
    const allowed = (vocabulary.byObject.get(parent.type) ?? []).some((p) =>
      types.some((t) => t.ancestors.has(p.name)),
    );
    if (!allowed) return `a "${parent.type}" is no parent that the Cedar schema allows a "${entity.type}"`;
  }
  return undefined;
}
