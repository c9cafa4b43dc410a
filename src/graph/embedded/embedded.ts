/**
 * The embedded SpiceDB as a {@link GraphEngine}: the service opens it where the configuration names no server. Its store
 * is memory, so a journal in the database makes writes durable; this process is its only writer, so answers can be cached
 * exactly until the next write.
 */
import { BadRequest, ConfigError } from '../../model/faults.js';
import type { Relationship, RelationshipUpdate } from '../../model/relationships.js';
import { relationshipKey } from '../relationship-text.js';
import type { GraphSchema } from '../schema/schema.js';
import type { WriteLog } from '../../store/journal.js';
import type { EngineStats } from '../../telemetry/engine-stats.js';
import { createCallObserver, type EngineCallListener } from '../../telemetry/engine-calls.js';
import { EngineWorker } from '../../runtime/worker-thread.js';
import { startPrivately } from './private-start.js';
import { EmbeddedCache } from './exact-cache.js';
import { LookupLimiter, lookupKey } from '../lookup-limiter.js';
import {
  MAX_UPDATES_PER_WRITE,
  type GraphEngine,
  type GraphCounts,
  type ResourceLookupResult,
  type SubjectLookupResult,
  type RelationshipFilter,
  type ResourceLookup,
  type SubjectLookup,
} from '../port.js';
import type { CheckAnswer, CheckRequest, Consistency } from '../../model/checks.js';
import { checkThroughCache } from '../cached-checks.js';
import { CheckQueue } from '../check-queue.js';
import { toOutageCode, OUTAGE_ANSWER, toGraphError, toSchemaError, type AnswerWithoutRevision } from '../errors.js';

/** Checks that go to SpiceDB in one call; those that come meanwhile form the next call. */
const EMBEDDED_BULK_SIZE = 150;
/** Few lookups at once: its thread is this machine's. */
const EMBEDDED_LOOKUP_LIMITS = { concurrent: 16, abandoned: 2 };

export class EmbeddedGraph implements GraphEngine {
  private readonly queue: CheckQueue;
  private readonly cache: EmbeddedCache;
  private readonly lookupLimiter = new LookupLimiter(EMBEDDED_LOOKUP_LIMITS);
  private lastWrite: Promise<unknown> = Promise.resolve();
  /** The engine that took over the writes. */
  private successor: EmbeddedGraph | undefined;

  private constructor(
    private readonly worker: EngineWorker,
    private readonly schema: GraphSchema,
    private readonly journal: WriteLog,
    private sequence: number,
    private readonly watch: EngineCallListener | undefined,
  ) {
    this.cache = new EmbeddedCache(schema);
    this.queue = new CheckQueue(
      { checkBulk: (checks) => this.checkBulk(checks), generation: () => this.cache.generation },
      { bulkSize: EMBEDDED_BULK_SIZE, concurrentBulks: 1 },
    );
  }

  /**
   * Starts SpiceDB with the schema and everything that the journal holds.
   * @throws ConfigError where SpiceDB refuses the schema, or what is stored doesn't fit it; Fault
   */
  static async start(schema: GraphSchema, journal: WriteLog, watch?: EngineCallListener): Promise<EmbeddedGraph> {
    const observeCalls = createCallObserver({ engine: 'spicedb', watch, faultOf: toOutageCode });
    const worker = new EngineWorker('./worker.js', import.meta.url, { schema: schema.text }, observeCalls);
    try {
      await startPrivately(() => worker.call('ready', undefined)).catch((error: unknown) => {
        throw toSchemaError(error, schema.file);
      });
      const { sequence, settledUpdates, unsettled } = await journal.replay();
      const state = new Map<string, Relationship>();
      for (const { operation, relationship } of settledUpdates) {
        const key = relationshipKey(relationship);
        if (operation === 'delete') state.delete(key);
        else state.set(key, relationship);
      }
      const updates = [...state.values()].map((relationship): RelationshipUpdate => ({
        operation: 'touch',
        relationship,
      }));
      for (let from = 0; from < updates.length; from += MAX_UPDATES_PER_WRITE) {
        await worker.call('write', updates.slice(from, from + MAX_UPDATES_PER_WRITE)).catch((error: unknown) => {
          const failure = toGraphError(error);
          throw failure instanceof BadRequest
            ? new ConfigError(`does not fit what is stored: ${failure.message}`, schema.file)
            : failure;
        });
      }
      // An unsettled write must stay behind what came before it, so a journal that has one is left as it is.
      if (unsettled.length === 0) await journal.compact([...state.values()]);
      const engine = new EmbeddedGraph(worker, schema, journal, sequence, watch);
      engine.cache.trackExpirations(updates);
      // A crash between journal and SpiceDB leaves at most the last write undecided: SpiceDB decides it now.
      for (const { sequence: lateSequence, updates: lateUpdates } of unsettled)
        await engine.apply(lateSequence, lateUpdates).catch(() => undefined);
      return engine;
    } catch (error) {
      await worker.kill();
      throw error;
    }
  }

  get alive(): boolean {
    return this.worker.alive;
  }

