/**
 * The embedded SpiceDB as {@link Relationships}. Its store is memory, so a journal in the database makes writes last;
 * this process is its only writer, so answers can be kept exactly until the next write.
 */
import { LRUCache } from 'lru-cache';
import { BadRequest, ConfigError, Fault } from '../../model/faults.js';
import { relationshipKey, type Relationship, type RelationshipUpdate } from '../../model/relationships.js';
import type { Graph } from '../../rules/graph.js';
import type { Journal } from '../../stores/journal.js';
import { EngineWorker } from '../worker.js';
import type { Unrevised } from './embedded-worker.js';
import { Kept } from './kept.js';
import { isTimeout } from './messages.js';
import {
  MAX_UPDATES,
  type AskedCheck,
  type CheckAnswer,
  type Consistency,
  type FoundResources,
  type FoundSubjects,
  type RelationshipFilter,
  type Relationships,
  type ResourceLookup,
  type SubjectLookup,
} from './port.js';

/** Checks that go to SpiceDB in one call; those that come meanwhile form the next. */
const MAX_BULK = 150;
/** Checks waiting beyond this are answered as unknown at once. */
const MAX_WAITING = 20_000;
/** Checks of one call before the next call's turn. */
const SHARE = 15;
/** How long nothing is looked up that has taken too long. */
const CIRCLE_MS = 60_000;
/** Lookups on their way at a time. */
const MAX_LOOKUPS = 16;
/** SpiceDB's own limit on a call, for which it goes on with a lookup that was given up; and how many of those it may have. */
const ABANDONED_MS = 30_000;
const MAX_ABANDONED = 2;
const OUTAGE: CheckAnswer = { result: 'unknown', fault: 'relationships_unavailable' };

/** What any lookup has found. */
interface Lookup {
  readonly ids: readonly string[];
}

interface Pending {
  readonly check: AskedCheck;
  readonly resolve: (answer: CheckAnswer) => void;
}

export class EmbeddedRelationships implements Relationships {
  /** The checks that wait, by the call that brought them. */
  private readonly queue: Pending[][] = [];
  private waiting = 0;
  private asking = false;
  private readonly kept: Kept;
  /** Lookups that have taken too long of late, and how long they were given. */
  private readonly circles = new LRUCache<string, number>({ max: 1000, ttl: CIRCLE_MS });
  private readonly lookingUp = new Map<string, Promise<Lookup>>();
  /** Lookups that were given up and that SpiceDB goes on with. */
  private abandoned = 0;
  private readonly pending = new Map<string, Promise<CheckAnswer>>();
  private writing: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly worker: EngineWorker,
    private readonly graph: Graph,
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
        throw schemaProblem(error, graph);
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
    const asked: Pending[] = [];
    const answers = Promise.all(checks.map((check) => this.answer(check, asked)));
    if (asked.length > 0) {
      this.queue.push(asked);
      this.pump();
    }
    return answers;
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

  lookupResources(lookup: ResourceLookup, _consistency: Consistency): Promise<FoundResources> {
    return this.looking('lookupResources', lookup.resourceType, lookup);
  }

  lookupSubjects(lookup: SubjectLookup, _consistency: Consistency): Promise<FoundSubjects> {
    return this.looking('lookupSubjects', lookup.resource.type, lookup);
  }

  /** Kept, or on its way already, or asked; one that has been given up is not asked again with as little time. */
  private async looking<T extends Lookup>(
    method: string,
    type: string,
    lookup: ResourceLookup | SubjectLookup,
  ): Promise<T> {
    const { withinMs, permission, ...what } = lookup;
    const asked = `${method} ${permission} ${JSON.stringify(what)}`;
    const kept = this.worker.alive ? this.kept.lookup(asked) : undefined;
    if (kept !== undefined) return kept as T;
    if ((this.circles.get(asked) ?? 0) >= withinMs) throw new Fault('deadline_exceeded', method);
    const same = `${this.kept.generation} ${withinMs} ${asked}`;
    const pending = this.lookingUp.get(same) ?? this.lookUp(method, lookup, asked, this.graph.reachesCaveat(type, permission)); // prettier-ignore
    this.lookingUp.set(same, pending);
    try {
      return (await pending) as T;
    } finally {
      this.lookingUp.delete(same);
    }
  }

