/**
 * A SpiceDB server as a {@link GraphEngine}: the one that a platform operates, for any number of replicas of Remit. The
 * service opens it where the configuration names a server. Others write to it, so a cached answer is used only where its
 * revision is known to be the newest (revision-cache.ts).
 */
import { v1 } from '@authzed/authzed-node';
import { BadRequest, ConfigError, Fault } from '../../model/faults.js';
import type { CheckAnswer, CheckRequest, ReadConsistency } from '../../model/checks.js';
import type { RelationshipUpdate } from '../../model/relationships.js';
import type { EngineCallListener } from '../../telemetry/engine-calls.js';
import type { EngineStats } from '../../telemetry/engine-stats.js';
import { CheckQueue } from '../check-queue.js';
import { toFailureAnswer, toGraphError, toWriteError } from '../errors.js';
import {
  isExactly,
  type GraphCounts,
  type GraphEngine,
  type RelationshipFilter,
  type WriteCondition,
  type RelationshipList,
  type ResourceLookup,
  type ResourceLookupResult,
  type SubjectLookup,
  type SubjectLookupResult,
} from '../port.js';
import { fromProtoRelationship, toProtoPreconditions, toProtoStruct, toProtoUpdate } from '../protobuf.js';
import type { GraphSchema } from '../schema/schema.js';
import * as api from '../spicedb-api.js';
import { ServerChecker } from './checker.js';
import { Connection } from './connection.js';
import type { ServerAddress } from './grpc-client.js';
import { retryUntilReady } from './retry-until-ready.js';
import { checkThroughCache } from '../cached-checks.js';
import { ServerLookups } from './lookups.js';
import { RevisionCache } from './revision-cache.js';
import { RevisionMonitor, type RevisionMonitorOptions } from './revision-monitor.js';
import { compareServerSchema } from './schema-diff.js';
import { summarizeDifferences } from './schema-monitor.js';
import { findTransactionChanges } from './transaction-changes.js';
import { ZedTokenVerifier } from './zedtoken-verifier.js';

/** Checks of one call: a server works on those of one call side by side, and refuses more than ten thousand. */
const SERVER_BULK_SIZE = 500;
/** Calls with checks under way at once. */
const CONCURRENT_BULKS = 4;

export interface GraphServerOptions extends ServerAddress, RevisionMonitorOptions {
  /** The time in milliseconds that a decision may take: calls that one waits for take no longer. */
  readonly deadlineMs: number;
  /** The time in milliseconds that a start waits for a SpiceDB that isn't there yet. */
  readonly startTimeoutMs?: number;
  readonly watch?: EngineCallListener | undefined;
}

export class ServerGraph implements GraphEngine {
  private readonly queue: CheckQueue;
  private readonly cache: RevisionCache;
  private readonly lookups: ServerLookups;
  private readonly checker: ServerChecker;
  private readonly monitor: RevisionMonitor;
  private readonly tokens: ZedTokenVerifier;

  private constructor(
    private readonly connection: Connection,
    schema: GraphSchema,
    private readonly options: GraphServerOptions,
  ) {
    const { deadlineMs } = options;
    this.cache = new RevisionCache(schema, options.consistency === 'bounded', (since, transactions) =>
      findTransactionChanges(connection, since, transactions),
    );
    this.lookups = new ServerLookups(connection, schema, this.cache, options);
    this.monitor = new RevisionMonitor(connection, schema, this.cache, options);
    this.tokens = new ZedTokenVerifier(connection, anyDefinition(schema));
    this.checker = new ServerChecker(connection, schema, this.cache, {
      deadlineMs,
      onRevision: (revision) => this.tokens.noteDatastore(revision),
    });
    this.queue = new CheckQueue(this.checker, {
      bulkSize: SERVER_BULK_SIZE,
      concurrentBulks: CONCURRENT_BULKS,
      maxWaitMs: deadlineMs,
    });
  }

