/**
 * The last revisions of a SpiceDB server, and what has changed from one to the next. Others write to the server, so its
 * newest revision is learned from SpiceDB itself. Where it stores in PostgreSQL, a revision says which transactions it sees.
 * Those of this process are known. Of others SpiceDB's Watch tells a moment later; until then they may have changed
 * anything, as they may with every other datastore.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { Relationship, RelationshipUpdate } from '../../model/relationships.js';
import type { GraphSchema } from '../schema/schema.js';
import { WriteEffects } from '../write-effects.js';
import {
  listNewTransactions,
  parsePostgresSnapshot,
  seesTransaction,
  type PostgresSnapshot,
} from './postgres-snapshot.js';
import type { TransactionChanges } from './transaction-changes.js';

/** Revisions whose answers may still be on their way. */
const MAX_TRACKED_REVISIONS = 200;
/** Relationships of writes that no revision has shown yet. */
const MAX_TRACKED_RELATIONSHIPS = 20_000;
/** Steps from one revision to the next of which Watch hasn't told yet; with more it is too slow. */
const MAX_UNKNOWN_STEPS = 100;
/** A write of this process is mostly seen before it is acknowledged: then nothing has to be asked. */
const ACKNOWLEDGEMENT_MS = 10;
/** After a failure Watch isn't asked for so long: it may be turned off. */
const WATCH_PAUSE_MS = 5_000;

/**
 * Finds what transactions of other writers have changed.
 * @param since a revision that sees none of them, as a ZedToken
 * @throws where it can't be told in time
 */
export type FindChanges = (
  since: string,
  transactions: readonly number[],
) => Promise<ReadonlyMap<number, TransactionChanges>>;

/** The step from one revision to the next, where it isn't known yet what all of its transactions have changed. */
interface UnknownStep {
  readonly event: number;
  /** The revision before. */
  readonly since: string;
  readonly unknown: Set<number>;
  readonly changed: Relationship[];
}

export class RevisionHistory {
  /** The changes of each event: a revision is all events up to one. */
  readonly effects: WriteEffects;
  private newest: { readonly token: string; readonly snapshot: PostgresSnapshot | undefined } | undefined;
  /** The last event of each revision, by its ZedToken. */
  private readonly lastEvents = new LRUCache<string, number>({ max: MAX_TRACKED_REVISIONS });
  /** The relationships that writes of this process have changed, by transactions that the newest revision doesn't see. */
  private readonly ownWrites = new LRUCache<number, readonly Relationship[]>({
    maxSize: MAX_TRACKED_RELATIONSHIPS,
    sizeCalculation: (changed) => 1 + changed.length,
  });
  private unknownSteps: UnknownStep[] = [];
  private isLearning = false;
  private lastFailureAt = -Infinity;

  constructor(
    schema: GraphSchema,
    private readonly findChanges: FindChanges,
  ) {
    this.effects = new WriteEffects(schema);
  }

  /** The newest revision that is known, as a ZedToken. */
  get newestRevision(): string | undefined {
    return this.newest?.token;
  }

  /** The last event of a revision; undefined where it isn't known how it differs from the newest. */
  lastEventOf(revision: string): number | undefined {
    return this.lastEvents.get(revision);
  }

  /**
   * Takes note of a revision that SpiceDB has named as its newest. One that is older changes nothing, whether it is part of
   * the history or not.
   */
  advance(revision: string): void {
    if (this.lastEvents.has(revision)) return;
    const snapshot = parsePostgresSnapshot(revision);
    const { newest } = this;
    if (newest?.snapshot === undefined || snapshot === undefined) {
      this.restart(revision, snapshot);
      return;
    }
    const transactions = listNewTransactions(newest.snapshot, snapshot);
    const isOlder = transactions === undefined && listNewTransactions(snapshot, newest.snapshot) !== undefined;
    if (isOlder) return;
    // Watch may tell nothing of a schema that is stored apart.
    if (transactions === undefined || snapshot.schemaHash !== newest.snapshot.schemaHash) {
      this.restart(revision, snapshot);
      return;
    }
    if (transactions.length > 0) this.noteTransactions(transactions, newest.token);
    this.setNewest(revision, snapshot);
  }

