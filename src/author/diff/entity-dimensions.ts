/** Dimensions of a request's entities: their attributes, their parents, and their ids. */
import { collectReads } from '../../policy/collect-reads.js';
import { needsEntity } from '../../policy/policy-reads.js';
import type { EntityType } from '../../policy/schema/action.js';
import { isActionType } from '../../policy/schema/uid.js';
import { attributeDimensions, candidateIds, objectTypeOf } from './attribute-dimensions.js';
import { SYNTHETIC_IDS, type DraftEntity, type RequestDraft } from './synthetic-record.js';
import type { KindVersion } from './question-kinds.js';
import type { Dimension, DimensionSource, DimensionValue } from './dimension.js';

/** Entities that policies name and that one request's entity is, or is in, at most. */
const MAX_NAMED_ENTITIES = 8;

/**
 * Dimensions of one entity's attributes, as either set of rules declares them, and of its parents.
 * @param label begins the names of the dimensions, such as `principal`
 */
export function entityDimensions(
  source: DimensionSource,
  role: keyof RequestDraft['attributes'],
  label: string,
  entityTypesOf: (version: KindVersion) => readonly EntityType[],
): Dimension[] {
  return storedDimensions(source, source.kind.versions.flatMap(entityTypesOf), label, ({ attributes, ancestors }) => ({
    attributes: attributes[role],
    ancestors: ancestors[role],
  }));
}

/**
 * Dimensions of the user that an agent asks for. Where no context has the user, policies don't read it for the agent; it is
 * complete all the same, since the later rules are also asked whether they allow the request to the user alone.
 */
export function userDimensions(source: DimensionSource): Dimension[] {
  const { kind } = source;
  const isRead = kind.versions.some((version) => contextUserTypes(version).length > 0);
  return entityDimensions(isRead ? source : { ...source, reads: new Set() }, 'user', 'context.user', (version) => {
    const types = contextUserTypes(version);
    return types.length > 0 ? types : (version.rules.vocabulary.typesByObject.get(kind.user) ?? []);
  });
}

function contextUserTypes({ rules: { vocabulary }, action }: KindVersion): EntityType[] {
  const type = action.context['user']?.type;
  const user = type?.kind === 'Entity' ? vocabulary.entityTypes.get(type.name) : undefined;
  return user === undefined ? [] : [user];
}

/** Dimensions of the entities that policies reach over references. Those of one definition have the same attributes. */
export function referenceDimensions(source: DimensionSource): Dimension[] {
  const { versions } = source.kind;
  const typeNames = [...new Set(versions.flatMap(listReferredTypes))];
  return typeNames.flatMap((typeName) => {
    const object = objectTypeOf(versions, typeName);
    const types = versions.flatMap(({ rules }) => rules.vocabulary.entityTypes.get(typeName) ?? []);
    const nothingStored = { ids: candidateIds(source, typeName), attributes: {}, ancestors: [] };
    const partOf = ({ referred }: RequestDraft): DraftEntity => referred.get(object) ?? nothingStored;
    const label = `a ${object} behind a reference`;
    const presence: Dimension = {
      name: label,
      read: '',
      values: [
        {
          text: 'stored',
          put: ({ referred }) => void referred.set(object, { ...nothingStored, attributes: {}, ancestors: [] }),
        },
      ],
    };
    return [presence, ...storedDimensions(source, types, label, partOf)];
  });
}

/** Names the types of the entities that the version's policies reach beside the request's own. */
function listReferredTypes({ rules, policies, ...types }: KindVersion): string[] {
  const { principal, resource, context, literals } = collectReads(policies, types, rules.vocabulary);
  const literalTypes = literals.map(({ uid }) => uid.type);
  const pending = [principal, resource, context, ...literals.map(({ reads }) => reads)];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const member of next.members.values()) {
      if (member.type.kind === 'Entity' && needsEntity(member)) literalTypes.push(member.type.name);
      pending.push(member);
    }
  }
  return literalTypes.filter((name) => !isActionType(name));
}

function storedDimensions(
  source: DimensionSource,
  types: readonly EntityType[],
  label: string,
  partOf: (draft: RequestDraft) => DraftEntity,
): Dimension[] {
  const parents = source.literals.entities
    .filter(({ type }) => types.some(({ ancestors }) => ancestors.has(type)))
    .slice(0, MAX_NAMED_ENTITIES)
    .map(({ type, id }): Dimension => ({
      name: `${label} in`,
      read: '',
      values: [
        { text: 'nothing', put: () => undefined },
        {
          text: `${type}::"${id}"`,
          put: (draft) => partOf(draft).ancestors.push({ type: objectTypeOf(source.kind.versions, type), id }),
        },
      ],
    }));
  return [
    ...attributeDimensions(
      source,
      types.map(({ attributes }) => attributes),
      label,
      [],
      (draft) => partOf(draft).attributes,
    ),
    ...parents,
  ];
}

/** The entity is one that a policy names by its id. */
export function identityDimensions(
  { kind, literals }: DimensionSource,
  role: keyof RequestDraft['ids'],
  entityTypeOf: (version: KindVersion) => EntityType,
): Dimension[] {
  const types = kind.versions.map(entityTypeOf);
  const named = literals.entities
    .filter(({ type }) => types.some(({ name }) => name === type))
    .slice(0, MAX_NAMED_ENTITIES)
    .map(({ id }) => id);
  const enumerated = types.flatMap(({ ids = [] }) => ids);
  const unnamed = enumerated.length === 0 ? SYNTHETIC_IDS[role] : enumerated.find((id) => !named.includes(id));
  const values = (unnamed === undefined ? named : [unnamed, ...named]).map((id): DimensionValue => ({
    text: id,
    put: (draft) => {
      draft.ids[role] = id;
    },
  }));
  return [{ name: `${role}'s id`, read: '', values }];
}

/** The places in a draft that the records of the context are made from. */
const CONTEXT_RECORDS = {
  action: ({ statements }: RequestDraft) => statements.action,
  request: ({ statements }: RequestDraft) => statements.context,
  claims: ({ token }: RequestDraft) => token.claims,
} as const;

/** Dimensions of `context.action` and `context.request`, which the caller states in the request itself, or of the token's claims. */
export function contextDimensions(source: DimensionSource, name: keyof typeof CONTEXT_RECORDS): Dimension[] {
  const declared = source.kind.versions.flatMap(({ action }) => {
    const type = action.context[name]?.type;
    return type?.kind === 'Record' ? [type.members] : [];
  });
  return attributeDimensions(source, declared, `context.${name}`, [], CONTEXT_RECORDS[name]);
}
