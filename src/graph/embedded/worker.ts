/** The thread in which the embedded SpiceDB runs, with its store in memory; {@link EmbeddedGraph} calls it. */
import { v1 } from '@authzed/authzed-node';
import type { CheckRequest } from '../../model/checks.js';
import type { RelationshipUpdate } from '../../model/relationships.js';
import { serveWorkerCalls } from '../../runtime/worker-thread.js';
import type { AnswerWithoutRevision } from '../errors.js';
import type {
  RelationshipFilter,
  RelationshipList,
  ResourceLookup,
  ResourceLookupResult,
  SubjectLookup,
  SubjectLookupResult,
} from '../port.js';
import { fromProtoRelationship, toProtoUpdate } from '../protobuf.js';
import { GraphSchema } from '../schema/schema.js';
import {
  atExactSnapshot,
  FULLY_CONSISTENT,
  lookupResources,
  lookupSubjects,
  readRelationships,
  toBulkRequest,
} from '../spicedb-api.js';
import { EmbeddedClient } from './client.js';
import { checkAtRevision } from './traced-check.js';

/** A call to be answered at a revision, which is a ZedToken of SpiceDB's own. */
type AtRevisionCall<T> = T & { readonly revision: string };

/** A bulk of nothing, whose answer names the newest revision. */
const NO_CHECKS = toBulkRequest([], FULLY_CONSISTENT, false);

function requireRevision(token: v1.ZedToken | undefined): string {
  if (token === undefined) throw new TypeError('SpiceDB has answered without a revision');
  return token.token;
}

await serveWorkerCalls(async ({ schema: schemaText }: { schema: string }) => {
  const client = await EmbeddedClient.start(schemaText);
  const schema = GraphSchema.parse(schemaText, 'schema');
  return {
    /** The newest revision. */
    ready: async (): Promise<string> =>
      requireRevision(await client.checkBulkPermissions(NO_CHECKS).then((r) => r.checkedAt)),
    check: ({
      checks,
      revision,
    }: AtRevisionCall<{ checks: readonly CheckRequest[] }>): Promise<AnswerWithoutRevision[]> =>
      checkAtRevision(client, schema, checks, revision),
    lookupResources: ({
      lookup,
      revision,
    }: AtRevisionCall<{ lookup: ResourceLookup }>): Promise<ResourceLookupResult> =>
      lookupResources(client, lookup, atExactSnapshot(revision)),
    lookupSubjects: ({ lookup, revision }: AtRevisionCall<{ lookup: SubjectLookup }>): Promise<SubjectLookupResult> =>
      lookupSubjects(client, lookup, atExactSnapshot(revision)),
    /** Writes all or none, and returns the new revision. */
    write: async (updates: readonly RelationshipUpdate[]): Promise<string> => {
      const request = v1.WriteRelationshipsRequest.create({ updates: updates.map(toProtoUpdate) });
      return requireRevision((await client.writeRelationships(request)).writtenAt);
    },
    read: async ({
      filter,
      limit,
      revision,
    }: AtRevisionCall<{ filter: RelationshipFilter; limit: number }>): Promise<RelationshipList> => {
      const { relationships } = await readRelationships(client, filter, limit, atExactSnapshot(revision));
      return { relationships: relationships.map(fromProtoRelationship), revision };
    },
    close: (): Promise<void> => client.close(),
  };
});
