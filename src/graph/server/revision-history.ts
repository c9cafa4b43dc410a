/**
 * The last revisions of a SpiceDB server, and what has changed from one to the next. Others write to the server, so its
 * newest revision is learned from SpiceDB itself. Where it stores in PostgreSQL, a revision says which transactions it sees:
 * if all that are new are writes of this process, only what they touch has changed. Otherwise everything may have.
 */
import { LRUCache } from 'lru-cache';
import type { RelationshipUpdate } from '../../model/relationships.js';
import type { GraphSchema } from '../schema/schema.js';
import { WriteEffects } from '../write-effects.js';
import {
  listNewTransactions,
  parsePostgresSnapshot,
  seesTransaction,
  type PostgresSnapshot,
} from './postgres-snapshot.js';

/** Revisions whose answers may still be on their way. */
const MAX_REVISIONS = 200;
/** Updates of this process that no revision has shown yet. */
const MAX_UPDATES = 20_000;

export class RevisionHistory {
  /** What changed with each event: a revision is all events up to one. */
  readonly effects: WriteEffects;
  private newest: { readonly token: string; readonly snapshot: PostgresSnapshot | undefined } | undefined;
  /** The last event of each revision, by its ZedToken. */
  private readonly lastEvents = new LRUCache<string, number>({ max: MAX_REVISIONS });
  /** The updates of this process's writes, by their transactions. */
  private readonly writes = new LRUCache<number, readonly RelationshipUpdate[]>({
    maxSize: MAX_UPDATES,
    sizeCalculation: (updates) => 1 + updates.length,
  });
  /** Writes of this process are numbered as they begin. */
  private begunWrites = 0;
  private readonly writesUnderWay = new Set<number>();
  /** The last write that had begun when a transaction was first seen that isn't known; only a write up to it can be it. */
  private readonly unknownTransactions = new Map<number, number>();

  constructor(schema: GraphSchema) {
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
   * Takes note of a revision that SpiceDB has named as its newest. One that is older than the newest, or may have a write of
   * this process that isn't acknowledged yet, changes nothing.
   * @returns whether the revision is part of the history
   */
  advance(revision: string): boolean {
    if (this.lastEvents.has(revision)) return true;
    const snapshot = parsePostgresSnapshot(revision);
    if (this.newest?.snapshot === undefined || snapshot === undefined) return this.restart(revision, snapshot);
    const transactions = listNewTransactions(this.newest.snapshot, snapshot);
    if (transactions === undefined && listNewTransactions(snapshot, this.newest.snapshot) !== undefined) return false;
    if (transactions === undefined) return this.restart(revision, snapshot);
    const unknown = transactions.filter((transaction) => !this.writes.has(transaction));
    if (unknown.some((transaction) => this.isForeign(transaction))) return this.restart(revision, snapshot);
    if (unknown.length > 0) return false;
    for (const transaction of transactions) this.effects.noteWrite(this.writes.get(transaction) ?? []);
    this.setNewest(revision, snapshot);
    return true;
  }

  /** Whether the transaction can't be a write of this process that is still to be acknowledged. */
  private isForeign(transaction: number): boolean {
    const lastBegun = this.unknownTransactions.get(transaction) ?? this.begunWrites;
    this.unknownTransactions.set(transaction, lastBegun);
    return [...this.writesUnderWay].every((write) => write > lastBegun);
  }

  /** Forgets how revisions differ: with the next one everything may have changed. */
  forget(): void {
    this.newest = undefined;
    this.lastEvents.clear();
    this.writes.clear();
    this.effects.noteChangeOfAll();
  }

  /**
   * Writes through `perform`, and remembers what it wrote.
   * @param perform returns the ZedToken from which on the updates hold
   * @throws what `perform` throws
   */
  async write(updates: readonly RelationshipUpdate[], perform: () => Promise<string>): Promise<string> {
    this.begunWrites += 1;
    const write = this.begunWrites;
    this.writesUnderWay.add(write);
    try {
      const revision = await perform();
      const transaction = parsePostgresSnapshot(revision)?.written;
      if (transaction !== undefined) this.writes.set(transaction, updates);
      return revision;
    } finally {
      this.writesUnderWay.delete(write);
    }
  }

  private restart(revision: string, snapshot: PostgresSnapshot | undefined): true {
    this.forget();
    this.setNewest(revision, snapshot);
    return true;
  }

  private setNewest(token: string, snapshot: PostgresSnapshot | undefined): void {
    this.newest = { token, snapshot };
    this.lastEvents.set(token, this.effects.now);
    this.unknownTransactions.clear();
    if (snapshot === undefined) return;
    for (const transaction of this.writes.keys())
      if (seesTransaction(snapshot, transaction)) this.writes.delete(transaction);
  }
}
