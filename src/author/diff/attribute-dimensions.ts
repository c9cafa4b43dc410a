/** Dimensions of attributes and of members of the context: their values, and whether they are there. */
import type { CedarType, RecordMembers } from '../../policy/schema/types.js';
import { DAY_MS, listValues, makeValues, type UsualValues } from '../hypotheses/values.js';
import { MAX_VALUES, type Dimension, type DimensionSource } from './dimension.js';
import type { KindVersion } from './question-kinds.js';
import { NOON, OTHER_TEXT, SYNTHETIC_IDS, type RequestDraft } from './synthetic-record.js';

const USUAL_VALUES: UsualValues = {
  text: OTHER_TEXT,
  datetime: [DAY_MS, -DAY_MS].map((ms) => new Date(NOON.getTime() + ms).toISOString()),
  duration: ['0s'],
  decimal: ['0.0'],
  // An address that is set aside for documentation (RFC 5737).
  ipaddr: ['192.0.2.1'],
};

/**
 * Dimensions of the attributes that either side requires or that policies read.
 * @param declared the members by the earlier and the later rules
 * @param recordOf the record of the draft that has the members at `path`
 */
export function attributeDimensions(
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
    const isRead = source.reads.has(name);
    const isRequired = members.some(({ required }) => required);
    // What only one side requires is there, whether or not policies read it: the request must be complete for that side.
    if (!isRequired && !isRead) return [];
    const mayLack = members.length < declared.length || members.some(({ required }) => !required);
    const memberPath = [...path, name];
    const text = [label, ...memberPath].join('.');
    const typesToFit = isRequired ? members.filter(({ required }) => required) : members;
    const types = typesToFit.map(({ type }) => type);
    const dimensions = memberDimensions(source, types, label, memberPath, recordOf);
    const absence: Dimension = {
      name: text,
      read: name,
      values: [
        { text: 'there', put: () => undefined },
        { text: 'not there', put: (draft) => Reflect.deleteProperty(nestedRecord(recordOf(draft), path), name) },
      ],
    };
    return mayLack && isRead ? [...dimensions, absence] : dimensions;
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
export function candidateIds(
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

export function objectTypeOf(versions: readonly KindVersion[], entityType: string): string {
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
