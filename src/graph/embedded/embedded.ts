/**
 * The embedded SpiceDB as a {@link GraphEngine}: the service opens it where the configuration names no server. Its store
 * is memory, so a journal in the database makes writes durable; this process is its only writer, so answers can be cached
 * exactly until the next write.
 */
import { BadRequest, ConfigError, Fault } from '../../model/faults.js';
import type { Relationship, RelationshipUpdate } from '../../model/relationships.js';
import { relationshipKey } from '../relationship-text.js';
import type { GraphSchema } from '../schema/schema.js';
import type { WriteLog } from '../../store/journal.js';
import type { EngineStats } from '../../telemetry/engine-stats.js';
import { createCallObserver, type EngineCallListener } from '../../telemetry/engine-calls.js';
import { EngineWorker } from '../../runtime/worker-thread.js';
import { startPrivately } from './private-start.js';
import { EmbeddedRevisions, type EmbeddedRevision } from './revisions.js';
import { EmbeddedChecker } from './checker.js';
import { EmbeddedCache } from './exact-cache.js';
import { LookupLimiter, lookupKey } from '../lookup-limiter.js';
import {
  toExactFilter,
  MAX_UPDATES_PER_WRITE,
  type AtRevision,
  type GraphEngine,
  type GraphCounts,
  type ResourceLookupResult,
  type SubjectLookupResult,
  type RelationshipFilter,
  type WriteCondition,
  type RelationshipList,
  type ResourceLookup,
  type SubjectLookup,
} from '../port.js';
import type { CheckAnswer, CheckRequest, ReadConsistency } from '../../model/checks.js';
import { toOutageCode, toGraphError, toSchemaError } from '../errors.js';

/** Few lookups at once: its thread is this machine's. */
const EMBEDDED_LOOKUP_LIMITS = { concurrent: 16, abandoned: 2 };

export interface EmbeddedGraphOptions {
  readonly watch?: EngineCallListener | undefined;
  /** Called once where the engine is lost after its start. Its memory is gone, so every later question fails. */
  readonly onLost?: ((reason: string) => void) | undefined;
}

/** An error where stored relationships don't fit the schema. */
export class StoredMisfit extends ConfigError {
  override readonly name = 'ConfigError';
}

export class EmbeddedGraph implements GraphEngine {
  private readonly checker: EmbeddedChecker;
  private readonly cache: EmbeddedCache;
  private readonly lookupLimiter = new LookupLimiter(EMBEDDED_LOOKUP_LIMITS);
  /** Whether a write has failed that SpiceDB may have taken. */
  private mayHaveMore = false;
  private lastWrite: Promise<unknown> = Promise.resolve();
  /** The engine that took over the writes. */
  private successor: EmbeddedGraph | undefined;

  private constructor(
    private readonly worker: EngineWorker,
    private readonly schema: GraphSchema,
    private readonly journal: WriteLog,
    private readonly revisions: EmbeddedRevisions,
    private readonly options: EmbeddedGraphOptions,
  ) {
    this.cache = new EmbeddedCache(schema);
    this.checker = new EmbeddedChecker(worker, schema, revisions, this.cache);
  }

  /**
   * Starts SpiceDB with the schema and everything that the journal holds.
   * @throws ConfigError where SpiceDB refuses the schema; StoredMisfit where what is stored doesn't fit it; Fault
   */
  static async start(
    schema: GraphSchema,
    journal: WriteLog,
    options: EmbeddedGraphOptions = {},
  ): Promise<EmbeddedGraph> {
    const { watch, onLost } = options;
    const observeCalls = createCallObserver({ engine: 'spicedb', watch, faultOf: toOutageCode });
    const worker = new EngineWorker('./worker.js', import.meta.url, { schema: schema.text }, observeCalls);
    try {
      await startPrivately(() => worker.call('ready', undefined)).catch((error: unknown) => {
        throw toSchemaError(error, schema.source);
      });
      const { sequence, settledUpdates, unsettled } = await journal.replay();
      const relationships = foldUpdates(settledUpdates);
      const updates = relationships.map((relationship): RelationshipUpdate => ({ operation: 'touch', relationship }));
      for (let from = 0; from < updates.length; from += MAX_UPDATES_PER_WRITE) {
        await worker.call('write', updates.slice(from, from + MAX_UPDATES_PER_WRITE)).catch((error: unknown) => {
          const failure = toGraphError(error);
          throw failure instanceof BadRequest
            ? new StoredMisfit(`does not fit what is stored: ${failure.message}`, schema.file)
            : failure;
        });
      }
      // An unsettled write must stay behind what came before it, so a journal that has one is left as it is.
      if (unsettled.length === 0) await journal.compact(relationships);
      const snapshot = await worker.call<string>('ready', undefined);
      const revisions = new EmbeddedRevisions(journal, sequence, snapshot);
      const engine = new EmbeddedGraph(worker, schema, journal, revisions, options);
      engine.cache.noteWrite(updates);
      // A crash between journal and SpiceDB leaves at most the last write undecided: SpiceDB decides it now.
      for (const { sequence: lateSequence, updates: lateUpdates } of unsettled)
        await engine.apply(lateSequence, lateUpdates).catch(() => undefined);
      if (onLost !== undefined) worker.watchLoss(onLost);
      return engine;
    } catch (error) {
      await worker.kill();
      throw error;
    }
  }

  get alive(): boolean {
    return this.worker.alive;
  }

  check(checks: readonly CheckRequest[], consistency: ReadConsistency): Promise<readonly CheckAnswer[]> {
    return this.checker.check(checks, consistency);
  }