  /**
   * Connects and compares the server's schema with the file's; writes nothing.
   * @throws ConfigError where they differ, or the server refuses key or certificate; Fault where it doesn't answer
   */
  static async start(schema: GraphSchema, { startTimeoutMs, ...options }: GraphServerOptions): Promise<ServerGraph> {
    const connection = new Connection(options, options.deadlineMs, options.watch);
    try {
      const { differences, readAt } = await retryUntilReady(
        () => compareServerSchema(connection, schema),
        options,
        startTimeoutMs,
      );
      const summary = summarizeDifferences(differences);
      if (summary !== undefined)
        throw new ConfigError(
          `differs from the schema of SpiceDB at ${options.endpoint}, which "remit migrate" changes: ${summary}`,
          schema.file,
        );
      connection.enableBreaker(anyDefinition(schema), options.log ?? (() => undefined));
      const graph = new ServerGraph(connection, schema, options);
      graph.tokens.noteDatastore(readAt);
      return graph;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  async check(checks: readonly CheckRequest[], consistency: ReadConsistency): Promise<readonly CheckAnswer[]> {
    const resolved = await this.resolveConsistency(consistency).catch((error: unknown) => {
      if (error instanceof BadRequest) throw error;
      return toFailureAnswer(error) as CheckAnswer;
    });
    if (typeof resolved !== 'string' && 'result' in resolved) return checks.map(() => resolved);
    if (isExactly(resolved)) return this.checkExactly(checks, resolved);
    // SpiceDB chooses the revision of the first bulk; what doesn't fit into it is asked at the same.
    const first = await this.queue.check(checks.slice(0, SERVER_BULK_SIZE), resolved);
    const rest = checks.slice(SERVER_BULK_SIZE);
    if (rest.length === 0) return first;
    const revision = first.find((answer) => 'revision' in answer)?.revision;
    if (revision === undefined) return [...first, ...(await this.check(rest, consistency))];
    return [...first, ...(await this.checkExactly(rest, { exactly: revision }))];
  }

  private checkExactly(
    checks: readonly CheckRequest[],
    consistency: { readonly exactly: string },
  ): Promise<readonly CheckAnswer[]> {
    const getCached = (check: CheckRequest): CheckAnswer | undefined =>
      this.cache.getAnswer(check, consistency.exactly);
    return checkThroughCache(checks, getCached, (uncached) => this.queue.check(uncached, consistency));
  }

  tokenProblem(token: string): string | undefined {
    return this.tokens.tokenProblem(token);
  }

  async lookupResources(lookup: ResourceLookup, consistency: ReadConsistency): Promise<ResourceLookupResult> {
    return this.lookups.lookupResources(lookup, await this.resolveConsistency(consistency));
  }

  async lookupSubjects(lookup: SubjectLookup, consistency: ReadConsistency): Promise<SubjectLookupResult> {
    return this.lookups.lookupSubjects(lookup, await this.resolveConsistency(consistency));
  }

  /** The writer's name goes into the metadata of SpiceDB's transaction, which its Watch API shows. */
  write(updates: readonly RelationshipUpdate[], by: string, condition?: WriteCondition): Promise<string> {
    const request = v1.WriteRelationshipsRequest.create({
      updates: updates.map(toProtoUpdate),
      optionalPreconditions: condition === undefined ? [] : toProtoPreconditions(condition),
      optionalTransactionMetadata: toProtoStruct({ written_by: by }),
    });
    return this.cache.write(updates, async () => {
      try {
        const { writtenAt } = await this.connection.writeRelationships(request);
        if (writtenAt === undefined)
          throw new Fault('write_unconfirmed', 'SpiceDB answered a write without a ZedToken');
        this.tokens.trust(writtenAt.token);
        return writtenAt.token;
      } catch (error) {
        throw toWriteError(error, 'updates');
      }
    });
  }

  async read(filter: RelationshipFilter, limit: number, consistency: ReadConsistency): Promise<RelationshipList> {
    try {
      const resolved = await this.resolveConsistency(consistency);
      const at = api.toProtoConsistency(resolved);
      const { relationships, revision } = await api.readRelationships(this.connection, filter, limit, at);
      return {
        relationships: relationships.map(fromProtoRelationship),
        revision: isExactly(resolved) ? resolved.exactly : revision,
      };
    } catch (error) {
      throw toGraphError(error);
    }
  }

  /** Writes nothing to the server: it must have the schema already. */
  async startSuccessor(schema: GraphSchema, onReady: (next: GraphEngine) => void): Promise<void> {
    onReady(await ServerGraph.start(schema, this.options));
  }

  stats(): EngineStats {
    return this.connection.stats();
  }

  counts(): GraphCounts {
    return { caches: { ...this.checker.caches, ...this.lookups.caches }, ...this.queue.counts() };
  }

  close(): Promise<void> {
    this.monitor.stop();
    this.connection.close();
    return Promise.resolve();
  }

  /**
   * The freshness or the revision to ask SpiceDB with. Where the newest revision is known, `full` is that one: what is
   * cached of it can be used.
   * @throws BadRequest where the token is none of this server's; Fault, also where the server's schema doesn't fit
   */
  private async resolveConsistency(consistency: ReadConsistency): Promise<ReadConsistency> {
    this.monitor.assertSchemaFits();
    if (isExactly(consistency)) return consistency;
    // A ZedToken stands for a write that may be newer than what is known to be the newest.
    const resolved = await this.tokens.resolve(consistency);
    const newest = resolved === 'full' ? this.monitor.newestRevision() : undefined;
    return newest === undefined ? resolved : { exactly: newest };
  }
}

/** Any definition, for a question whose answer doesn't matter. */
function anyDefinition(schema: GraphSchema): string {
  return schema.definitionNames()[0] ?? '';
}
