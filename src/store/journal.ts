/**
 * The journal of relationship writes: what an embedded SpiceDB, whose store is memory, is given again at start.
 * Its sequence numbers make the ZedTokens of an embedded deployment, so tokens outlive a restart.
 */
import type { Database, SqlStatement } from './database/port.js';
import type { Relationship, RelationshipUpdate } from '../model/relationships.js';

export interface JournalReplay {
  /** Of the last write. */
  readonly sequence: number;
  /** What holds for certain, in order. */
  readonly lasting: readonly RelationshipUpdate[];
  /** The last writes, which were never answered: SpiceDB may or may not have taken them. */
  readonly unsettled: readonly { readonly sequence: number; readonly updates: readonly RelationshipUpdate[] }[];
}

/** What an embedded SpiceDB wants of a journal. */
export type WriteLog = Pick<Journal, 'token' | 'sequenceOf' | 'append' | 'settle' | 'withdraw' | 'replay' | 'compact'>;

/** More rows than this are folded into the relationships that they leave. */
const COMPACT_ABOVE = 1000;
const COMPACTION_GROUP = 1000;

export class Journal {
  private rows = 0;
  /** What has become of writes, as far as the database couldn't be told: the next write tells it. */
  private readonly pendingStatements = new Map<number, SqlStatement>();

  private constructor(
    private readonly database: Database,
    private readonly storeId: string,
  ) {}

  static async open(database: Database): Promise<Journal> {
    const [rows] = await database.run([{ sql: `select value from meta where key = 'store_id'` }]);
    return new Journal(database, String(rows?.[0]?.['value']));
  }

  /** The ZedToken of a write. */
  token(sequence: number): string {
    return Buffer.from(`${this.storeId}.${sequence}`).toString('base64url');
  }

  /** The write that `token` is of; undefined where it is none of this store's. */
  sequenceOf(token: string): number | undefined {
    const match = /^(.*)\.(\d{1,15})$/.exec(Buffer.from(token, 'base64url').toString());
    if (match === null || match[1] !== this.storeId || this.token(Number(match[2])) !== token) return undefined;
    return Number(match[2]);
  }

  /**
   * One at a time: the next only when this one is settled or withdrawn. So whatever is unsettled by then was given up
   * when its connection broke, and SpiceDB never had it.
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

  /** SpiceDB has taken it. */
  settle(sequence: number): Promise<void> {
    return this.recordFate(sequence, {
      sql: 'update relationship_journal set settled = true where sequence = $1',
      params: [sequence],
    });
  }

  /** SpiceDB has refused it. */
  withdraw(sequence: number): Promise<void> {
    return this.recordFate(sequence, {
      sql: 'delete from relationship_journal where sequence = $1',
      params: [sequence],
    });
  }

  /** What is in the journal lasts already, so nobody's answer depends on this. */
  private async recordFate(sequence: number, statement: SqlStatement): Promise<void> {
    this.pendingStatements.set(sequence, statement);
    try {
      await this.database.run([statement]);
      this.pendingStatements.delete(sequence);
    } catch {
      // Told with the next write. A restart before that asks SpiceDB again, which says the same.
    }
  }

  async replay(): Promise<JournalReplay> {
    const pending = [...this.pendingStatements.values()];
    const results = await this.database.run([
      ...pending,
      { sql: 'select sequence, updates, settled from relationship_journal order by sequence' },
      // Also of writes that a compaction has left nothing of: their ZedTokens stay known.
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
    // One that others came after arrived when it had been given up: SpiceDB never had it, and would now undo theirs.
    const settled = writes.findLastIndex((w) => w.settled);
    return {
      sequence: Number(last?.[0]?.['sequence'] ?? 0),
      lasting: writes.filter((w) => w.settled).flatMap((w) => w.updates),
      unsettled: writes.slice(settled + 1),
    };
  }

  /** Replaces a long journal's settled part by the relationships it leaves; only while an engine begins, when nothing is written. */
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