  /** @throws Fault */
  private requireRevision(consistency: ReadConsistency): EmbeddedRevision {
    const revision = this.revisions.find(consistency);
    if (revision === undefined) throw new Fault('revision_expired', 'the revision is not known any longer');
    return revision;
  }

  tokenProblem(token: string): string | undefined {
    return this.revisions.tokenProblem(token);
  }

  write(updates: readonly RelationshipUpdate[], by: string, condition?: WriteCondition): Promise<string> {
    const written = this.lastWrite.then(
      () => this.successor?.write(updates, by, condition) ?? this.writeNow(updates, by, condition),
    );
    this.lastWrite = written.catch(() => undefined);
    return written;
  }

  /** Writes that come meanwhile wait, and go to the successor. */
  startSuccessor(schema: GraphSchema, onReady: (next: GraphEngine) => void): Promise<void> {
    const succeeded = this.lastWrite.then(async () => {
      if (this.successor !== undefined) throw new TypeError('this engine has been followed by another');
      const successor = await EmbeddedGraph.start(schema, this.journal, this.options);
      onReady(successor);
      this.successor = successor;
    });
    this.lastWrite = succeeded.catch(() => undefined);
    return succeeded;
  }

  async read(filter: RelationshipFilter, limit: number, consistency: ReadConsistency): Promise<RelationshipList> {
    const { token, snapshot } = this.requireRevision(consistency);
    const key = JSON.stringify([filter, limit]);
    const isHead = token === this.revisions.head.token;
    const cached = this.worker.alive && isHead ? this.cache.getRead(filter, key) : undefined;
    if (cached !== undefined) return { relationships: cached, revision: token };
    const askedAt = this.cache.now;
    try {
      const { relationships } = await this.worker.call<RelationshipList>('read', { filter, limit, revision: snapshot });
      if (isHead) this.cache.setRead(filter, key, relationships, askedAt);
      return { relationships, revision: token };
    } catch (error) {
      throw toGraphError(error);
    }
  }

  lookupResources(lookup: ResourceLookup, consistency: ReadConsistency): Promise<ResourceLookupResult> {
    return this.lookUp('lookupResources', lookup.resourceType, lookup, consistency);
  }

  lookupSubjects(lookup: SubjectLookup, consistency: ReadConsistency): Promise<SubjectLookupResult> {
    return this.lookUp('lookupSubjects', lookup.resource.type, lookup, consistency);
  }

  private async lookUp<T extends AtRevision & { readonly ids: readonly string[] }>(
    method: string,
    type: string,
    lookup: ResourceLookup | SubjectLookup,
    consistency: ReadConsistency,
  ): Promise<T> {
    const { token, snapshot } = this.requireRevision(consistency);
    const key = lookupKey(method, lookup);
    const isHead = token === this.revisions.head.token;
    const cached = this.worker.alive && isHead ? this.cache.getLookup(lookup, key) : undefined;
    if (cached !== undefined) return { ...(cached as T), revision: token };
    const askedAt = this.cache.now;
    const perform = async (): Promise<T> => {
      const result = await this.worker.call<T>(method, { lookup, revision: snapshot });
      return { ...result, revision: token };
    };
    const result = await this.lookupLimiter.run(method, lookup, perform, `${token} ${askedAt}`);
    const isCacheable = isHead && !this.schema.reachability.reachesCaveat(type, lookup.permission);
    if (isCacheable) this.cache.setLookup(lookup, key, result, askedAt);
    return result;
  }

  stats(): EngineStats {
    return this.worker.stats();
  }

  counts(): GraphCounts {
    return { caches: this.cache.caches, ...this.checker.queueCounts() };
  }

  close(): Promise<void> {
    return this.worker.close();
  }

  /** Ends the engine as a crash would, for tests. */
  kill(): Promise<void> {
    return this.worker.kill();
  }

  /** Writes to the journal first, so that a restart forgets nothing that held; then to SpiceDB, which may still refuse. */
  private async writeNow(
    updates: readonly RelationshipUpdate[],
    by: string,
    condition: WriteCondition | undefined,
  ): Promise<string> {
    if (condition !== undefined) await this.assertMet(condition);
    const sequence = await this.journal.append(updates, by);
    await this.apply(sequence, updates);
    return this.journal.encodeToken(sequence);
  }

  /** Writes come one after the other, so what is so now is so when this one is made; the journal needn't know of it. */
  private async assertMet({ absent }: WriteCondition): Promise<void> {
    for (const relationship of absent) {
      const { relationships } = await this.read(toExactFilter(relationship), 1, 'full');
      if (relationships.length > 0)
        throw new BadRequest(`${relationshipKey(relationship)} is there already`, 'updates', 409, 'conflict');
    }
  }

  private async apply(sequence: number, updates: readonly RelationshipUpdate[]): Promise<void> {
    let snapshot: string;
    try {
      snapshot = await this.worker.call<string>('write', updates);
    } catch (error) {
      const failure = toGraphError(error, 'updates');
      // What SpiceDB hasn't refused it may yet have taken: then the next revision has it.
      this.mayHaveMore ||= !(failure instanceof BadRequest);
      await this.journal.withdraw(sequence);
      throw failure;
    }
    this.revisions.advance(sequence, snapshot);
    this.cache.noteWrite(updates);
    if (this.mayHaveMore) this.cache.clear();
    this.mayHaveMore = false;
    await this.journal.settle(sequence);
  }
}

/** The relationships that the updates leave, in their order. */
function foldUpdates(updates: readonly RelationshipUpdate[]): Relationship[] {
  const relationships = new Map<string, Relationship>();
  for (const { operation, relationship } of updates) {
    const key = relationshipKey(relationship);
    if (operation === 'delete') relationships.delete(key);
    else relationships.set(key, relationship);
  }
  return [...relationships.values()];
}
