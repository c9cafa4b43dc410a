/** The store of decision records: each decision with the facts it rests on, durable before its answer leaves. */
import type { Database } from './database/port.js';
import type { DecisionRecord, SearchRecord } from '../model/decision.js';
import { listDecisions, type DecisionFilter, type DecisionPage } from './list-decisions.js';
import { RecordQueue, type RecordStats } from './record-queue.js';
import { measureStoredLength } from './stored-length.js';

export interface ReportedOutcome {
  readonly outcome: 'executed' | 'failed' | 'abandoned';
  readonly at?: string | undefined;
  readonly detail?: string | undefined;
  readonly properties?: Readonly<Record<string, unknown>> | undefined;
}

export interface StoredDecision {
  readonly record: DecisionRecord;
  readonly outcome?: (ReportedOutcome & { readonly reported_at: string; readonly reported_by: string }) | undefined;
}

export interface Decisions {
  /** Resolves when the record is durable. @throws Fault */
  record(record: DecisionRecord | SearchRecord): Promise<void>;
  /** Replaces a record whose decision wasn't the one that was answered. It is written later; no caller waits for it. */
  correct(record: DecisionRecord): void;
  find(id: string): Promise<StoredDecision | undefined>;
  /** @returns false where another outcome was reported before. @throws Fault */
  reportOutcome(id: string, client: string, outcome: ReportedOutcome): Promise<boolean>;
}

/** The longest facts that are stored, in characters of JSON: callers' properties must not fill the store. */
const MAX_FACTS_LENGTH = 64 * 1024;

export class DecisionStore implements Decisions {
  private readonly queue: RecordQueue;

  /** @param keepsFacts whether records hold the facts of the decision, so that it can be replayed */
  constructor(
    private readonly database: Database,
    private readonly keepsFacts = true,
  ) {
    this.queue = new RecordQueue(database);
  }

  /** Whether no further record is taken for now, so that nothing further can be decided. */
  get isFull(): boolean {
    return this.queue.isFull;
  }

  record(record: DecisionRecord | SearchRecord): Promise<void> {
    return this.queue.write(record.id, () => this.serializeRecord(record));
  }

  correct(record: DecisionRecord): void {
    this.queue.correct(record.id, this.serializeRecord(record));
  }

  private serializeRecord(record: DecisionRecord | SearchRecord): string {
    if (!('facts' in record) || record.facts === undefined) return JSON.stringify(record);
    const { facts, ...others } = record;
    if (!this.keepsFacts) return JSON.stringify(others);
    const text = JSON.stringify(record);
    // Only a long record can have long facts.
    return measureStoredLength(text) > MAX_FACTS_LENGTH && measureStoredLength(JSON.stringify(facts)) > MAX_FACTS_LENGTH
      ? JSON.stringify(others)
      : text;
  }

  async find(id: string): Promise<StoredDecision | undefined> {
    const [rows] = await this.database.run([
      {
        sql: `select d.record, o.outcome, o.at, o.client from decisions d
              left join outcomes o on o.decision = d.id where d.id = $1::uuid`,
        params: [id],
      },
    ]);
    const row = rows?.[0];
    if (row === undefined) return undefined;
    const record = row['record'] as DecisionRecord;
    if (row['outcome'] === null) return { record };
    const reported = { reported_at: (row['at'] as Date).toISOString(), reported_by: String(row['client']) };
    return { record, outcome: { ...(row['outcome'] as ReportedOutcome), ...reported } };
  }

  /**
   * Reads a page of records, the newest first.
   * @param after the key of the page before; undefined for the first page
   * @throws Fault; BadRequest where the key is none
   */
  list(filter: DecisionFilter, after: string | undefined, limit: number): Promise<DecisionPage> {
    return listDecisions(this.database, filter, after, limit);
  }

  async reportOutcome(id: string, client: string, outcome: ReportedOutcome): Promise<boolean> {
    const [, rows] = await this.database.run([
      {
        sql: `insert into outcomes (decision, client, outcome) values ($1::uuid, $2, $3::jsonb) on conflict do nothing`,
        params: [id, client, JSON.stringify(outcome)],
      },
      {
        sql: `select 1 from outcomes where decision = $1::uuid and client = $2 and outcome = $3::jsonb`,
        params: [id, client, JSON.stringify(outcome)],
      },
    ]);
    return rows !== undefined && rows.length > 0;
  }

  /** Writes everything that waits, corrections included. @throws Fault where the store can't take it now */
  flush(): Promise<void> {
    return this.queue.flush();
  }

  stats(): RecordStats {
    return this.queue.stats();
  }
}
