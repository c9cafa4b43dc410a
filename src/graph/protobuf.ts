/** Converts between Remit's types and SpiceDB's protobuf messages, in which ids are encoded. */
import { v1 } from '@authzed/authzed-node';
import { decodeId, encodeId, type EntityRef } from '../model/ids.js';
import type { Relationship, RelationshipUpdate } from '../model/relationships.js';
import { toExactFilter, type RelationshipFilter, type WriteCondition } from './port.js';
import type { CheckRequest } from '../model/checks.js';

const PROTO_OPERATIONS = {
  create: v1.RelationshipUpdate_Operation.CREATE,
  touch: v1.RelationshipUpdate_Operation.TOUCH,
  delete: v1.RelationshipUpdate_Operation.DELETE,
} as const;

export function toProtoCheck(check: CheckRequest): v1.CheckBulkPermissionsRequestItem {
  return v1.CheckBulkPermissionsRequestItem.create({
    resource: { objectType: check.resource.type, objectId: encodeId(check.resource.id) },
    permission: check.permission,
    subject: { object: { objectType: check.subject.type, objectId: encodeId(check.subject.id) }, optionalRelation: '' },
    ...(check.context === undefined ? {} : { context: toProtoStruct(check.context) }),
  });
}

export function toProtoUpdate({ operation, relationship }: RelationshipUpdate): v1.RelationshipUpdate {
  return v1.RelationshipUpdate.create({
    operation: PROTO_OPERATIONS[operation],
    relationship: toProtoRelationship(relationship),
  });
}

function toProtoRelationship(relationship: Relationship): v1.Relationship {
  return v1.Relationship.create({
    resource: { objectType: relationship.resource.type, objectId: encodeId(relationship.resource.id) },
    relation: relationship.relation,
    subject: {
      object: {
        objectType: relationship.subject.type,
        objectId: relationship.wildcard === true ? '*' : encodeId(relationship.subject.id),
      },
      optionalRelation: relationship.subject.relation ?? '',
    },
    ...(relationship.caveat === undefined
      ? {}
      : {
          optionalCaveat: { caveatName: relationship.caveat.name, context: toProtoStruct(relationship.caveat.context) },
        }),
    ...(relationship.expiresAt === undefined
      ? {}
      : { optionalExpiresAt: toProtoTimestamp(new Date(relationship.expiresAt)) }),
  });
}

export function fromProtoRelationship(message: v1.Relationship): Relationship {
  const subject = message.subject?.object;
  const wildcard = subject?.objectId === '*';
  const relation = message.subject?.optionalRelation ?? '';
  const { optionalCaveat: caveat, optionalExpiresAt: expiration } = message;
  return {
    resource: { type: message.resource?.objectType ?? '', id: decodeId(message.resource?.objectId ?? '') },
    relation: message.relation,
    subject: {
      type: subject?.objectType ?? '',
      id: wildcard ? '*' : decodeId(subject?.objectId ?? ''),
      ...(relation === '' ? {} : { relation }),
    },
    ...(wildcard ? { wildcard } : {}),
    ...(caveat === undefined ? {} : { caveat: { name: caveat.caveatName, context: fromProtoStruct(caveat.context) } }),
    ...(expiration === undefined
      ? {}
      : {
          expiresAt: new Date(Number(expiration.seconds) * 1000 + expiration.nanos / 1e6)
            .toISOString()
            .replace('.000Z', 'Z'),
        }),
  };
}

export function toProtoFilter(filter: RelationshipFilter): v1.RelationshipFilter {
  const { resourceId, relation, subjectType, subjectId, subjectRelation, wildcard } = filter;
  return v1.RelationshipFilter.create({
    resourceType: filter.resourceType,
    optionalResourceId: optionalId(resourceId),
    optionalResourceIdPrefix: '',
    optionalRelation: relation ?? '',
    ...(subjectType === undefined
      ? {}
      : {
          optionalSubjectFilter: {
            subjectType,
            optionalSubjectId: wildcard === true ? '*' : optionalId(subjectId),
            ...(subjectRelation === undefined ? {} : { optionalRelation: { relation: subjectRelation } }),
          },
        }),
  });
}

export function toProtoPreconditions({ absent }: WriteCondition): v1.Precondition[] {
  return absent.map((relationship) =>
    v1.Precondition.create({
      operation: v1.Precondition_Operation.MUST_NOT_MATCH,
      filter: toProtoFilter(toExactFilter(relationship)),
    }),
  );
}

/** The encoded id; the empty text, which protobuf takes for absent, where there is none. */
function optionalId(id: string | undefined): string {
  return id === undefined ? '' : encodeId(id);
}

function toProtoTimestamp(date: Date): { seconds: string; nanos: number } {
  const ms = date.getTime();
  return { seconds: String(Math.floor(ms / 1000)), nanos: (((ms % 1000) + 1000) % 1000) * 1e6 };
}

export function toProtoSubject({ type, id }: EntityRef): v1.SubjectReference {
  return v1.SubjectReference.create({ object: { objectType: type, objectId: encodeId(id) }, optionalRelation: '' });
}

type ProtoStruct = NonNullable<v1.CheckBulkPermissionsRequestItem['context']>;
type ProtoValue = ProtoStruct['fields'][string];

export function toProtoStruct(value: Readonly<Record<string, unknown>>): ProtoStruct {
  return { fields: Object.fromEntries(Object.entries(value).map(([k, v]) => [k, toProtoValue(v)])) };
}

function toProtoValue(value: unknown): ProtoValue {
  if (typeof value === 'string') return { kind: { oneofKind: 'stringValue', stringValue: value } };
  if (typeof value === 'number') return { kind: { oneofKind: 'numberValue', numberValue: value } };
  if (typeof value === 'boolean') return { kind: { oneofKind: 'boolValue', boolValue: value } };
  if (Array.isArray(value)) return { kind: { oneofKind: 'listValue', listValue: { values: value.map(toProtoValue) } } };
  if (typeof value === 'object' && value !== null) {
    return { kind: { oneofKind: 'structValue', structValue: toProtoStruct(value as Record<string, unknown>) } };
  }
  return { kind: { oneofKind: 'nullValue', nullValue: v1.PbNullValue.NULL_VALUE } };
}

function fromProtoStruct(struct: ProtoStruct | undefined): Record<string, unknown> {
  return Object.fromEntries(Object.entries(struct?.fields ?? {}).map(([k, v]) => [k, fromProtoValue(v)]));
}

function fromProtoValue({ kind }: ProtoValue): unknown {
  switch (kind.oneofKind) {
    case 'stringValue':
      return kind.stringValue;
    case 'numberValue':
      return kind.numberValue;
    case 'boolValue':
      return kind.boolValue;
    case 'listValue':
      return kind.listValue.values.map(fromProtoValue);
    case 'structValue':
      return fromProtoStruct(kind.structValue);
    default:
      return null;
  }
}
