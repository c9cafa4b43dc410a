/** The store of decision records: each decision with the facts it rests on, durable before its answer leaves. */
import type { Database } from './database/port.js';
import type { DecisionRecord, SearchRecord } from '../model/decision.js';
import { NO_ACCOUNT, type CallerAccount } from '../model/question.js';
import type { CallerGroups } from '../runtime/fair-limit.js';
import { listDecisions, type DecisionFilter, type DecisionPage } from './list-decisions.js';
import { RecordQueue, type RecordStats } from './record-queue.js';
import { measureStoredBytes } from './stored-bytes.js';

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
  /** Resolves when the record is durable. @param account of the caller whose record it is, and who is charged with it @throws Fault */
  record(record: DecisionRecord | SearchRecord, account: CallerAccount): Promise<void>;
  /** Replaces a record whose decision wasn't the one that was answered. It is written later; no caller waits for it. */
  correct(record: DecisionRecord, account: CallerAccount): void;
  find(id: string): Promise<StoredDecision | undefined>;
  /** @returns false where another outcome was reported before. @throws Fault */
  reportOutcome(id: string, client: string, outcome: ReportedOutcome): Promise<boolean>;
}

/** The longest facts that are stored, in bytes of JSON: callers' properties must not fill the store. */
const MAX_FACTS_BYTES = 64 * 1024;

export class DecisionStore implements Decisions {
  private readonly queue: RecordQueue;

  /** @param keepsFacts whether records hold the facts of the decision, so that it can be replayed */
  constructor(
    private readonly database: Database,
    private readonly keepsFacts = true,
  ) {
    this.queue = new RecordQueue(database);
  }

  /** Whether a further record of such a caller, of this length, is taken now; otherwise nothing can be decided for it. */
  hasRoom(groups: CallerGroups, bytes: number): boolean {
    return this.queue.hasRoom(groups, bytes);
  }

  record(record: DecisionRecord | SearchRecord, account = NO_ACCOUNT): Promise<void> {
    const serialize = (): string => {
      const text = this.serializeRecord(record);
      account.countRecord(Buffer.byteLength(text));
      return text;
    };
    return this.queue.write(record.id, serialize, account.groups);
  }

  /** Replaces a record. Its caller was charged when it was first given, and isn't again. */
  correct(record: DecisionRecord, { groups } = NO_ACCOUNT): void {
    this.queue.correct(record.id, this.serializeRecord(record), groups);
  }

  private serializeRecord(record: DecisionRecord | SearchRecord): string {
    if (!('facts' in record) || record.facts === undefined) return JSON.stringify(record);
    const { facts, ...others } = record;
    if (!this.keepsFacts) return JSON.stringify(others);
    const text = JSON.stringify(record);
    // Only a long record can have long facts.
    return measureStoredBytes(text) > MAX_FACTS_BYTES && measureStoredBytes(JSON.stringify(facts)) > MAX_FACTS_BYTES
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
