/** SpiceDB's API in Remit's words, over any client: the embedded engine's thread and the server's connection share it. */
import { v1 } from '@authzed/authzed-node';
import { decodeId, encodeId } from '../model/ids.js';
import { struct, subjectReference, toFilter, toItem, type RowFilter } from './protobuf.js';
import type { FoundResources, FoundSubjects, ResourceLookup, SubjectLookup } from './port.js';
import type { AskedCheck } from '../model/checks.js';
import { failure, isRefused, isTooLarge, OUTAGE, type Unrevised } from './errors.js';

/** What of SpiceDB's API decides. Streams come as lists; of lookups it is said how long they may take. */
export interface SpiceClient {
  checkBulkPermissions(request: v1.CheckBulkPermissionsRequest): Promise<v1.CheckBulkPermissionsResponse>;
  readRelationships(request: v1.ReadRelationshipsRequest): Promise<v1.ReadRelationshipsResponse[]>;
  lookupResources(request: v1.LookupResourcesRequest, withinMs: number): Promise<v1.LookupResourcesResponse[]>;
  lookupSubjects(request: v1.LookupSubjectsRequest, withinMs: number): Promise<v1.LookupSubjectsResponse[]>;
}

export type Trace = NonNullable<NonNullable<v1.CheckPermissionResponse['debugTrace']>['check']>;

export interface Answered {
  readonly answer: Unrevised;
  /** Only where it was asked for. */
  readonly trace?: Trace | undefined;
}

/** No name that a caveat's parameter can have. */
const ITEM = '#item';
/** SpiceDB's own limit on one page of relationships, or of what is looked up. */
const MAX_PAGE = 1000;

export const NOW: v1.Consistency = { requirement: { oneofKind: 'fullyConsistent', fullyConsistent: true } };

export function atLeast(token: string): v1.Consistency {
  return { requirement: { oneofKind: 'atLeastAsFresh', atLeastAsFresh: { token } } };
}

export function exactly(token: string): v1.Consistency {
  return { requirement: { oneofKind: 'atExactSnapshot', atExactSnapshot: { token } } };
}

export function bulkRequest(
  checks: readonly AskedCheck[],
  consistency: v1.Consistency,
  withTracing: boolean,
): v1.CheckBulkPermissionsRequest {
  // SpiceDB works on items of one subject and permission together, and their traces come out as one; a context of
  // its own keeps each traced item apart. No caveat asks for a parameter of that name.
  const items = checks.map((c, i) => toItem(withTracing ? { ...c, context: { ...c.context, [ITEM]: i } } : c));
  return v1.CheckBulkPermissionsRequest.create({ consistency, withTracing, items });
}

/**
 * One bulk call, and the revision that it was answered at. What is refused together is asked again in halves, and an
 * item that fails alone: one bad item must not deny its neighbours. An outage is everybody's, and not asked again.
 */
export async function checkTogether(
  client: SpiceClient,
  checks: readonly AskedCheck[],
  consistency: v1.Consistency,
  withTracing = false,
): Promise<{ readonly answers: readonly Answered[]; readonly at: string | undefined }> {
  try {
    const { pairs, checkedAt } = await client.checkBulkPermissions(bulkRequest(checks, consistency, withTracing));
    const answers = await Promise.all(
      checks.map(async (check, i) => {
        const pair = pairs[i];
        if (pair?.response.oneofKind !== 'error' || checks.length === 1) return answered(pair);
        const again = await checkTogether(client, [check], consistency, withTracing);
        return again.answers[0] ?? { answer: OUTAGE };
      }),
    );
    return { answers, at: checkedAt?.token };
  } catch (error) {
    const divisible = checks.length > 1 && (isRefused(error) || isTooLarge(error));
    if (!divisible) return { answers: checks.map(() => ({ answer: failure(error) })), at: undefined };
    const half = Math.ceil(checks.length / 2);
    const first = await checkTogether(client, checks.slice(0, half), consistency, withTracing);
    const later = first.at === undefined ? consistency : exactly(first.at);
    const second = await checkTogether(client, checks.slice(half), later, withTracing);
    return { answers: [...first.answers, ...second.answers], at: first.at ?? second.at };
  }
}

function answered(pair: v1.CheckBulkPermissionsPair | undefined): Answered {
  if (pair === undefined) return { answer: OUTAGE };
  const { response } = pair;
  if (response.oneofKind === 'error') return { answer: failure(response.error) };
  if (response.oneofKind !== 'item') return { answer: OUTAGE };
  const { permissionship, partialCaveatInfo, debugTrace } = response.item;
  switch (permissionship) {
    case v1.CheckPermissionResponse_Permissionship.HAS_PERMISSION:
      return { answer: { result: 'yes' }, trace: debugTrace?.check };
    case v1.CheckPermissionResponse_Permissionship.CONDITIONAL_PERMISSION:
      return { answer: { result: 'conditional', missing: partialCaveatInfo?.missingRequiredContext ?? [] } };
    case v1.CheckPermissionResponse_Permissionship.NO_PERMISSION:
      return { answer: { result: 'no' } };
    default:
      return { answer: OUTAGE };
  }
}