  /** Forgets how revisions differ: with the next one everything may have changed. */
  forget(): void {
    this.newest = undefined;
    this.lastEvents.clear();
    this.ownWrites.clear();
    this.unknownSteps = [];
    this.effects.noteChangeOfAll();
  }

  /**
   * Writes through `perform`, and remembers what it wrote.
   * @param perform returns the ZedToken from which on the updates hold
   * @throws what `perform` throws
   */
  async write(updates: readonly RelationshipUpdate[], perform: () => Promise<string>): Promise<string> {
    const revision = await perform();
    const transaction = parsePostgresSnapshot(revision)?.written;
    if (transaction === undefined) return revision;
    const changed = updates.map(({ relationship }) => relationship);
    const isSeen = this.newest?.snapshot !== undefined && seesTransaction(this.newest.snapshot, transaction);
    if (isSeen) this.settle(transaction, changed);
    else this.ownWrites.set(transaction, changed);
    return revision;
  }

  private noteTransactions(transactions: readonly number[], since: string): void {
    const unknown = transactions.filter((transaction) => !this.ownWrites.has(transaction));
    const changed = transactions.flatMap((transaction) => this.ownWrites.get(transaction) ?? []);
    if (unknown.length === 0) {
      this.effects.noteWrite(changed);
      return;
    }
    const isTold = performance.now() >= this.lastFailureAt + WATCH_PAUSE_MS;
    if (!isTold || this.unknownSteps.length >= MAX_UNKNOWN_STEPS) {
      this.unknownSteps = [];
      this.effects.noteChangeOfAll();
      return;
    }
    this.unknownSteps.push({ event: this.effects.noteUnknownWrite(), since, unknown: new Set(unknown), changed });
    if (!this.isLearning) void this.learnChanges();
  }

  /** Has Watch tell what the unknown steps have changed, until there is none. Never throws. */
  private async learnChanges(): Promise<void> {
    this.isLearning = true;
    for (;;) {
      await sleep(ACKNOWLEDGEMENT_MS);
      const steps = [...this.unknownSteps];
      const [first] = steps;
      if (first === undefined) break;
      const changes = await this.findChanges(
        first.since,
        steps.flatMap(({ unknown }) => [...unknown]),
      ).catch(() => undefined);
      if (changes === undefined) this.lastFailureAt = performance.now();
      // It was asked of the steps that there were then: a restart may have come between.
      for (const step of steps.filter((one) => this.unknownSteps.includes(one)))
        for (const transaction of [...step.unknown])
          this.settleIn(step, transaction, changes?.get(transaction) ?? 'everything');
    }
    this.isLearning = false;
  }

  private settle(transaction: number, changed: TransactionChanges): void {
    const step = this.unknownSteps.find(({ unknown }) => unknown.has(transaction));
    if (step !== undefined) this.settleIn(step, transaction, changed);
  }

  private settleIn(step: UnknownStep, transaction: number, changed: TransactionChanges): void {
    if (!step.unknown.delete(transaction)) return;
    if (changed !== 'everything') step.changed.push(...changed);
    if (changed !== 'everything' && step.unknown.size > 0) return;
    this.unknownSteps = this.unknownSteps.filter((other) => other !== step);
    this.effects.settleUnknownWrite(step.event, changed === 'everything' ? changed : step.changed);
  }

  private restart(revision: string, snapshot: PostgresSnapshot | undefined): void {
    this.forget();
    this.setNewest(revision, snapshot);
  }

  private setNewest(token: string, snapshot: PostgresSnapshot | undefined): void {
    this.newest = { token, snapshot };
    this.lastEvents.set(token, this.effects.now);
    if (snapshot === undefined) return;
    for (const transaction of this.ownWrites.keys())
      if (seesTransaction(snapshot, transaction)) this.ownWrites.delete(transaction);
  }
}
