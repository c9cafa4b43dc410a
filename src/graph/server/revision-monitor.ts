/** What is known of a SpiceDB server at the moment: whether its schema fits and, where answers are kept, its newest revision. */
import type { GraphSchema } from '../schema/schema.js';
import type { CacheCountsByName } from '../../telemetry/counted-cache.js';
import * as api from '../spicedb-api.js';
import type { Connection } from './connection.js';
import { SchemaMonitor } from './schema-monitor.js';
import { readClocks, RevisionCache, type ClockReading } from './cache.js';
import type { CheckAnswer } from '../../model/checks.js';
import type { CheckRequest } from '../../model/checks.js';
import { Poller } from './poller.js';
import { OUTAGE_ANSWER, readGrpcStatus } from '../errors.js';
import { compareServerSchema } from './schema-diff.js';
import { identifiesWrites } from './zedtoken.js';

/** How long SpiceDB may take to say its newest revision and schema. */
const REFRESH_TIMEOUT_MS = 1_000;

export interface RevisionMonitorOptions {
  readonly endpoint: string;
  /** `bounded`: what was answered at the newest revision is kept. */
  readonly consistency?: 'full' | 'bounded';
  /** A line for the operator. */
  readonly log?: ((line: string) => void) | undefined;
}

export class RevisionMonitor {
  private readonly poller: Poller;
  private readonly schemaMonitor: SchemaMonitor;
  /** Undefined: nothing is kept. */
  private readonly cache: RevisionCache | undefined;
  private readonly log: (line: string) => void;
  /** When the last look that was answered began. */
  private lastRefreshAt: ClockReading | undefined;
  /** Whether the operator has been told that nothing can be kept. */
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

  /** @throws Fault where the server has another schema than the rules were read with */
  assertSchemaFits(): void {
    const { fault } = this.schemaMonitor;
    if (fault !== undefined) throw fault;
  }

  /** An answer each, in order. @param checkUncached whatever is not kept */
  async checkCached(
    checks: readonly CheckRequest[],
    checkUncached: (checks: readonly CheckRequest[]) => Promise<readonly CheckAnswer[]>,
  ): Promise<readonly CheckAnswer[]> {
    const { cache } = this;
    if (cache === undefined) return checkUncached(checks);
    this.poller.requestPoll();
    const cachedAnswers = checks.map((check) => cache.getAnswer(check));
    const freshAnswers = await checkUncached(checks.filter((_, i) => cachedAnswers[i] === undefined));
    let next = 0;
    return cachedAnswers.map((answer) => answer ?? freshAnswers[next++] ?? OUTAGE_ANSWER);
  }

  get caches(): CacheCountsByName {
    return this.cache?.caches ?? {};
  }

  cacheAnswer(check: CheckRequest, answer: CheckAnswer): void {
    this.cache?.setAnswer(check, answer);
  }

  /** To be called after every write of this process, however it ended. */
  invalidate(): void {
    this.cache?.clear();
  }

  stop(): void {
    this.poller.stop();
  }

  /** Its newest revision and its schema, in one call. Never throws. */
  private async refresh(): Promise<void> {
    const startedAt = readClocks();
    const schemaResponse = await this.connection.readSchema(REFRESH_TIMEOUT_MS).catch((error: unknown) =>
      // An empty store in place of the one that there was.
      readGrpcStatus(error).code === 'NOT_FOUND' ? { schemaText: '', readAt: undefined } : undefined,
    );
    if (schemaResponse === undefined) return;
    const revision = schemaResponse.readAt?.token;
    const schemaFits = await this.schemaMonitor.compareSchema(schemaResponse.schemaText, async () => {
      const consistency = revision === undefined ? api.FULLY_CONSISTENT : api.atExactSnapshot(revision);
      return (await compareServerSchema(this.connection, this.schema, consistency)).differences;
    });
    // SpiceDB may answer by a look at its datastore that was under way when it was asked, though by none that was over:
    // so what it says is true since the look before.
    const previousRefreshAt = this.lastRefreshAt;
    this.lastRefreshAt = startedAt;
    if (this.cache === undefined || revision === undefined) return;
    if (schemaFits && previousRefreshAt !== undefined) this.cache.confirmRevision(revision, previousRefreshAt);
    if (this.hasWarned || identifiesWrites(revision)) return;
    this.hasWarned = true;
    this.log('"consistency: bounded" keeps nothing here: by its revisions this datastore of SpiceDB tells no writes');
  }
}
