/**
 * The embedded SpiceDB as {@link Relationships}. Its store is memory, so a journal in the database makes writes last;
 * this process is its only writer, so answers can be kept exactly until the next write.
 */
import { BadRequest, ConfigError } from '../../model/faults.js';
import { relationshipKey, type Relationship, type RelationshipUpdate } from '../../model/relationships.js';
import type { Graph } from '../../rules/graph.js';
import type { Journal } from '../../stores/journal.js';
import { EngineWorker } from '../worker.js';
import { Kept } from './kept.js';
import {
  MAX_UPDATES,
  type AskedCheck,
  type CheckAnswer,
  type Consistency,
  type FoundSubjects,
  type RelationshipFilter,
  type Relationships,
  type ResourceLookup,
  type SubjectLookup,
} from './port.js';
import { OUTAGE, refused, schemaProblem, type Unrevised } from './refusals.js';

/** Checks that go to SpiceDB in one call; those that come meanwhile form the next. */
const MAX_BULK = 150;
/** Checks waiting beyond this are answered as unknown at once. */
const MAX_WAITING = 20_000;

interface Pending {
  readonly check: AskedCheck;
  readonly resolve: (answer: CheckAnswer) => void;
}

export class EmbeddedRelationships implements Relationships {
  private readonly queue: Pending[] = [];
  private asking = false;
  private readonly kept: Kept;
  private readonly pending = new Map<string, Promise<CheckAnswer>>();
  private writing: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly worker: EngineWorker,
    graph: Graph,
    private readonly journal: Journal,
    private sequence: number,
  ) {
    this.kept = new Kept(graph);
  }

  /** Starts SpiceDB with the graph's schema and everything that the journal holds. @throws Fault */
  static async start(graph: Graph, journal: Journal): Promise<EmbeddedRelationships> {
    const worker = new EngineWorker('./embedded-worker.js', import.meta.url, { schema: graph.text });
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
      const engine = new EmbeddedRelationships(worker, graph, journal, sequence);
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
  check(checks: readonly AskedCheck[], _consistency: Consistency): Promise<readonly CheckAnswer[]> {
    return Promise.all(checks.map((check) => this.answer(check)));
  }

  tokenProblem(token: string): string | undefined {
    const sequence = this.journal.sequenceOf(token);
    if (sequence === undefined) return 'is not a ZedToken of this deployment';
    return sequence > this.sequence ? 'is a ZedToken of the future' : undefined;
  }

  write(updates: readonly RelationshipUpdate[], by: string): Promise<string> {
    const done = this.writing.then(() => this.writeNow(updates, by));
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

  lookupResources(lookup: ResourceLookup, _consistency: Consistency): Promise<readonly string[]> {
    return this.looking('lookupResources', lookup);
  }

  lookupSubjects(lookup: SubjectLookup, _consistency: Consistency): Promise<FoundSubjects> {
    return this.looking('lookupSubjects', lookup);
  }

  private async looking<T>(method: string, lookup: object): Promise<T> {
    try {
      return await this.worker.call<T>(method, lookup);
    } catch (error) {
      throw refused(error);
    }
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

  private answer(check: AskedCheck): Promise<CheckAnswer> {
    // Kept answers are true without the engine, but nobody could take a permission back while it is gone.
    if (!this.worker.alive) return Promise.resolve(OUTAGE);
    const key = this.kept.keyOf(check);
    const kept = key === undefined ? undefined : this.kept.answer(key);
    if (kept !== undefined) return Promise.resolve(kept);
    // Of many who ask the same while it is on its way, one asks for all; after a write nobody joins an older question.
    const asked = key === undefined ? undefined : `${this.kept.generation} ${key}`;
    const pending = asked === undefined ? undefined : this.pending.get(asked);
    if (pending !== undefined) return pending;
    if (this.queue.length >= MAX_WAITING) return Promise.resolve({ result: 'unknown', fault: 'overloaded' });
    const answer = new Promise<CheckAnswer>((resolve) => {
      this.queue.push({ check, resolve });
      this.pump();
    });
    if (asked !== undefined) {
      this.pending.set(asked, answer);
      void answer.finally(() => this.pending.delete(asked));
    }
    return answer;
  }

  private pump(): void {
    if (this.asking || this.queue.length === 0) return;
    this.asking = true;
    // One turn of the loop lets the checks of decisions that arrived together travel together.
    setImmediate(() => {
      const batch = this.queue.splice(0, MAX_BULK);
      void this.ask(batch).finally(() => {
        this.asking = false;
        this.pump();
      });
    });
  }

  private async ask(batch: readonly Pending[]): Promise<void> {
    const { generation } = this.kept;
    const revision = this.journal.token(this.sequence);
    let answers: readonly Unrevised[];
    try {
      answers = await this.worker.call<Unrevised[]>(
        'check',
        batch.map((p) => p.check),
      );
    } catch {
      answers = [];
    }
    for (const [i, { check, resolve }] of batch.entries()) {
      const until = answers[i]?.result === 'yes' ? this.kept.until(check) : undefined;
      const answer = { revision, ...(answers[i] ?? OUTAGE), ...(until === undefined ? {} : { until }) } as CheckAnswer;
      const key = this.kept.keyOf(check);
      if (key !== undefined) this.kept.keepAnswer(key, answer, generation);
      resolve(answer);
    }
  }
}
