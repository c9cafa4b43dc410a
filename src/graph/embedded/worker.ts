/** The thread in which the embedded SpiceDB runs, with its store in memory; {@link EmbeddedGraph} calls it. */
import { v1 } from '@authzed/authzed-node';
import type { CheckRequest } from '../../model/checks.js';
import type { Relationship, RelationshipUpdate } from '../../model/relationships.js';
import { serveWorkerCalls } from '../../runtime/worker-thread.js';
import type { AnswerWithoutRevision } from '../errors.js';
import type {
  RelationshipFilter,
  ResourceLookup,
  ResourceLookupResult,
  SubjectLookup,
  SubjectLookupResult,
} from '../port.js';
import { fromProtoRelationship, toProtoUpdate } from '../protobuf.js';
import { GraphSchema } from '../schema/schema.js';
import { FULLY_CONSISTENT, lookupResources, lookupSubjects, readRelationships } from '../spicedb-api.js';
import { EmbeddedClient } from './client.js';
import { checkAtOneRevision } from './traced-check.js';

await serveWorkerCalls(async ({ schema: schemaText }: { schema: string }) => {
  const client = await EmbeddedClient.start(schemaText);
  const schema = GraphSchema.parse(schemaText, 'schema');
  return {
    ready: (): void => undefined,
    check: (checks: readonly CheckRequest[]): Promise<AnswerWithoutRevision[]> =>
      checkAtOneRevision(client, schema, checks),
    lookupResources: (lookup: ResourceLookup): Promise<ResourceLookupResult> =>
      lookupResources(client, lookup, FULLY_CONSISTENT),
    lookupSubjects: (lookup: SubjectLookup): Promise<SubjectLookupResult> =>
      lookupSubjects(client, lookup, FULLY_CONSISTENT),
    write: (updates: readonly RelationshipUpdate[]): Promise<void> =>
      client.writeRelationships(v1.WriteRelationshipsRequest.create({ updates: updates.map(toProtoUpdate) })),
    read: async ({ filter, limit }: { filter: RelationshipFilter; limit: number }): Promise<Relationship[]> => {
      const relationships = await readRelationships(client, filter, limit, FULLY_CONSISTENT);
      return relationships.map(fromProtoRelationship);
    },
    close: (): Promise<void> => client.close(),
  };
});
