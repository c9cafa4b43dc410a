/** Dimensions of a request's entities: their attributes, their parents, and their ids. */
import type { CedarType, RecordMembers } from '../../policy/schema/types.js';
import { collectReads } from '../../policy/collect-reads.js';
import { needsEntity } from '../../policy/policy-reads.js';
import type { EntityType } from '../../policy/schema/action.js';
import { isActionType } from '../../policy/schema/uid.js';
import { NOON, OTHER_TEXT, SYNTHETIC_IDS, type DraftEntity, type RequestDraft } from './synthetic-record.js';
import type { KindVersion } from './question-kinds.js';
import { MAX_VALUES, type Dimension, type DimensionSource, type DimensionValue } from './dimension.js';
import { DAY_MS, listValues, makeValues, type UsualValues } from '../hypotheses/values.js';

/** Entities that policies name and that one request's entity is, or is in, at most. */
const MAX_NAMED_ENTITIES = 8;

const USUAL_VALUES: UsualValues = {
  text: OTHER_TEXT,
  datetime: [DAY_MS, -DAY_MS].map((ms) => new Date(NOON.getTime() + ms).toISOString()),
  duration: ['0s'],
  decimal: ['0.0'],
  // An address that is set aside for documentation (RFC 5737).
  ipaddr: ['192.0.2.1'],
};

/**
 * Dimensions of one entity's attributes, as either set of rules declares them, and of its parents.
 * @param label begins the names of the dimensions, such as `principal`
 */
export function entityDimensions(
  source: DimensionSource,
  role: keyof RequestDraft['attributes'],
  label: string,
  entityTypeOf: (version: KindVersion) => EntityType | undefined,
): Dimension[] {
  const types = source.kind.versions.flatMap((version) => entityTypeOf(version) ?? []);
  return storedDimensions(source, types, label, ({ attributes, ancestors }) => ({
    attributes: attributes[role],
    ancestors: ancestors[role],
  }));
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

/**
 * @param declared the members by the earlier and the later rules
 * @param recordOf the record of the draft that has the members at `path`
 */
function attributeDimensions(
  source: DimensionSource,
  declared: readonly RecordMembers[],
  label: string,
  path: readonly string[],
  recordOf: (draft: RequestDraft) => Record<string, unknown>,
): Dimension[] {
  const names = [...new Set(declared.flatMap((members) => Object.keys(members)))];
  return names.flatMap((name) => {
    const members = declared
      .flatMap((members) => (Object.hasOwn(members, name) ? [members[name]] : []))
      .filter((m) => m !== undefined);
    const optional = members.length < declared.length || members.some(({ required }) => !required);
    if (optional && !source.reads.has(name)) return [];
    const memberPath = [...path, name];
    const text = [label, ...memberPath].join('.');
    const types = members.map(({ type }) => type);
    const dimensions = memberDimensions(source, types, label, memberPath, recordOf);
    const absence: Dimension = {
      name: text,
      read: name,
      values: [
        { text: 'there', put: () => undefined },
        { text: 'not there', put: (draft) => Reflect.deleteProperty(nestedRecord(recordOf(draft), path), name) },
      ],
    };
    return optional ? [...dimensions, absence] : dimensions;
  });
}

/** @param types the earlier declaration's and the later one's; at least one */
function memberDimensions(
  source: DimensionSource,
  types: readonly CedarType[],
  label: string,
  memberPath: readonly string[],
  recordOf: (draft: RequestDraft) => Record<string, unknown>,
): Dimension[] {
  const records = types.flatMap((candidate) => (candidate.kind === 'Record' ? [candidate.members] : []));
  if (records.length > 0) {
    // The record is there even where none of its members are.
    const presence: Dimension = {
      name: [label, ...memberPath].join('.'),
      read: '',
      values: [{ text: 'there', put: (d) => void nestedRecord(recordOf(d), memberPath) }],
    };
    return [presence, ...attributeDimensions(source, records, label, memberPath, recordOf)];
  }
  const name = memberPath.at(-1) ?? '';
  const type = types.at(-1);
  if (type === undefined) return [];
  const isRead = source.reads.has(name);
  const values = listValues(
    makeValues(type, {
      literals: source.literals.of(name),
      ids: (entityType) => candidateIds(source, entityType),
      usual: USUAL_VALUES,
      day: NOON,
    }),
  ).slice(0, MAX_VALUES);
  return [
    {
      name: [label, ...memberPath].join('.'),
      read: name,
      values: (isRead ? values : values.slice(0, 1)).map((value) => ({
        text: JSON.stringify(value),
        put: (draft) => {
          nestedRecord(recordOf(draft), memberPath.slice(0, -1))[name] = value;
        },
      })),
    },
  ];
}

/** Ids of the request's own entities, of those that policies name, and one that no policy names. */
function candidateIds(
  { kind: { user, agent, resource, versions }, literals }: DimensionSource,
  entityTypeName: string,
): string[] {
  const object = objectTypeOf(versions, entityTypeName);
  return [
    ...(object === user ? [SYNTHETIC_IDS.user] : []),
    ...(object === agent ? [SYNTHETIC_IDS.agent] : []),
    ...(object === resource ? [SYNTHETIC_IDS.resource] : []),
    ...literals.entities.filter(({ type }) => type === entityTypeName).map(({ id }) => id),
    OTHER_TEXT,
  ];
}

/** The entity is one that a policy names by its id. */
export function identityDimensions(
  { kind, literals }: DimensionSource,
  role: keyof RequestDraft['ids'],
  entityTypeOf: (version: KindVersion) => EntityType,
): Dimension[] {
  const names = new Set(kind.versions.map((version) => entityTypeOf(version).name));
  const ids = literals.entities.filter(({ type }) => names.has(type)).slice(0, MAX_NAMED_ENTITIES);
  const values = [SYNTHETIC_IDS[role], ...ids.map(({ id }) => id)].map((id): DimensionValue => ({
    text: id,
    put: (draft) => {
      draft.ids[role] = id;
    },
  }));
  return ids.length === 0 ? [] : [{ name: `${role}'s id`, read: '', values }];
}

/** Dimensions of `context.action` or `context.request`: what the caller states in the request itself. */
export function requestDimensions(source: DimensionSource, name: 'action' | 'request'): Dimension[] {
  const declared = source.kind.versions.flatMap(({ action }) => {
    const type = action.context[name]?.type;
    return type?.kind === 'Record' ? [type.members] : [];
  });
  const part = name === 'action' ? 'action' : 'context';
  return attributeDimensions(source, declared, `context.${name}`, [], ({ statements }) => statements[part]);
}

function objectTypeOf(versions: readonly KindVersion[], entityType: string): string {
  const objects = versions.map(({ rules }) => rules.vocabulary.objectOf(entityType));
  return objects.find((object) => object !== entityType) ?? entityType;
}

/** @returns the record at the path, which is made where it doesn't exist */
function nestedRecord(record: Record<string, unknown>, path: readonly string[]): Record<string, unknown> {
  return path.reduce<Record<string, unknown>>(
    (parent, name) => (parent[name] ??= {}) as Record<string, unknown>,
    record,
  );
}
