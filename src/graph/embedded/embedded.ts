/**
 * The embedded SpiceDB as {@link Relationships}. Its store is memory, so a journal in the database makes writes last;
 * this process is its only writer, so answers can be kept exactly until the next write.
 */
import { BadRequest, ConfigError } from '../../model/faults.js';
import { type Relationship, type RelationshipUpdate } from '../../model/relationships.js';
import { relationshipKey } from '../relationship-text.js';
import type { Graph } from '../schema/schema.js';
import type { WriteLog } from '../../store/journal.js';
import type { EngineStats } from '../../telemetry/engine-stats.js';
import type { WatchCalls } from '../../telemetry/calls.js';
import { EngineWorker } from '../../runtime/worker-thread.js';
import { Kept } from './cache.js';
import { Lookups, nameOf } from '../lookup-limiter.js';
import {
  MAX_UPDATES,
  type Engine,
  type GraphCounts,
  type FoundResources,
  type FoundSubjects,
  type RelationshipFilter,
  type ResourceLookup,
  type SubjectLookup,
} from '../port.js';
import { type CheckAnswer } from '../../model/checks.js';
import { type AskedCheck } from '../../model/checks.js';
import { type Consistency } from '../../model/checks.js';
import { CheckQueue } from '../check-queue.js';
import { outage, OUTAGE, refused, schemaProblem, type Unrevised } from '../errors.js';

/** Checks that go to SpiceDB in one call; those that come meanwhile form the next. */
const MAX_BULK = 150;
/** Lookups: its thread is this machine's. */
const LOOKUPS = { atOnce: 16, abandoned: 2 };

export class EmbeddedRelationships implements Engine {
  private readonly queue: CheckQueue;
  private readonly kept: Kept;
  private readonly lookups = new Lookups(LOOKUPS);
  private writing: Promise<unknown> = Promise.resolve();
  /** It has the writes from now on. */
  private successor: EmbeddedRelationships | undefined;

  private constructor(
    private readonly worker: EngineWorker,
    private readonly graph: Graph,
    private readonly journal: WriteLog,
    private sequence: number,
    private readonly watch: WatchCalls | undefined,
  ) {
    this.kept = new Kept(graph);
    this.queue = new CheckQueue(
      { together: (checks) => this.ask(checks), generation: () => this.kept.generation },
      { bulk: MAX_BULK, atOnce: 1 },
    );
  }

  /** Starts SpiceDB with the graph's schema and everything that the journal holds. @throws Fault */
  static async start(graph: Graph, journal: WriteLog, watch?: WatchCalls): Promise<EmbeddedRelationships> {
    const watching = { engine: 'spicedb', watch, faultOf: outage } as const;
    const worker = new EngineWorker('./worker.js', import.meta.url, { schema: graph.text }, watching);
    try {
      await worker.call('ready', undefined).catch((error: unknown) => {
        throw schemaProblem(error, graph.file);
      });
      const { sequence, lasting, unsettled } = await journal.replay();
      const state = new Map<string, Relationship>();
      for (const { operation, relationship } of lasting) {
        const key = relationshipKey(relationship);
        if (operation === 'delete') state.delete(key);
        else state.set(key, relationship);
      }
      const updates = [...state.values()].map((relationship): RelationshipUpdate => ({
        operation: 'touch',
        relationship,
      }));
      for (let from = 0; from < updates.length; from += MAX_UPDATES) {
        await worker.call('write', updates.slice(from, from + MAX_UPDATES)).catch((error: unknown) => {
          const why = refused(error);
          throw why instanceof BadRequest
            ? new ConfigError(`does not fit what is stored: ${why.message}`, graph.file)
            : why;
        });
      }
      // An unsettled write must stay behind what it came after, so a journal that has one is left as it is.
      if (unsettled.length === 0) await journal.compact([...state.values()]);
      const engine = new EmbeddedRelationships(worker, graph, journal, sequence, watch);
      engine.kept.note(updates);
      // A crash between journal and SpiceDB leaves at most a last write undecided: SpiceDB decides it now.
      for (const { sequence: at, updates: late } of unsettled) await engine.apply(at, late).catch(() => undefined);
      return engine;
    } catch (error) {
      await worker.kill();
      throw error;
    }
  }

  get alive(): boolean {
    return this.worker.alive;
  }