  private async lookUp(
    method: string,
    lookup: ResourceLookup | SubjectLookup,
    asked: string,
    differs: boolean,
  ): Promise<Lookup> {
    if (this.lookingUp.size >= MAX_LOOKUPS || this.abandoned >= MAX_ABANDONED) throw new Fault('overloaded', method);
    const { generation } = this.kept;
    try {
      const found = await this.worker.call<Lookup>(method, lookup);
      if (!differs) this.kept.keepLookup(asked, found, generation);
      return found;
    } catch (error) {
      if (!isTimeout(error)) throw refused(error);
      // A graph that goes in a circle: SpiceDB is at it for half a minute, and must not be at it many times over.
      this.circles.set(asked, lookup.withinMs);
      this.abandoned += 1;
      setTimeout(() => (this.abandoned -= 1), ABANDONED_MS).unref();
      throw new Fault('deadline_exceeded', method, { cause: error });
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

  /** @param asked takes what has to be asked of SpiceDB */
  private answer(check: AskedCheck, asked: Pending[]): Promise<CheckAnswer> {
    // Kept answers are true without the engine, but nobody could take a permission back while it is gone.
    if (!this.worker.alive) return Promise.resolve(OUTAGE);
    const key = this.kept.keyOf(check);
    const kept = key === undefined ? undefined : this.kept.answer(key);
    if (kept !== undefined) return Promise.resolve(kept);
    // Of many who ask the same while it is on its way, one asks for all; after a write nobody joins an older question.
    const same = key === undefined ? undefined : `${this.kept.generation} ${key}`;
    const pending = same === undefined ? undefined : this.pending.get(same);
    if (pending !== undefined) return pending;
    // The few of a small call still get in where long lists have filled the queue.
    const most = asked.length < SHARE ? 2 * MAX_WAITING : MAX_WAITING;
    if (this.waiting >= most) return Promise.resolve({ result: 'unknown', fault: 'overloaded' });
    this.waiting += 1;
    const answer = new Promise<CheckAnswer>((resolve) => asked.push({ check, resolve }));
    if (same !== undefined) {
      this.pending.set(same, answer);
      void answer.finally(() => this.pending.delete(same));
    }
    return answer;
  }

  private pump(): void {
    if (this.asking || this.queue.length === 0) return;
    this.asking = true;
    // One turn of the loop lets the checks of decisions that arrived together travel together.
    setImmediate(() => {
      const batch = this.nextBatch();
      void this.ask(batch).finally(() => {
        this.asking = false;
        this.pump();
      });
    });
  }

  /** A share of each call in turn, so that a long list holds up nobody who asks little. */
  private nextBatch(): Pending[] {
    const batch: Pending[] = [];
    for (let call = this.queue.shift(); call !== undefined; call = this.queue.shift()) {
      batch.push(...call.splice(0, Math.min(SHARE, MAX_BULK - batch.length)));
      if (call.length > 0) this.queue.push(call);
      if (batch.length === MAX_BULK) break;
    }
    this.waiting -= batch.length;
    return batch;
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

/** SpiceDB's word on a schema that it doesn't take, at its place in the file. */
function schemaProblem(error: unknown, graph: Graph): Error {
  const text = error instanceof Error ? error.message : String(error);
  const [, line, column, why] = /line (\d+), column (\d+): ([\s\S]*)$/.exec(text) ?? [];
  if (why !== undefined) return new ConfigError(why, `${graph.file}:${line ?? ''}:${column ?? ''}`);
  const [, described] = /code = (?:InvalidArgument|FailedPrecondition) desc = ([\s\S]*)$/.exec(text) ?? [];
  return described === undefined
    ? new Fault('relationships_unavailable', text)
    : new ConfigError(described, graph.file);
}

/** SpiceDB's refusal of a request as an error for whoever made it; everything else is an outage. */
function refused(error: unknown, at = ''): Error {
  const message = error instanceof Error ? error.message : String(error);
  // Unary calls say `code = AlreadyExists desc = …`, streaming ones `9 FAILED_PRECONDITION: …`.
  const rpc = /code = (\w+) desc = ([\s\S]*)$/.exec(message) ?? /^\d+ ([A-Z_]+): ([\s\S]*)$/.exec(message);
  const code = (rpc?.[1] ?? '').replaceAll('_', '').toLowerCase();
  const text = (rpc?.[2] ?? '').slice(0, 500);
  if (code === 'alreadyexists') return new BadRequest(text, at, 409, 'already_exists');
  if (code === 'invalidargument' || code === 'failedprecondition') return new BadRequest(text, at);
  return new Fault('relationships_unavailable', message, { cause: error });
}
