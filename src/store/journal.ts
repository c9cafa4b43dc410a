/**
 * The journal of relationship writes, replayed to an embedded SpiceDB at start, because its own store is in memory. The
 * ZedTokens of an embedded deployment are made from the journal's sequence numbers, so they survive a restart.
 */
import type { Database, SqlStatement } from './database/port.js';
import { MetaStore } from './meta.js';
import type { Relationship, RelationshipUpdate } from '../model/relationships.js';

export interface JournalReplay {
  /** The sequence number of the last write. */
  readonly sequence: number;
  /** The updates that SpiceDB has confirmed, in order. */
  readonly settledUpdates: readonly RelationshipUpdate[];
  /** The last writes, which were never confirmed: SpiceDB may or may not have taken them. */
  readonly unsettled: readonly { readonly sequence: number; readonly updates: readonly RelationshipUpdate[] }[];
}

/** The part of a journal that an embedded SpiceDB needs. */
export type WriteLog = Pick<
  Journal,
  'encodeToken' | 'decodeToken' | 'append' | 'settle' | 'withdraw' | 'replay' | 'compact'
>;

/** A journal with more rows than this is compacted to the relationships that result. */
const COMPACT_ABOVE = 1000;
const COMPACTION_GROUP = 1000;

export class Journal {
  private rows = 0;
  /** Updates of journal rows that failed, by sequence number: the next write repeats them. */
  private readonly pendingStatements = new Map<number, SqlStatement>();

  private constructor(
    private readonly database: Database,
    private readonly storeId: string,
  ) {}

  static async open(database: Database): Promise<Journal> {
    return new Journal(database, await new MetaStore(database).require('store_id'));
  }

  /** Encodes the ZedToken of a write. */
  encodeToken(sequence: number): string {
    return Buffer.from(`${this.storeId}.${sequence}`).toString('base64url');
  }

  /** Decodes a ZedToken to the write's sequence number; undefined where the token is not of this store. */
  decodeToken(token: string): number | undefined {
    const match = /^(.*)\.(\d{1,15})$/.exec(Buffer.from(token, 'base64url').toString());
    if (match === null || match[1] !== this.storeId || this.encodeToken(Number(match[2])) !== token) return undefined;
    return Number(match[2]);
  }

  /**
   * Appends a write, and returns its sequence number. Only one write may be under way: the next one follows when this one
   * is settled or withdrawn. So any other unsettled row was given up when its connection broke, and never reached SpiceDB.
   * @param by the client that writes
   * @throws Fault
   */
  async append(updates: readonly RelationshipUpdate[], by: string): Promise<number> {
    const results = await this.database.run([
      ...this.pendingStatements.values(),
      { sql: 'delete from relationship_journal where not settled' },
      {
        sql: 'insert into relationship_journal (written_by, updates) values ($1, $2::jsonb) returning sequence',
        params: [by, JSON.stringify(updates)],
      },
    ]);
    this.pendingStatements.clear();
    return Number(results.at(-1)?.[0]?.['sequence']);
  }

  /** Marks a write that SpiceDB has taken. */
  settle(sequence: number): Promise<void> {
    return this.recordFate(sequence, {
      sql: 'update relationship_journal set settled = true where sequence = $1',
      params: [sequence],
    });
  }

  /** Removes a write that SpiceDB has refused. */
  withdraw(sequence: number): Promise<void> {
    return this.recordFate(sequence, {
      sql: 'delete from relationship_journal where sequence = $1',
      params: [sequence],
    });
  }

  /** Tries at once, and leaves a failure to the next write: the journal is durable already, so no answer depends on it. */
  private async recordFate(sequence: number, statement: SqlStatement): Promise<void> {
    this.pendingStatements.set(sequence, statement);
    try {
      await this.database.run([statement]);
      this.pendingStatements.delete(sequence);
    } catch {
      // The next write repeats it. After a restart before that, SpiceDB decides again, with the same result.
    }
  }

  /** Reads what SpiceDB is given at start. @throws Fault */
  async replay(): Promise<JournalReplay> {
    const pending = [...this.pendingStatements.values()];
    const results = await this.database.run([
      ...pending,
      { sql: 'select sequence, updates, settled from relationship_journal order by sequence' },
      // The last sequence number counts rows that a compaction has removed: their ZedTokens stay valid.
      {
        sql: `select coalesce(pg_sequence_last_value(pg_get_serial_sequence('relationship_journal', 'sequence')::regclass), 0) as sequence`,
      },
    ]);
    this.pendingStatements.clear();
    const [rows = [], last] = results.slice(pending.length);
    this.rows = rows.length;
    const writes = rows.map((row) => ({
      sequence: Number(row['sequence']),
      settled: row['settled'] === true,
      updates: row['updates'] as RelationshipUpdate[],
    }));
    // An unsettled write before a settled one was given up: SpiceDB never had it, and now it would undo later writes.
    const settled = writes.findLastIndex((w) => w.settled);
    return {
      sequence: Number(last?.[0]?.['sequence'] ?? 0),
      settledUpdates: writes.filter((w) => w.settled).flatMap((w) => w.updates),
      unsettled: writes.slice(settled + 1),
    };
  }

  /**
   * Replaces the settled rows of a long journal by the relationships that result. To be called only while an engine
   * starts, when no write is under way.
   * @throws Fault
   */
  async compact(state: readonly Relationship[]): Promise<void> {
    if (this.rows <= COMPACT_ABOVE) return;
    const inserts = [];
    for (let start = 0; start < state.length; start += COMPACTION_GROUP) {
      const updates = state
        .slice(start, start + COMPACTION_GROUP)
        .map((relationship): RelationshipUpdate => ({ operation: 'touch', relationship }));
      inserts.push({
        sql: `insert into relationship_journal (written_by, updates, settled) values ('compaction', $1::jsonb, true)`,
        params: [JSON.stringify(updates)],
      });
    }
    await this.database.run([{ sql: 'delete from relationship_journal where settled' }, ...inserts]);
  }
}