  /** Every check is fully consistent, which is at least as fresh as any token of this store. */
  async check(checks: readonly CheckRequest[], _consistency: Consistency): Promise<readonly CheckAnswer[]> {
    // Cached answers stay true without the engine, but no permission could be taken back while it is gone.
    if (!this.worker.alive) return checks.map(() => OUTAGE_ANSWER);
    const getCached = (check: CheckRequest): CheckAnswer | undefined => {
      const key = this.cache.cacheKey(check);
      return key === undefined ? undefined : this.cache.getAnswer(key);
    };
    return checkThroughCache(checks, getCached, (uncached) => this.queue.check(uncached, 'full'));
  }

  tokenProblem(token: string): string | undefined {
    const sequence = this.journal.decodeToken(token);
    if (sequence === undefined) return 'is not a ZedToken of this deployment';
    return sequence > this.sequence ? 'is a ZedToken of the future' : undefined;
  }

  write(updates: readonly RelationshipUpdate[], by: string): Promise<string> {
    const written = this.lastWrite.then(() => this.successor?.write(updates, by) ?? this.writeNow(updates, by));
    this.lastWrite = written.catch(() => undefined);
    return written;
  }

  /** Writes that come meanwhile wait, and go to the successor. */
  startSuccessor(schema: GraphSchema, onReady: (next: GraphEngine) => void): Promise<void> {
    const succeeded = this.lastWrite.then(async () => {
      if (this.successor !== undefined) throw new TypeError('this engine has been followed by another');
      const successor = await EmbeddedGraph.start(schema, this.journal, this.watch);
      onReady(successor);
      this.successor = successor;
    });
    this.lastWrite = succeeded.catch(() => undefined);
    return succeeded;
  }

  async read(filter: RelationshipFilter, limit: number): Promise<readonly Relationship[]> {
    const key = JSON.stringify([filter, limit]);
    const cached = this.worker.alive ? this.cache.getRead(key) : undefined;
    if (cached !== undefined) return cached;
    const { generation } = this.cache;
    try {
      const relationships = await this.worker.call<Relationship[]>('read', { filter, limit });
      this.cache.setRead(key, relationships, generation);
      return relationships;
    } catch (error) {
      throw toGraphError(error);
    }
  }

  lookupResources(lookup: ResourceLookup, _consistency: Consistency): Promise<ResourceLookupResult> {
    return this.lookUp('lookupResources', lookup.resourceType, lookup);
  }

  lookupSubjects(lookup: SubjectLookup, _consistency: Consistency): Promise<SubjectLookupResult> {
    return this.lookUp('lookupSubjects', lookup.resource.type, lookup);
  }

  private async lookUp<T extends { readonly ids: readonly string[] }>(
    method: string,
    type: string,
    lookup: ResourceLookup | SubjectLookup,
  ): Promise<T> {
    const key = lookupKey(method, lookup);
    const cached = this.worker.alive ? this.cache.getLookup(key) : undefined;
    if (cached !== undefined) return cached as T;
    const { generation } = this.cache;
    const result = await this.lookupLimiter.run(method, lookup, () => this.worker.call<T>(method, lookup), generation);
    if (!this.schema.reachability.reachesCaveat(type, lookup.permission)) this.cache.setLookup(key, result, generation);
    return result;
  }

  stats(): EngineStats {
    return this.worker.stats();
  }

  counts(): GraphCounts {
    return { caches: this.cache.caches, ...this.queue.counts() };
  }

  close(): Promise<void> {
    return this.worker.close();
  }

  /** Ends the engine as a crash would, for tests. */
  kill(): Promise<void> {
    return this.worker.kill();
  }

  /** Writes to the journal first, so that a restart forgets nothing that held; then to SpiceDB, which may still refuse. */
  private async writeNow(updates: readonly RelationshipUpdate[], by: string): Promise<string> {
    const sequence = await this.journal.append(updates, by);
    await this.apply(sequence, updates);
    return this.journal.encodeToken(sequence);
  }

  private async apply(sequence: number, updates: readonly RelationshipUpdate[]): Promise<void> {
    this.cache.clear();
    try {
      await this.worker.call('write', updates);
      this.cache.trackExpirations(updates);
    } catch (error) {
      await this.journal.withdraw(sequence);
      throw toGraphError(error, 'updates');
    } finally {
      this.cache.clear();
    }
    this.sequence = Math.max(this.sequence, sequence);
    await this.journal.settle(sequence);
  }

  private async checkBulk(checks: readonly CheckRequest[]): Promise<readonly CheckAnswer[]> {
    const { generation } = this.cache;
    const revision = this.journal.encodeToken(this.sequence);
    const answers = await this.worker
      .call<AnswerWithoutRevision[]>('check', checks)
      .catch((): AnswerWithoutRevision[] => []);
    return checks.map((check, i) => {
      const until = answers[i]?.result === 'yes' ? this.cache.validUntil(check) : undefined;
      const answer = {
        revision,
        ...(answers[i] ?? OUTAGE_ANSWER),
        ...(until === undefined ? {} : { until }),
      } as CheckAnswer;
      const key = this.cache.cacheKey(check);
      if (key !== undefined) this.cache.setAnswer(key, answer, generation);
      return answer;
    });
  }
}
