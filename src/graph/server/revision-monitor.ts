/**
 * Watches a SpiceDB server: whether its schema still fits and, with `consistency: bounded`, which revision is its newest,
 * so that answers of that revision can be cached.
 */
import type { GraphSchema } from '../schema/schema.js';
import type { CacheCountsByName } from '../../telemetry/counted-cache.js';
import * as api from '../spicedb-api.js';
import type { Connection } from './connection.js';
import { SchemaMonitor } from './schema-monitor.js';
import { readClocks, RevisionCache, type ClockReading } from './revision-cache.js';
import type { CheckAnswer, CheckRequest } from '../../model/checks.js';
import { checkThroughCache } from '../cached-checks.js';
import { Poller } from './poller.js';
import { readGrpcStatus } from '../errors.js';
import { compareServerSchema } from './schema-diff.js';
import { identifiesWrites } from './zedtoken.js';

/** How long SpiceDB may take to answer with its newest revision and schema. */
const REFRESH_TIMEOUT_MS = 1_000;

export interface RevisionMonitorOptions {
  readonly endpoint: string;
  /** With `bounded`, answers of the newest revision are cached. */
  readonly consistency?: 'full' | 'bounded';
  /** Takes a line for the operator. */
  readonly log?: ((line: string) => void) | undefined;
}

export class RevisionMonitor {
  private readonly poller: Poller;
  private readonly schemaMonitor: SchemaMonitor;
  /** Undefined where nothing is cached. */
  private readonly cache: RevisionCache | undefined;
  private readonly log: (line: string) => void;
  /** When the last refresh that was answered began. */
  private lastRefreshAt: ClockReading | undefined;
  /** Whether the operator has been warned that nothing can be cached. */
  private hasWarned = false;

  constructor(
    private readonly connection: Connection,
    private readonly schema: GraphSchema,
    { endpoint, consistency, log = () => undefined }: RevisionMonitorOptions,
  ) {
    this.log = log;
    this.schemaMonitor = new SchemaMonitor({ endpoint, file: schema.file }, log);
    this.cache = consistency === 'bounded' ? new RevisionCache(schema) : undefined;
    this.poller = new Poller(() => this.refresh());
  }

  /** @throws Fault where the server has another schema than the policies were loaded with */
  assertSchemaFits(): void {
    const { fault } = this.schemaMonitor;
    if (fault !== undefined) throw fault;
  }

  /** SpiceDB's newest revision, where that is known and what is cached of it may be used; otherwise undefined. */
  newestRevision(): string | undefined {
    if (this.cache === undefined) return undefined;
    this.poller.requestPoll();
    return this.cache.newestRevision();
  }

  /**
   * An answer for each check, in order.
   * @param revision the one that they are to be of
   * @param checkUncached answers those that aren't cached
   */
  checkCached(
    checks: readonly CheckRequest[],
    revision: string,
    checkUncached: (checks: readonly CheckRequest[]) => Promise<readonly CheckAnswer[]>,
  ): Promise<readonly CheckAnswer[]> {
    const { cache } = this;
    if (cache === undefined) return checkUncached(checks);
    return checkThroughCache(checks, (check) => cache.getAnswer(check, revision), checkUncached);
  }

  get caches(): CacheCountsByName {
    return this.cache?.caches ?? {};
  }

  cacheAnswer(check: CheckRequest, answer: CheckAnswer): void {
    this.cache?.setAnswer(check, answer);
  }

  /** Drops what is cached; to be called after every write of this process, however it ended. */
  invalidate(): void {
    this.cache?.clear();
  }

  stop(): void {
    this.poller.stop();
  }

  /** Asks for the newest revision and the schema, in one call. Never throws. */
  private async refresh(): Promise<void> {
    const startedAt = readClocks();
    const schemaResponse = await this.connection.readSchema(REFRESH_TIMEOUT_MS).catch((error: unknown) =>
      // An empty store has taken the place of the former one.
      readGrpcStatus(error).code === 'NOT_FOUND' ? { schemaText: '', readAt: undefined } : undefined,
    );
    if (schemaResponse === undefined) return;
    const revision = schemaResponse.readAt?.token;
    const schemaFits = await this.schemaMonitor.compareSchema(schemaResponse.schemaText, async () => {
      const consistency = revision === undefined ? api.FULLY_CONSISTENT : api.atExactSnapshot(revision);
      return (await compareServerSchema(this.connection, this.schema, consistency)).differences;
    });
    // SpiceDB may answer by a read of its datastore that was under way when it was asked, but by none that was over: so its
    // newest revision has everything that was acknowledged before the previous refresh began.
    const previousRefreshAt = this.lastRefreshAt;
    this.lastRefreshAt = startedAt;
    if (this.cache === undefined || revision === undefined) return;
    if (schemaFits && previousRefreshAt !== undefined) this.cache.confirmRevision(revision, previousRefreshAt);
    if (this.hasWarned || identifiesWrites(revision)) return;
    this.hasWarned = true;
    this.log(
      '"consistency: bounded" caches nothing here: revisions of this datastore of SpiceDB do not identify its writes',
    );
  }
}
