/**
 * Writes decision records in groups: records that arrive while a group is being written form the next one, so one commit
 * serves many decisions. Corrections go along; they outlive an outage of the database. The queue is bounded in number and
 * bytes. It drops nothing: once it is full it takes no more, and what isn't taken isn't answered.
 */
import v8 from 'node:v8';
import { StatementRejectedFault, type Database } from './database/port.js';
import { Fault } from '../model/faults.js';
import { currentSpan, withLinks, type ActiveSpan } from '../telemetry/active-span.js';

export interface RecordStats {
  /** Records that decisions wait for. */
  readonly waiting: number;
  /** Corrections that are still to be written; no decision waits for them. */
  readonly pendingCorrections: number;
  /** The length of all that is held, in characters. */
  readonly length: number;
  /** Whether the last write failed. */
  readonly failing: boolean;
  /** Groups that were written or tried. */
  readonly groups: number;
  /** The records in those groups. */
  readonly members: number;
}

export interface RecordQueueLimits {
  /** The most records that are held, corrections included. */
  readonly records: number;
  /** Their greatest length together, in characters. */
  readonly length: number;
}

const DEFAULT_LIMITS: RecordQueueLimits = {
  records: 10_000,
  length: Math.min(64 * 1024 * 1024, v8.getHeapStatistics().heap_size_limit / 16),
};
const MAX_GROUP_SIZE = 250;
/** A group is one statement's parameter: the database reads it as a whole. */
const MAX_GROUP_LENGTH = 4 * 1024 * 1024;
/** The interval at which pending corrections are tried again while the database is away, if no record takes them along. */
const RETRY_MS = 1_000;

interface QueuedRecord {
  readonly id: string;
  text: string;
  /** Whether it replaces an earlier record: no caller waits for it, and it must outlive an outage of the store. */
  readonly correction: boolean;
  readonly span: ActiveSpan | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const IGNORE = (): undefined => undefined;

export class RecordQueue {
  private readonly waiting = new Map<string, QueuedRecord>();
  private readonly pendingCorrections = new Map<string, QueuedRecord>();
  private writing: Promise<boolean> | undefined;
  private failing = false;
  private retry: NodeJS.Timeout | undefined;
  /** Records and their length in all three: waiting, pending and being written. */
  private held = 0;
  private length = 0;
  private groups = 0;
  private members = 0;

  constructor(
    private readonly database: Database,
    private readonly limits = DEFAULT_LIMITS,
  ) {}

  /** Whether it takes no more records for now. */
  get isFull(): boolean {
    return this.held >= this.limits.records || this.length >= this.limits.length;
  }

  /**
   * Writes a record.
   * @param serialize makes the record's JSON; not called where the queue is full
   * @returns once the record is durable
   * @throws Fault; `overloaded` where the queue is full, and then no record was or will be written
   */
  write(id: string, serialize: () => string): Promise<void> {
    if (this.isFull) {
      // Where the database was away, the queue may be full of corrections, which nothing else would write.
      this.writeNextGroup();
      return Promise.reject(new Fault('overloaded', 'decision records'));
    }
    if (this.waiting.has(id)) return Promise.reject(new TypeError(`the record ${id} is being written already`));
    return new Promise((resolve, reject) => {
      this.enqueue(this.waiting, { id, text: serialize(), correction: false, span: currentSpan(), resolve, reject });
      this.writeNextGroup();
    });
  }

  /**
   * Replaces a record that was given to {@link write}, later; no caller waits for it. It is always taken: each takes the
   * place of a record that was let in.
   * @param text the record's JSON
   */
  correct(id: string, text: string): void {
    const correction = { id, text, correction: true, span: undefined, resolve: IGNORE, reject: IGNORE };
    const waiting = this.waiting.get(id);
    if (waiting !== undefined) {
      this.length += text.length - waiting.text.length;
      waiting.text = text;
      return;
    }
    this.enqueue(this.pendingCorrections, correction);
    this.writeNextGroup();
  }

  /** Writes everything that waits, corrections included. @throws Fault where the store can't take it now */
  async flush(): Promise<void> {
    while (this.writing !== undefined || this.waiting.size + this.pendingCorrections.size > 0) {
      this.writeNextGroup();
      if ((await this.writing) === false) throw new Fault('database_unavailable', 'decision records');
    }
  }

  stats(): RecordStats {
    const { waiting, pendingCorrections, length, failing, groups, members } = this;
    return { waiting: waiting.size, pendingCorrections: pendingCorrections.size, length, failing, groups, members };
  }

  private enqueue(queue: Map<string, QueuedRecord>, record: QueuedRecord): void {
    const replaced = queue.get(record.id);
    if (replaced !== undefined) this.forget(replaced);
    queue.set(record.id, record);
    this.held += 1;
    this.length += record.text.length;
  }

  private forget(record: QueuedRecord): void {
    this.held -= 1;
    this.length -= record.text.length;
  }

  private writeNextGroup(): void {
    if (this.writing !== undefined || this.waiting.size + this.pendingCorrections.size === 0) return;
    clearTimeout(this.retry);
    const group = [...takeGroup(this.pendingCorrections), ...takeGroup(this.waiting)];
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
      // While the store is down, pending corrections go with the next record that is tried, or are tried after a while.
      if (written || this.waiting.size > 0) this.writeNextGroup();
      else if (this.pendingCorrections.size > 0)
        this.retry = setTimeout(() => {
          this.writeNextGroup();
        }, RETRY_MS).unref();
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
      for (const record of group) {
        this.forget(record);
        record.resolve();
      }
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
        this.forget(record);
        // A correction that was made meanwhile is the last word.
        if (record.correction && !rejected && !this.pendingCorrections.has(record.id))
          this.enqueue(this.pendingCorrections, record);
        else record.reject(error);
      }
      return rejected;
    }
  }
}

/** Takes the oldest records out of a queue, as many as one statement takes. */
function takeGroup(queue: Map<string, QueuedRecord>): QueuedRecord[] {
  const group: QueuedRecord[] = [];
  let length = 0;
  for (const [id, record] of queue) {
    length += record.text.length;
    if (group.length === MAX_GROUP_SIZE || (group.length > 0 && length > MAX_GROUP_LENGTH)) break;
    queue.delete(id);
    group.push(record);
  }
  return group;
}
