/** What may be stored as an entity: held by the schema when it is written, so that decisions need not doubt it. */
import type { StoredEntity } from '../model/entities.js';
import type { Rules } from './load.js';
import { toCedarValue, InvalidValueError } from './schema/types.js';
import { didYouMean } from '../diagnostics/suggest.js';

export const MAX_PARENTS = 100;

/** Why `entity` doesn't fit the schema, in a sentence; undefined if it does. What is missing may come with a request. */
export function findEntityProblem(entity: StoredEntity, { vocabulary, graph }: Rules): string | undefined {
  const types = vocabulary.typesByObject.get(entity.type) ?? [];
  if (types.length === 0 && !graph.hasDefinition(entity.type)) {
    const hint = didYouMean(entity.type, [...vocabulary.typesByObject.keys(), ...graph.definitionNames()]);
    return `no schema has a type "${entity.type}"${hint}`;
  }
  for (const type of types) {
    for (const [name, member] of Object.entries(type.attributes)) {
      if (!Object.hasOwn(entity.attributes, name)) continue;
      try {
        toCedarValue(member.type, entity.attributes[name], `attributes.${name}`, vocabulary.objectOf);
      } catch (error) {
        if (error instanceof InvalidValueError) return `${error.path} ${error.message}`;
        throw error;
      }
    }
  }
  if (entity.parents.length > MAX_PARENTS) return `has more than ${MAX_PARENTS} parents`;
  for (const parent of entity.parents) {
    const allowed = (vocabulary.typesByObject.get(parent.type) ?? []).some((p) =>
      types.some((t) => t.ancestors.has(p.name)),
    );
    if (!allowed) return `a "${parent.type}" is no parent that the Cedar schema allows a "${entity.type}"`;
  }
  return undefined;
}
