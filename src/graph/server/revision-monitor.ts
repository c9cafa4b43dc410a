/**
 * Watches a SpiceDB server: whether its schema still fits and, with `consistency: bounded`, which revision is its newest,
 * so that cached answers of that revision can be used without asking.
 */
import type { GraphSchema } from '../schema/schema.js';
import * as api from '../spicedb-api.js';
import type { Connection } from './connection.js';
import { SchemaMonitor } from './schema-monitor.js';
import { readClocks, type ClockReading, type RevisionCache } from './revision-cache.js';
import { Poller } from './poller.js';
import { readGrpcStatus } from '../errors.js';
import { compareServerSchema } from './schema-diff.js';
import { identifiesWrites } from './zedtoken.js';

/** The time that SpiceDB has to answer with its newest revision and schema. */
const REFRESH_TIMEOUT_MS = 1_000;

export interface RevisionMonitorOptions {
  readonly endpoint: string;
  /**
   * The consistency of reads: where it is `bounded`, cached answers are used without asking whether their revision is
   * still the newest.
   */
  readonly consistency?: 'full' | 'bounded';
  /** Takes a line for the operator. */
  readonly log?: ((line: string) => void) | undefined;
}

export class RevisionMonitor {
  private readonly poller: Poller;
  private readonly schemaMonitor: SchemaMonitor;
  private readonly isBounded: boolean;
  private readonly log: (line: string) => void;
  /** When the last refresh that was answered began. */
  private lastRefreshAt: ClockReading | undefined;
  /** Whether the operator has been warned that nothing can be cached. */
  private hasWarned = false;

  constructor(
    private readonly connection: Connection,
    private readonly schema: GraphSchema,
    private readonly cache: RevisionCache,
    { endpoint, consistency, log = () => undefined }: RevisionMonitorOptions,
  ) {
    this.log = log;
    this.schemaMonitor = new SchemaMonitor({ endpoint, file: schema.file }, log);
    this.isBounded = consistency === 'bounded';
    this.poller = new Poller(() => this.refresh());
  }

  /** @throws Fault where the server has another schema than the policies were loaded with */
  assertSchemaFits(): void {
    const { fault } = this.schemaMonitor;
    if (fault !== undefined) throw fault;
  }

  /** SpiceDB's newest revision, where that is known and what is cached of it may be used unasked; otherwise undefined. */
  newestRevision(): string | undefined {
    if (!this.isBounded) return undefined;
    this.poller.requestPoll();
    return this.cache.newestRevision();
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
    if (!this.isBounded || revision === undefined) return;
    if (schemaFits && previousRefreshAt !== undefined) this.cache.confirmRevision(revision, previousRefreshAt);
    if (this.hasWarned || identifiesWrites(revision)) return;
    this.hasWarned = true;
    this.log(
      '"consistency: bounded" caches nothing here: revisions of this datastore of SpiceDB do not identify its writes',
    );
  }
}
