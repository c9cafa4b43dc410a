/** Holds entities against the Cedar schema before they are stored, by file and by API alike. */
import type { StoredEntity } from '../model/entities.js';
import type { EntityRef } from '../model/ids.js';
import type { Problem } from '../diagnostics/diagnostics.js';
import { suggestNearest } from '../diagnostics/suggest.js';
import type { Rules } from './load.js';
import type { EntityType } from './schema/action.js';
import { toCedarValue, InvalidValueError, type CedarType } from './schema/types.js';
import { findUndeclaredMember } from './undeclared-members.js';

export const MAX_PARENTS = 100;

export interface EntityProblem extends Problem {
  /** The part that doesn't fit: `type`, `attributes.address.street`, `parents[0].id`. */
  readonly path: string;
}

/**
 * Finds the reason that an entity can't be stored; undefined where it can. A missing attribute is no problem: requests
 * may bring it.
 */
export function findEntityProblem(entity: StoredEntity, rules: Rules): EntityProblem | undefined {
  const { vocabulary } = rules;
  const types = vocabulary.typesByObject.get(entity.type) ?? [];
  return (
    findUnknownType(entity.type, rules) ??
    findEnumProblem(entity, types) ??
    findValueProblem(entity, types, vocabulary.objectOf) ??
    findUndeclaredAttribute(entity, types) ??
    findParentProblem(entity, types, rules)
  );
}

/** Finds the reason that nothing can be stored of the type; undefined where a schema has it. */
export function findUnknownType(type: string, { vocabulary, graph }: Rules): EntityProblem | undefined {
  if (vocabulary.typesByObject.has(type) || graph.hasDefinition(type)) return undefined;
  return {
    path: 'type',
    message: `no schema has a type "${type}"`,
    suggestion: suggestNearest(type, [...vocabulary.typesByObject.keys(), ...graph.definitionNames()]),
  };
}

/** An id outside the `enum` of its type: nothing that a policy says of the type is about it. */
function findEnumProblem({ type, id }: EntityRef, types: readonly EntityType[]): EntityProblem | undefined {
  const ids = types.flatMap((t) => t.ids ?? []);
  if (types.length === 0 || types.some((t) => t.ids === undefined) || ids.includes(id)) return undefined;
  return {
    path: 'id',
    message: `"${id}" is no "${type}" that the Cedar schema has`,
    suggestion: suggestNearest(id, ids),
  };
}

function findValueProblem(
  { attributes }: StoredEntity,
  types: readonly EntityType[],
  objectOf: (name: string) => string,
): EntityProblem | undefined {
  for (const type of types) {
    for (const [name, member] of Object.entries(type.attributes)) {
      if (!Object.hasOwn(attributes, name)) continue;
      try {
        toCedarValue(member.type, attributes[name], `attributes.${name}`, objectOf);
      } catch (error) {
        if (error instanceof InvalidValueError) return { path: error.path, message: `${error.path} ${error.message}` };
        throw error;
      }
    }
  }
  return undefined;
}

/** An attribute that no policy can read: a slip in the name of an optional one would leave a forbid without its fact. */
function findUndeclaredAttribute(
  { type, attributes }: StoredEntity,
  types: readonly EntityType[],
): EntityProblem | undefined {
  if (types.some(({ open }) => open)) return undefined;
  const declarations = types.map((t): CedarType => ({ kind: 'Record', members: t.attributes }));
  const undeclared = findUndeclaredMember(declarations, attributes, 'attributes');
  if (undeclared === undefined) return undefined;
  const { path, name, names } = undeclared;
  return {
    path,
    message: `${path} is not declared by the Cedar schema; a type that may have more than it declares is marked @open (${type})`,
    suggestion: suggestNearest(name, names),
  };
}

function findParentProblem(
  { type, parents }: StoredEntity,
  types: readonly EntityType[],
  { vocabulary }: Rules,
): EntityProblem | undefined {
  if (parents.length > MAX_PARENTS) return { path: 'parents', message: `has more than ${MAX_PARENTS} parents` };
  for (const [i, parent] of parents.entries()) {
    const path = `parents[${i}]`;
    const parentTypes = vocabulary.typesByObject.get(parent.type) ?? [];
    if (!parentTypes.some((p) => types.some((t) => t.ancestors.has(p.name)))) {
      const allowed = listParentTypes(types, vocabulary.objectOf);
      return {
        path: `${path}.type`,
        message: `${path}: a "${parent.type}" is no parent that the Cedar schema allows a "${type}", which may have ${allowed.length === 0 ? 'none' : allowed.join(', ')}`,
        suggestion: suggestNearest(parent.type, allowed),
      };
    }
    const problem = findEnumProblem(parent, parentTypes);
    if (problem !== undefined) return { ...problem, path: `${path}.id`, message: `${path}: ${problem.message}` };
  }
  return undefined;
}

/** The definitions of which an entity of these types may have parents, in order. */
function listParentTypes(types: readonly EntityType[], objectOf: (name: string) => string): string[] {
  return [...new Set(types.flatMap(({ ancestors }) => [...ancestors].map(objectOf)))].sort();
}