  // Every check here is fully consistent, which is at least as fresh as any token of this store.
  async check(checks: readonly AskedCheck[], _consistency: Consistency): Promise<readonly CheckAnswer[]> {
    // Kept answers are true without the engine, but nobody could take a permission back while it is gone.
    if (!this.worker.alive) return checks.map(() => OUTAGE);
    const kept = checks.map((check) => {
      const key = this.kept.keyOf(check);
      return key === undefined ? undefined : this.kept.answer(key);
    });
    const asked = await this.queue.ask(
      checks.filter((_, i) => kept[i] === undefined),
      'full',
    );
    let next = 0;
    return kept.map((answer) => answer ?? asked[next++] ?? OUTAGE);
  }

  tokenProblem(token: string): string | undefined {
    const sequence = this.journal.sequenceOf(token);
    if (sequence === undefined) return 'is not a ZedToken of this deployment';
    return sequence > this.sequence ? 'is a ZedToken of the future' : undefined;
  }

  write(updates: readonly RelationshipUpdate[], by: string): Promise<string> {
    const done = this.writing.then(() => this.successor?.write(updates, by) ?? this.writeNow(updates, by));
    this.writing = done.catch(() => undefined);
    return done;
  }

  /** Writes that come meanwhile wait, and go to the next one. */
  succeed(graph: Graph, take: (next: Engine) => void): Promise<void> {
    const done = this.writing.then(async () => {
      if (this.successor !== undefined) throw new TypeError('this engine has been followed by another');
      const next = await EmbeddedRelationships.start(graph, this.journal, this.watch);
      take(next);
      this.successor = next;
    });
    this.writing = done.catch(() => undefined);
    return done;
  }

  async read(filter: RelationshipFilter, limit: number): Promise<readonly Relationship[]> {
    const key = JSON.stringify([filter, limit]);
    const kept = this.worker.alive ? this.kept.read(key) : undefined;
    if (kept !== undefined) return kept;
    const { generation } = this.kept;
    try {
      const found = await this.worker.call<Relationship[]>('read', { filter, limit });
      this.kept.keepRead(key, found, generation);
      return found;
    } catch (error) {
      throw refused(error);
    }
  }

  lookupResources(lookup: ResourceLookup, _consistency: Consistency): Promise<FoundResources> {
    return this.looking('lookupResources', lookup.resourceType, lookup);
  }

  lookupSubjects(lookup: SubjectLookup, _consistency: Consistency): Promise<FoundSubjects> {
    return this.looking('lookupSubjects', lookup.resource.type, lookup);
  }

  private async looking<T extends { readonly ids: readonly string[] }>(
    method: string,
    type: string,
    lookup: ResourceLookup | SubjectLookup,
  ): Promise<T> {
    const asked = nameOf(method, lookup);
    const kept = this.worker.alive ? this.kept.lookup(asked) : undefined;
    if (kept !== undefined) return kept as T;
    const { generation } = this.kept;
    const found = await this.lookups.ask(method, lookup, () => this.worker.call<T>(method, lookup), generation);
    if (!this.graph.reach.reachesCaveat(type, lookup.permission)) this.kept.keepLookup(asked, found, generation);
    return found;
  }

  stats(): EngineStats {
    return this.worker.stats();
  }

  counts(): GraphCounts {
    return { caches: this.kept.caches, ...this.queue.counts() };
  }

  close(): Promise<void> {
    return this.worker.close();
  }

  /** Ends the engine as a crash would. */
  kill(): Promise<void> {
    return this.worker.kill();
  }

  /** Journal first, so that nothing holds that a restart would forget; then SpiceDB, which may still refuse. */
  private async writeNow(updates: readonly RelationshipUpdate[], by: string): Promise<string> {
    const sequence = await this.journal.append(updates, by);
    await this.apply(sequence, updates);
    return this.journal.token(sequence);
  }

  private async apply(sequence: number, updates: readonly RelationshipUpdate[]): Promise<void> {
    this.kept.forget();
    try {
      await this.worker.call('write', updates);
      this.kept.note(updates);
    } catch (error) {
      await this.journal.withdraw(sequence);
      throw refused(error, 'updates');
    } finally {
      this.kept.forget();
    }
    this.sequence = Math.max(this.sequence, sequence);
    await this.journal.settle(sequence);
  }

  private async ask(checks: readonly AskedCheck[]): Promise<readonly CheckAnswer[]> {
    const { generation } = this.kept;
    const revision = this.journal.token(this.sequence);
    const answers = await this.worker.call<Unrevised[]>('check', checks).catch((): Unrevised[] => []);
    return checks.map((check, i) => {
      const until = answers[i]?.result === 'yes' ? this.kept.until(check) : undefined;
      const answer = { revision, ...(answers[i] ?? OUTAGE), ...(until === undefined ? {} : { until }) } as CheckAnswer;
      const key = this.kept.keyOf(check);
      if (key !== undefined) this.kept.keepAnswer(key, answer, generation);
      return answer;
    });
  }
}
