/** Holds entities against the Cedar schema before they are stored, by file and by API alike. */
import type { StoredEntity } from '../model/entities.js';
import type { Problem } from '../diagnostics/diagnostics.js';
import { suggestNearest } from '../diagnostics/suggest.js';
import type { Rules } from './load.js';
import { toCedarValue, InvalidValueError } from './schema/types.js';

export const MAX_PARENTS = 100;

export interface EntityProblem extends Problem {
  /** The attribute that doesn't fit: `attributes.address.street`; undefined where it is the entity as a whole. */
  readonly path?: string;
}

/** Why an entity can't be stored; undefined where it can. A missing attribute is no problem: requests may bring it. */
export function findEntityProblem(entity: StoredEntity, { vocabulary, graph }: Rules): EntityProblem | undefined {
  const types = vocabulary.typesByObject.get(entity.type) ?? [];
  if (types.length === 0 && !graph.hasDefinition(entity.type))
    return {
      message: `no schema has a type "${entity.type}"`,
      suggestion: suggestNearest(entity.type, [...vocabulary.typesByObject.keys(), ...graph.definitionNames()]),
    };
  for (const type of types) {
    for (const [name, member] of Object.entries(type.attributes)) {
      if (!Object.hasOwn(entity.attributes, name)) continue;
      try {
        toCedarValue(member.type, entity.attributes[name], `attributes.${name}`, vocabulary.objectOf);
      } catch (error) {
        if (error instanceof InvalidValueError) return { path: error.path, message: `${error.path} ${error.message}` };
        throw error;
      }
    }
  }
  if (entity.parents.length > MAX_PARENTS) return { message: `has more than ${MAX_PARENTS} parents` };
  for (const parent of entity.parents) {
    const allowed = (vocabulary.typesByObject.get(parent.type) ?? []).some((p) =>
      types.some((t) => t.ancestors.has(p.name)),
    );
    if (!allowed) return { message: `a "${parent.type}" is no parent that the Cedar schema allows a "${entity.type}"` };
  }
  return undefined;
}
