/**
 * Writes decision records in groups: records that arrive while a group is being written form the next one, so one commit
 * serves many decisions. Corrections go along; they outlive an outage of the database.
 */
import { StatementRejectedFault, type Database } from './database/port.js';
import { Fault } from '../model/faults.js';
import { currentSpan, withLinks, type ActiveSpan } from '../telemetry/active-span.js';

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

export class RecordQueue {
  private readonly waiting: QueuedRecord[] = [];
  private readonly pendingCorrections: QueuedRecord[] = [];
  private writing: Promise<boolean> | undefined;
  private failing = false;
  private droppedCorrections = 0;
  private groups = 0;
  private members = 0;

  constructor(private readonly database: Database) {}

  /**
   * Writes a record.
   * @param serialize makes the record's JSON; not called where too many records wait
   * @returns once the record is durable. @throws Fault
   */
  write(id: string, serialize: () => string): Promise<void> {
    if (this.waiting.length >= MAX_WAITING_RECORDS) return Promise.reject(new Fault('overloaded', 'decision records'));
    return new Promise((resolve, reject) => {
      this.waiting.push({ id, text: serialize(), correction: false, span: currentSpan(), resolve, reject });
      this.writeNextGroup();
    });
  }

  /** Replaces a record, later; no caller waits for it. @param text the record's JSON */
  correct(id: string, text: string): void {
    const queued = this.waiting.find((record) => record.id === id);
    if (queued !== undefined) {
      queued.text = text;
      return;
    }
    const ignore = (): undefined => undefined;
    this.enqueueCorrection({ id, text, correction: true, span: undefined, resolve: ignore, reject: ignore });
    this.writeNextGroup();
  }

  private enqueueCorrection(correction: QueuedRecord): void {
    if (this.pendingCorrections.length < MAX_PENDING_CORRECTIONS) this.pendingCorrections.push(correction);
    else this.droppedCorrections += 1;
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
    const writing = withLinks(
      group.map(({ span }) => span),
      () => this.writeGroup(group),
    );
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
          params: [`[${group.map((record) => record.text).join(',')}]`],
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
