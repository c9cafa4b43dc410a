/** Between Remit's words and SpiceDB's protobuf messages. */
import { v1 } from '@authzed/authzed-node';
import { decodeId, encodeId, type EntityRef } from '../model/ids.js';
import type { Relationship, RelationshipUpdate } from '../model/relationships.js';
import type { RelationshipFilter } from './port.js';
import type { AskedCheck } from '../model/checks.js';

const OPERATIONS = {
  create: v1.RelationshipUpdate_Operation.CREATE,
  touch: v1.RelationshipUpdate_Operation.TOUCH,
  delete: v1.RelationshipUpdate_Operation.DELETE,
} as const;

export function toItem(check: AskedCheck): v1.CheckBulkPermissionsRequestItem {
  return v1.CheckBulkPermissionsRequestItem.create({
    resource: { objectType: check.resource.type, objectId: encodeId(check.resource.id) },
    permission: check.permission,
    subject: { object: { objectType: check.subject.type, objectId: encodeId(check.subject.id) }, optionalRelation: '' },
    ...(check.context === undefined ? {} : { context: struct(check.context) }),
  });
}

export function toUpdate({ operation, relationship }: RelationshipUpdate): v1.RelationshipUpdate {
  return v1.RelationshipUpdate.create({ operation: OPERATIONS[operation], relationship: toRelationship(relationship) });
}

function toRelationship(r: Relationship): v1.Relationship {
  return v1.Relationship.create({
    resource: { objectType: r.resource.type, objectId: encodeId(r.resource.id) },
    relation: r.relation,
    subject: {
      object: { objectType: r.subject.type, objectId: r.wildcard === true ? '*' : encodeId(r.subject.id) },
      optionalRelation: r.subject.relation ?? '',
    },
    ...(r.caveat === undefined
      ? {}
      : { optionalCaveat: { caveatName: r.caveat.name, context: struct(r.caveat.context) } }),
    ...(r.expiresAt === undefined ? {} : { optionalExpiresAt: timestamp(new Date(r.expiresAt)) }),
  });
}

export function fromRelationship(r: v1.Relationship): Relationship {
  const subject = r.subject?.object;
  const wildcard = subject?.objectId === '*';
  const relation = r.subject?.optionalRelation ?? '';
  const { optionalCaveat: caveat, optionalExpiresAt: expires } = r;
  return {
    resource: { type: r.resource?.objectType ?? '', id: decodeId(r.resource?.objectId ?? '') },
    relation: r.relation,
    subject: {
      type: subject?.objectType ?? '',
      id: wildcard ? '*' : decodeId(subject?.objectId ?? ''),
      ...(relation === '' ? {} : { relation }),
    },
    ...(wildcard ? { wildcard } : {}),
    ...(caveat === undefined ? {} : { caveat: { name: caveat.caveatName, context: fromStruct(caveat.context) } }),
    ...(expires === undefined
      ? {}
      : {
          expiresAt: new Date(Number(expires.seconds) * 1000 + expires.nanos / 1e6).toISOString().replace('.000Z', 'Z'),
        }),
  };
}

/** A filter that also tells usersets and the wildcard from plain subjects. */
export interface RowFilter extends RelationshipFilter {
  /** Only subjects with this relation; the empty text: only those without one. */
  readonly subjectRelation?: string | undefined;
  /** Only the wildcard of the subject's type. */
  readonly everyone?: boolean | undefined;
}

export function toFilter(filter: RowFilter): v1.RelationshipFilter {
  const { resourceId, relation, subjectType, subjectId, subjectRelation, everyone } = filter;
  return v1.RelationshipFilter.create({
    resourceType: filter.resourceType,
    optionalResourceId: resourceId === undefined ? '' : encodeId(resourceId),
    optionalResourceIdPrefix: '',
    optionalRelation: relation ?? '',
    ...(subjectType === undefined
      ? {}
      : {
          optionalSubjectFilter: {
            subjectType,
            optionalSubjectId: everyone === true ? '*' : subjectId === undefined ? '' : encodeId(subjectId),
            ...(subjectRelation === undefined ? {} : { optionalRelation: { relation: subjectRelation } }),
          },
        }),
  });
}

function timestamp(date: Date): { seconds: string; nanos: number } {
  const ms = date.getTime();
  return { seconds: String(Math.floor(ms / 1000)), nanos: (((ms % 1000) + 1000) % 1000) * 1e6 };
}

/** What every lookup says of its subject and its context. */
export function subjectReference({ type, id }: EntityRef): v1.SubjectReference {
  return v1.SubjectReference.create({ object: { objectType: type, objectId: encodeId(id) }, optionalRelation: '' });
}

type Struct = NonNullable<v1.CheckBulkPermissionsRequestItem['context']>;
type Value = Struct['fields'][string];

export function struct(value: Readonly<Record<string, unknown>>): Struct {
  return { fields: Object.fromEntries(Object.entries(value).map(([k, v]) => [k, toValue(v)])) };
}

function toValue(value: unknown): Value {
  if (typeof value === 'string') return { kind: { oneofKind: 'stringValue', stringValue: value } };
  if (typeof value === 'number') return { kind: { oneofKind: 'numberValue', numberValue: value } };
  if (typeof value === 'boolean') return { kind: { oneofKind: 'boolValue', boolValue: value } };
  if (Array.isArray(value)) return { kind: { oneofKind: 'listValue', listValue: { values: value.map(toValue) } } };
  if (typeof value === 'object' && value !== null) {
    return { kind: { oneofKind: 'structValue', structValue: struct(value as Record<string, unknown>) } };
  }
  return { kind: { oneofKind: 'nullValue', nullValue: v1.PbNullValue.NULL_VALUE } };
}

function fromStruct(s: Struct | undefined): Record<string, unknown> {
  return Object.fromEntries(Object.entries(s?.fields ?? {}).map(([k, v]) => [k, fromValue(v)]));
}

function fromValue({ kind }: Value): unknown {
  switch (kind.oneofKind) {
    case 'stringValue':
      return kind.stringValue;
    case 'numberValue':
      return kind.numberValue;
    case 'boolValue':
      return kind.boolValue;
    case 'listValue':
      return kind.listValue.values.map(fromValue);
    case 'structValue':
      return fromStruct(kind.structValue);
    default:
      return null;
  }
}