/** The one relationship by which a subject holds a relation that only takes single subjects, and when that was so. */
export async function direct(
  client: SpiceClient,
  { resource, permission, subject }: AskedCheck,
  consistency: v1.Consistency,
): Promise<{ readonly relationship: v1.Relationship; readonly at: string } | undefined> {
  const filter = {
    resourceType: resource.type,
    resourceId: resource.id,
    relation: permission,
    subjectType: subject.type,
    subjectId: subject.id,
    subjectRelation: '',
  };
  const [found] = await client.readRelationships(
    v1.ReadRelationshipsRequest.create({ consistency, relationshipFilter: toFilter(filter), optionalLimit: 1 }),
  );
  const { relationship, readAt } = found ?? {};
  return relationship === undefined || readAt === undefined ? undefined : { relationship, at: readAt.token };
}

/** Up to `limit`, in pages that SpiceDB allows. */
export async function rows(
  client: SpiceClient,
  filter: RowFilter,
  limit: number,
  consistency: v1.Consistency,
): Promise<v1.Relationship[]> {
  const found: v1.Relationship[] = [];
  // Of one size: SpiceDB goes on only with a call that is like the first.
  const optionalLimit = Math.min(limit, MAX_PAGE);
  let cursor: v1.Cursor | undefined;
  do {
    const responses = await client.readRelationships(
      v1.ReadRelationshipsRequest.create({
        consistency,
        relationshipFilter: toFilter(filter),
        optionalLimit,
        ...(cursor === undefined ? {} : { optionalCursor: cursor }),
      }),
    );
    for (const { relationship } of responses) if (relationship !== undefined) found.push(relationship);
    cursor = responses.length < optionalLimit ? undefined : responses.at(-1)?.afterResultCursor;
  } while (cursor !== undefined && found.length < limit);
  return found.slice(0, limit);
}

export async function lookupResources(
  client: SpiceClient,
  { resourceType, permission, subject, context, limit, withinMs }: ResourceLookup,
  consistency: v1.Consistency,
): Promise<FoundResources> {
  const until = performance.now() + withinMs;
  const found: v1.LookupResourcesResponse[] = [];
  // Without a limit SpiceDB answers all at once.
  const optionalLimit = limit === undefined ? 0 : Math.min(limit, MAX_PAGE);
  let complete = false;
  let cursor: v1.Cursor | undefined;
  while (!complete && (limit === undefined || found.length < limit)) {
    const page = await client.lookupResources(
      v1.LookupResourcesRequest.create({
        consistency,
        resourceObjectType: resourceType,
        permission,
        subject: subjectReference(subject),
        optionalLimit,
        ...(context === undefined ? {} : { context: struct(context) }),
        ...(cursor === undefined ? {} : { optionalCursor: cursor }),
      }),
      until - performance.now(),
    );
    for (const one of page) found.push(one);
    cursor = page.at(-1)?.afterResultCursor;
    complete = optionalLimit === 0 || page.length < optionalLimit;
  }
  return {
    ids: inOrder(found.slice(0, limit).map((r) => decodeId(r.resourceObjectId))),
    complete: complete && found.length <= (limit ?? Infinity),
  };
}

export async function lookupSubjects(
  client: SpiceClient,
  { resource, permission, subjectType, context, withinMs }: SubjectLookup,
  consistency: v1.Consistency,
): Promise<FoundSubjects> {
  const found = await client.lookupSubjects(
    v1.LookupSubjectsRequest.create({
      consistency,
      resource: { objectType: resource.type, objectId: encodeId(resource.id) },
      permission,
      subjectObjectType: subjectType,
      ...(context === undefined ? {} : { context: struct(context) }),
    }),
    withinMs,
  );
  const subjects = found.flatMap(({ subject }) => subject?.subjectObjectId ?? []);
  const everyone = found.find(({ subject }) => subject?.subjectObjectId === '*');
  return {
    ids: inOrder(subjects.filter((id) => id !== '*').map(decodeId)),
    // Whoever is only perhaps left out may hold it.
    everyoneBut: everyone?.excludedSubjects
      .filter((s) => s.permissionship === v1.LookupPermissionship.HAS_PERMISSION)
      .map((s) => decodeId(s.subjectObjectId)),
  };
}

/** By code points, whatever the store's order, each once. */
function inOrder(ids: readonly string[]): string[] {
  return [...new Set(ids)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}
