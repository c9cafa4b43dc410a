/** Finds what a world's entities lack before a question does: what is valid there, and denies or is passed over later. */
import { listRelationshipLines, type WorldFile } from '../../config/world.js';
import type { Problem } from '../../diagnostics/diagnostics.js';
import type { RuleDescription } from '../../diagnostics/error-rules.js';
import { parseRelationship } from '../../graph/relationship-text.js';
import { describeRef, formatRef, type EntityRef } from '../../model/ids.js';
import { getStatedMember, isObject, readReference, type CedarType } from '../../policy/schema/types.js';
import type { Vocabulary } from '../../policy/schema/vocabulary.js';

export const WORLD_LINTS = {
  'missing-attribute': {
    title: 'An entity of the world without an attribute that its type requires',
    why: 'Whatever the policies read, a question about it is denied `attribute_missing` unless the request brings the attribute.',
    cure: 'Give the entity the attribute, or declare it optional (`status?: String`) and say in the policies what holds without it.',
  },
  'absent-reference': {
    title: 'An attribute of the world that refers to an entity that the world doesn’t have',
    why: 'It lacks what its type requires, which denies; where nothing is required, a forbid that reads something of it never applies.',
    cure: 'Add the entity, or mend the id.',
  },
  'absent-party': {
    title: 'An agent or user in a relationship of the world that the world’s entities lack',
    why: 'An agent that isn’t stored is denied `agent_unknown`, and a user whose type requires attributes `attribute_missing`, whatever the relationships grant.',
    cure: 'Add the entity with what its type requires, or mend the id.',
  },
} as const satisfies Record<string, RuleDescription>;

export interface WorldWarning extends Problem {
  readonly rule: keyof typeof WORLD_LINTS;
  /** Its place in the file. */
  readonly path: readonly PropertyKey[];
}

type WorldEntity = WorldFile['entities'][number];

/** @param entities of a world that has no errors */
export function lintWorld(world: WorldFile, vocabulary: Vocabulary): WorldWarning[] {
  const { entities } = world;
  const stored = new Set(entities.map(formatRef));
  const entityWarnings = entities.flatMap((entity, i): WorldWarning[] => [
    ...findMissingAttributes(entity, vocabulary).map((problem) => ({ ...problem, path: ['entities', i] })),
    ...findAbsentReferences(entity, stored, vocabulary).map(({ path, ...problem }) => ({
      ...problem,
      path: ['entities', i, 'attributes', ...path],
    })),
  ]);
  return [...findAbsentParties(world, vocabulary), ...entityWarnings];
}

/**
 * Finds the principals that relationships name and that aren't among the entities, each where it is named first. A user
 * whose type requires nothing needs no entity.
 */
export function findAbsentParties(world: WorldFile, vocabulary: Vocabulary): WorldWarning[] {
  const known = new Set(world.entities.map(formatRef));
  const principalTypes = vocabulary.actions.flatMap((action) => action.principalTypes);
  return listRelationshipLines(world).flatMap(({ line, text }) => {
    const { resource, subject, wildcard } = parseRelationship(text);
    return [resource, ...(wildcard === true ? [] : [subject])].flatMap(({ type, id }): WorldWarning[] => {
      const types = principalTypes.filter(({ object }) => object === type);
      const required = types.flatMap(({ attributes }) => Object.keys(attributes).filter((name) => attributes[name]?.required)); // prettier-ignore
      const isAgent = type === vocabulary.agentObject;
      const ref = { type, id };
      if (types.length === 0 || known.has(formatRef(ref)) || (!isAgent && required.length === 0)) return [];
      known.add(formatRef(ref));
      const outcome = isAgent ? 'agent_unknown' : 'attribute_missing';
      const attributes = [...new Set(required)].map((name) => `${name}: …`).join(', ');
      return [
        {
          rule: 'absent-party',
          path: ['relationships', line],
          message: `${describeRef(ref)} is not among the entities: what it asks for itself${isAgent ? ' or for a user' : ''} is denied ${outcome}`,
          suggestion: `add { type: ${type}, id: ${id}${attributes === '' ? '' : `, attributes: { ${attributes} }`} }`,
        },
      ];
    });
  });
}

function findMissingAttributes(
  entity: WorldEntity,
  { typesByObject }: Vocabulary,
): (Problem & { readonly rule: 'missing-attribute' })[] {
  const types = typesByObject.get(entity.type) ?? [];
  return types.flatMap(({ name: typeName, attributes }) =>
    Object.entries(attributes)
      .filter(([name, { required }]) => required && getStatedMember(entity.attributes, name) === undefined)
      .map(([name]) => ({
        rule: 'missing-attribute' as const,
        message: `${describeRef(entity)} lacks "${name}", which ${typeName} requires: questions about it are denied attribute_missing`,
        suggestion: `add ${name}, or declare it optional: ${name}?`,
      })),
  );
}

function findAbsentReferences(
  entity: WorldEntity,
  stored: ReadonlySet<string>,
  { typesByObject, objectOf }: Vocabulary,
): WorldWarning[] {
  const types = typesByObject.get(entity.type) ?? [];
  const references = types.flatMap(({ attributes }) =>
    listReferences({ kind: 'Record', members: attributes }, entity.attributes, [], objectOf),
  );
  return references
    .filter(({ ref }) => !stored.has(formatRef(ref)))
    .map(({ ref, path }) => ({
      rule: 'absent-reference' as const,
      path,
      message: `${describeRef(entity)} refers to ${describeRef(ref)}, which the world doesn't have`,
    }));
}

interface Reference {
  readonly ref: EntityRef;
  readonly path: readonly PropertyKey[];
}

/** The entities that the value refers to. Those of an `enum` type exist without being stored. */
function listReferences(
  type: CedarType,
  value: unknown,
  path: readonly PropertyKey[],
  objectOf: (name: string) => string,
): Reference[] {
  if (type.kind === 'Set' && Array.isArray(value))
    return value.flatMap((element, i) => listReferences(type.element, element, [...path, i], objectOf));
  if (type.kind === 'Record' && isObject(value))
    return Object.entries(type.members).flatMap(([name, member]) =>
      listReferences(member.type, getStatedMember(value, name), [...path, name], objectOf),
    );
  if (type.kind !== 'Entity' || type.ids !== undefined || value === undefined) return [];
  const uid = readReference(type.name, value, objectOf);
  return uid === undefined ? [] : [{ ref: { type: objectOf(type.name), id: uid.id }, path }];
}
