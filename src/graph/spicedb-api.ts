/** SpiceDB's API in Remit's types, over any client: the embedded engine's worker and the server's connection share it. */
import { v1 } from '@authzed/authzed-node';
import { decodeId, encodeId, isForeignId } from '../model/ids.js';
import { toProtoStruct, toProtoSubject, toProtoFilter, toProtoCheck } from './protobuf.js';
import type {
  RelationshipFilter,
  ResourceLookup,
  ResourceLookupResult,
  SubjectLookup,
  SubjectLookupResult,
} from './port.js';
import type { CheckRequest, ReadConsistency } from '../model/checks.js';

/** The calls of SpiceDB's API that decisions need. Streams come as lists; lookups have a time limit in milliseconds. */
export interface SpiceDBClient {
  checkBulkPermissions(request: v1.CheckBulkPermissionsRequest): Promise<v1.CheckBulkPermissionsResponse>;
  readRelationships(request: v1.ReadRelationshipsRequest): Promise<v1.ReadRelationshipsResponse[]>;
  lookupResources(request: v1.LookupResourcesRequest, withinMs: number): Promise<v1.LookupResourcesResponse[]>;
  lookupSubjects(request: v1.LookupSubjectsRequest, withinMs: number): Promise<v1.LookupSubjectsResponse[]>;
}

export type CheckTrace = NonNullable<NonNullable<v1.CheckPermissionResponse['debugTrace']>['check']>;

/** A member of traced items' context: no caveat's parameter can have that name. */
const ITEM_PARAMETER = '#item';
/** SpiceDB's own limit on one page of relationships, or of a lookup's results. */
const MAX_PAGE_SIZE = 1000;

export const FULLY_CONSISTENT: v1.Consistency = {
  requirement: { oneofKind: 'fullyConsistent', fullyConsistent: true },
};

function atLeastAsFresh(token: string): v1.Consistency {
  return { requirement: { oneofKind: 'atLeastAsFresh', atLeastAsFresh: { token } } };
}

export function atExactSnapshot(token: string): v1.Consistency {
  return { requirement: { oneofKind: 'atExactSnapshot', atExactSnapshot: { token } } };
}

export function toProtoConsistency(consistency: ReadConsistency): v1.Consistency {
  if (consistency === 'full') return FULLY_CONSISTENT;
  return 'exactly' in consistency ? atExactSnapshot(consistency.exactly) : atLeastAsFresh(consistency.atLeast);
}

export function toBulkRequest(
  checks: readonly CheckRequest[],
  consistency: v1.Consistency,
  withTracing: boolean,
): v1.CheckBulkPermissionsRequest {
  // SpiceDB works on items of one subject and permission together and traces them as one; a context of its own keeps
  // each traced item apart.
  const items = checks.map((c, i) =>
    toProtoCheck(withTracing ? { ...c, context: { ...c.context, [ITEM_PARAMETER]: i } } : c),
  );
  return v1.CheckBulkPermissionsRequest.create({ consistency, withTracing, items });
}

/** Relationships that were read, and the revision that they are of, as a ZedToken; undefined where there are none. */
export interface RelationshipMessages {
  readonly relationships: readonly v1.Relationship[];
  readonly revision: string | undefined;
}

/** Reads up to `limit` relationships of one revision, in pages of the size that SpiceDB allows. */
export async function readRelationships(
  client: SpiceDBClient,
  filter: RelationshipFilter,
  limit: number,
  consistency: v1.Consistency,
): Promise<RelationshipMessages> {
  const relationships: v1.Relationship[] = [];
  let revision: string | undefined;
  // All pages have one size: SpiceDB continues only a call that is like the first.
  const optionalLimit = Math.min(limit, MAX_PAGE_SIZE);
  let cursor: v1.Cursor | undefined;
  do {
    const responses = await client.readRelationships(
      v1.ReadRelationshipsRequest.create({
        consistency,
        relationshipFilter: toProtoFilter(filter),
        optionalLimit,
        ...(cursor === undefined ? {} : { optionalCursor: cursor }),
      }),
    );
    for (const { relationship, readAt } of responses) {
      if (relationship !== undefined) relationships.push(relationship);
      revision ??= readAt?.token;
    }
    cursor = responses.length < optionalLimit ? undefined : responses.at(-1)?.afterResultCursor;
  } while (cursor !== undefined && relationships.length < limit);
  return { relationships: relationships.slice(0, limit), revision };
}

export async function lookupResources(
  client: SpiceDBClient,
  { resourceType, permission, subject, context, limit, withinMs }: ResourceLookup,
  consistency: v1.Consistency,
): Promise<ResourceLookupResult> {
  const until = performance.now() + withinMs;
  const responses: v1.LookupResourcesResponse[] = [];
  // Without a limit SpiceDB answers everything in one page.
  const optionalLimit = limit === undefined ? 0 : Math.min(limit, MAX_PAGE_SIZE);
  let complete = false;
  let cursor: v1.Cursor | undefined;
  while (!complete && (limit === undefined || responses.length < limit)) {
    const page = await client.lookupResources(
      v1.LookupResourcesRequest.create({
        consistency,
        resourceObjectType: resourceType,
        permission,
        subject: toProtoSubject(subject),
        optionalLimit,
        ...(context === undefined ? {} : { context: toProtoStruct(context) }),
        ...(cursor === undefined ? {} : { optionalCursor: cursor }),
      }),
      until - performance.now(),
    );
    for (const response of page) responses.push(response);
    cursor = page.at(-1)?.afterResultCursor;
    complete = optionalLimit === 0 || page.length < optionalLimit;
  }
  return {
    ...readFoundIds(responses.slice(0, limit).map((r) => r.resourceObjectId)),
    complete: complete && responses.length <= (limit ?? Infinity),
    revision: responses[0]?.lookedUpAt?.token,
  };
}

export async function lookupSubjects(
  client: SpiceDBClient,
  { resource, permission, subjectType, context, withinMs }: SubjectLookup,
  consistency: v1.Consistency,
): Promise<SubjectLookupResult> {
  const responses = await client.lookupSubjects(
    v1.LookupSubjectsRequest.create({
      consistency,
      resource: { objectType: resource.type, objectId: encodeId(resource.id) },
      permission,
      subjectObjectType: subjectType,
      ...(context === undefined ? {} : { context: toProtoStruct(context) }),
    }),
    withinMs,
  );
  const subjects = responses.flatMap(({ subject }) => subject?.subjectObjectId ?? []);
  const wildcard = responses.find(({ subject }) => subject?.subjectObjectId === '*');
  return {
    ...readFoundIds(subjects.filter((id) => id !== '*')),
    // A subject that is left out only with some context may hold it.
    wildcardExclusions: wildcard?.excludedSubjects
      .filter((s) => s.permissionship === v1.LookupPermissionship.HAS_PERMISSION)
      .map((s) => decodeId(s.subjectObjectId)),
    revision: responses[0]?.lookedUpAt?.token,
  };
}

/** Another application's ids are passed over: a question can't name them, so they are no results. */
function readFoundIds(encoded: readonly string[]): { readonly ids: readonly string[]; readonly foreign: number } {
  const decodedIds = encoded.map(decodeId);
  const ids = decodedIds.filter((id) => !isForeignId(id));
  return { ids: sortByCodePoints(ids), foreign: decodedIds.length - ids.length };
}

/** Each id once, in ascending order of code points. */
function sortByCodePoints(ids: readonly string[]): string[] {
  return [...new Set(ids)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}
