/**
 * The store of decision records: each decision with the facts it rests on, durable before its answer leaves. Records
 * that arrive while a group is being written form the next group, so one commit serves many decisions.
 */
import { StatementRejectedFault, type Database } from './database/port.js';
import { Fault } from '../model/faults.js';
import type { DecisionRecord, SearchRecord } from '../model/decision.js';
import { currentSpan, withLinks, type ActiveSpan } from '../telemetry/active-span.js';

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

/** Selects records; undefined members select all. */
export interface DecisionFilter {
  /** The id of the client that asked. */
  readonly client?: string | undefined;
  /** RFC 3339: decisions made at this time or later. */
  readonly from?: string | undefined;
  /** RFC 3339: decisions made before this time. */
  readonly to?: string | undefined;
  readonly decision?: boolean | undefined;
  /** An id: only records that follow it in the list, being older. */
  readonly after?: string | undefined;
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

export interface RecordStats {
  /** Records that decisions wait for. */
  readonly waiting: number;
  /** Corrections that are still to be written; no decision waits for them. */
  readonly pendingCorrections: number;
  /** Corrections that were dropped because too many were pending. */
  readonly droppedCorrections: number;
  /** Whether the last write failed. */
  readonly failing: boolean;
  /** Groups that were written or tried. */
  readonly groups: number;
  /** The records in those groups. */
  readonly members: number;
}

/** The longest facts that are stored, in characters of JSON: callers' properties must not fill the store. */
const MAX_FACTS_LENGTH = 64 * 1024;
const MAX_GROUP_SIZE = 250;
/** The most records that wait. More are refused: the store can't keep up. */
const MAX_WAITING_RECORDS = 10_000;
/** The most corrections that wait. More are dropped: each belongs to a decision that was answered with a failure. */
const MAX_PENDING_CORRECTIONS = 10_000;

interface QueuedRecord {
  readonly id: string;
  text: string;
  /** Whether it replaces an earlier record: no caller waits for it, and it must outlive an outage of the store. */
  readonly correction: boolean;
  readonly span: ActiveSpan | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class DecisionStore implements Decisions {
  private readonly waiting: QueuedRecord[] = [];
  private readonly pendingCorrections: QueuedRecord[] = [];
  private writing: Promise<boolean> | undefined;
  private failing = false;
  private droppedCorrections = 0;
  private groups = 0;
  private members = 0;

  /** @param keepsFacts whether records hold the facts of the decision, so that it can be replayed */
  constructor(
    private readonly database: Database,
    private readonly keepsFacts = true,
  ) {}

  record(record: DecisionRecord | SearchRecord): Promise<void> {
    if (this.waiting.length >= MAX_WAITING_RECORDS) return Promise.reject(new Fault('overloaded', 'decision records'));
    return new Promise((resolve, reject) => {
      this.waiting.push({
        id: record.id,
        text: this.serializeRecord(record),
        correction: false,
        span: currentSpan(),
        resolve,
        reject,
      });
      this.writeNextGroup();
    });
  }

  correct(record: DecisionRecord): void {
    const text = this.serializeRecord(record);
    const queued = this.waiting.find((w) => w.id === record.id);
    if (queued !== undefined) queued.text = text;
    else {
      this.enqueueCorrection({
        id: record.id,
        text,
        correction: true,
        span: undefined,
        resolve: () => undefined,
        reject: () => undefined,
      });
      this.writeNextGroup();
    }
  }

  private serializeRecord(record: DecisionRecord | SearchRecord): string {
    if (!('facts' in record) || record.facts === undefined) return JSON.stringify(record);
    const { facts, ...others } = record;
    if (!this.keepsFacts) return JSON.stringify(others);
    const text = JSON.stringify(record);
    // Only a long record can have long facts.
    return text.length > MAX_FACTS_LENGTH && JSON.stringify(facts).length > MAX_FACTS_LENGTH
      ? JSON.stringify(others)
      : text;
  }

  private enqueueCorrection(correction: QueuedRecord): void {
    if (this.pendingCorrections.length < MAX_PENDING_CORRECTIONS) this.pendingCorrections.push(correction);
    else this.droppedCorrections += 1;
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

  /** Lists records, the newest first. @throws Fault */
  async list(
    { client, from, to, decision, after }: DecisionFilter,
    limit: number,
  ): Promise<readonly (DecisionRecord | SearchRecord)[]> {
    const [rows = []] = await this.database.run([
      {
        // Ids begin with their time of creation, so they sort by it.
        sql: `select record from decisions
              where ($1::text is null or client = $1) and ($2::timestamptz is null or at >= $2)
                and ($3::timestamptz is null or at < $3) and ($4::boolean is null or decision = $4)
                and ($5::uuid is null or id < $5)
              order by id desc limit $6`,
        params: [client ?? null, from ?? null, to ?? null, decision ?? null, after ?? null, limit],
      },
    ]);
    return rows.map((row) => row['record'] as DecisionRecord | SearchRecord);
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
  async flush(): Promise<void> {
    while (this.writing !== undefined || this.waiting.length + this.pendingCorrections.length > 0) {
      this.writeNextGroup();
      if ((await this.writing) === false) throw new Fault('database_unavailable', 'decision records');
    }
  }

  stats(): RecordStats {
    const { waiting, pendingCorrections, droppedCorrections, failing, groups, members } = this;
    return {
      waiting: waiting.length,
      pendingCorrections: pendingCorrections.length,
      droppedCorrections,
      failing,
      groups,
      members,
    };
  }

  private writeNextGroup(): void {
    if (this.writing !== undefined || this.waiting.length + this.pendingCorrections.length === 0) return;
    const group = [...this.pendingCorrections.splice(0, MAX_GROUP_SIZE), ...this.waiting.splice(0, MAX_GROUP_SIZE)];
    this.groups += 1;
    this.members += group.length;
    const spans = group.map(({ span: asker }) => asker);
    const writing = withLinks(spans, () => this.writeGroup(group));
    this.writing = writing;
    void writing.then((written) => {
      this.writing = undefined;
      this.failing = !written;
      // While the store is down, pending corrections go with the next record that is tried.
      if (written || this.waiting.length > 0) this.writeNextGroup();
    });
  }

  /** @returns whether the database answered */
  private async writeGroup(group: readonly QueuedRecord[]): Promise<boolean> {
    try {
      await this.database.run([
        {
          sql: `insert into decisions (id, at, client, decision, record)
                select (r->>'id')::uuid, (r->>'evaluated_at')::timestamptz, r->>'client', (r->>'decision')::boolean, r
                from jsonb_array_elements($1::jsonb) r
                on conflict (id) do update set decision = excluded.decision, record = excluded.record
                  where not excluded.decision`,
          params: [`[${group.map((w) => w.text).join(',')}]`],
        },
      ]);
      for (const { resolve } of group) resolve();
      return true;
    } catch (error) {
      // A record that the database rejects must not take its neighbours with it; a database that is down takes none.
      const rejected = error instanceof StatementRejectedFault;
      if (rejected && group.length > 1) {
        let available = true;
        for (const record of group) available = await this.writeGroup([record]);
        return available;
      }
      for (const record of group) {
        if (record.correction && !rejected) this.enqueueCorrection(record);
        else record.reject(error);
      }
      return rejected;
    }
  }
}
