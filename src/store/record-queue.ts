/**
 * Writes decision records in groups: records that arrive while a group is being written form the next one, so one commit
 * serves many decisions. Callers take turns in a group, however many records one of them has. Corrections go along; they
 * outlive an outage of the database. The queue is bounded in number and bytes, of which each caller has a share. It drops
 * nothing: a caller whose share is full has no more taken, and what isn't taken isn't answered.
 */
import v8 from 'node:v8';
import { StatementRejectedFault, type Database } from './database/port.js';
import { Fault } from '../model/faults.js';
import { FairLimit, type CallerGroups } from '../runtime/fair-limit.js';
import { FairQueue } from '../runtime/fair-queue.js';
import { currentSpan, withLinks, type ActiveSpan } from '../telemetry/active-span.js';

export interface RecordStats {
  /** Records that decisions wait for. */
  readonly waiting: number;
  /** Corrections that are still to be written; no decision waits for them. */
  readonly pendingCorrections: number;
  /** The length of all that is held, in bytes. */
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
  /** Their greatest length together, in bytes. */
  readonly length: number;
}

const DEFAULT_LIMITS: RecordQueueLimits = {
  records: 10_000,
  length: Math.min(64 * 1024 * 1024, v8.getHeapStatistics().heap_size_limit / 16),
};
const MAX_GROUP_SIZE = 250;
/** A group is one statement's parameter: the database reads it as a whole. */
const MAX_GROUP_BYTES = 4 * 1024 * 1024;
/** The interval at which pending corrections are tried again while the database is away, if no record takes them along. */
const RETRY_MS = 1_000;

interface QueuedRecord {
  readonly id: string;
  /** The groups of the caller whose record it is. */
  readonly groups: CallerGroups;
  text: string;
  /** Its length. */
  bytes: number;
  /** Whether it replaces an earlier record: no caller waits for it, and it must outlive an outage of the store. */
  readonly correction: boolean;
  readonly span: ActiveSpan | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const IGNORE = (): undefined => undefined;

export class RecordQueue {
  private readonly waiting = new Map<string, QueuedRecord>();
  /** The records of `waiting`, by the turns of their callers. */
  private readonly turns = new FairQueue<QueuedRecord>();
  private readonly pendingCorrections = new Map<string, QueuedRecord>();
  private writing: Promise<boolean> | undefined;
  private failing = false;
  private retry: NodeJS.Timeout | undefined;
  /** Records and their bytes in all three: waiting, pending and being written. */
  private readonly held: FairLimit;
  private readonly bytes: FairLimit;
  private groups = 0;
  private members = 0;

  constructor(
    private readonly database: Database,
    limits = DEFAULT_LIMITS,
  ) {
    this.held = new FairLimit(limits.records);
    this.bytes = new FairLimit(limits.length);
  }

  /** Whether it takes a further record of such a caller now. How long that is is known once it is made. */
  hasRoom(groups: CallerGroups): boolean {
    return this.held.hasRoom(groups, 1) && this.bytes.hasRoom(groups, 1);
  }

  /**
   * Writes a record.
   * @param serialize makes the record's JSON; not called where the queue has no room
   * @param groups of the caller whose record it is
   * @returns once the record is durable
   * @throws Fault; `overloaded` where the queue has no room, and then no record was or will be written
   */
  write(id: string, serialize: () => string, groups: CallerGroups = []): Promise<void> {
    if (!this.hasRoom(groups)) {
      // Where the database was away, the queue may be full of corrections, which nothing else would write.
      this.writeNextGroup();
      return Promise.reject(new Fault('overloaded', 'decision records'));
    }
    if (this.waiting.has(id)) return Promise.reject(new TypeError(`the record ${id} is being written already`));
    return new Promise((resolve, reject) => {
      const text = serialize();
      const bytes = Buffer.byteLength(text);
      const record = { id, groups, text, bytes, correction: false, span: currentSpan(), resolve, reject };
      this.enqueue(this.waiting, record);
      this.turns.push(groups, record);
      this.writeNextGroup();
    });
  }

  /**
   * Replaces a record that was given to {@link write}, later; no caller waits for it. It is always taken: each takes the
   * place of a record that was let in.
   * @param text the record's JSON
   */
  correct(id: string, text: string, groups: CallerGroups = []): void {
    const bytes = Buffer.byteLength(text);
    const waiting = this.waiting.get(id);
    if (waiting !== undefined) {
      this.bytes.release(waiting.groups, waiting.bytes);
      this.bytes.take(waiting.groups, bytes);
      Object.assign(waiting, { text, bytes });
      return;
    }
    const correction = { correction: true, span: undefined, resolve: IGNORE, reject: IGNORE };
    this.enqueue(this.pendingCorrections, { id, groups, text, bytes, ...correction });
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
    const { waiting, pendingCorrections, bytes, failing, groups, members } = this;
    const sizes = { waiting: waiting.size, pendingCorrections: pendingCorrections.size, length: bytes.active };
    return { ...sizes, failing, groups, members };
  }

  private enqueue(queue: Map<string, QueuedRecord>, record: QueuedRecord): void {
    const replaced = queue.get(record.id);
    if (replaced !== undefined) this.forget(replaced);
    queue.set(record.id, record);
    this.held.take(record.groups, 1);
    this.bytes.take(record.groups, record.bytes);
  }

  private forget(record: QueuedRecord): void {
    this.held.release(record.groups, 1);
    this.bytes.release(record.groups, record.bytes);
  }

  private writeNextGroup(): void {
    if (this.writing !== undefined || this.waiting.size + this.pendingCorrections.size === 0) return;
    clearTimeout(this.retry);
    const group = [...this.takeCorrections(), ...this.takeTurns()];
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

  /** Takes the oldest corrections. No caller waits for them, so they have no turns. */
  private takeCorrections(): QueuedRecord[] {
    return takeGroup((accepts) => {
      const [record] = this.pendingCorrections.values();
      if (record === undefined || !accepts(record)) return undefined;
      this.pendingCorrections.delete(record.id);
      return record;
    });
  }

  /** Takes records that decisions wait for, one of each caller in turn. */
  private takeTurns(): QueuedRecord[] {
    return takeGroup((accepts) => {
      const record = this.turns.peek();
      if (record === undefined || !accepts(record)) return undefined;
      this.turns.shift();
      this.waiting.delete(record.id);
      return record;
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

/** The records at the head of a queue, as many as one statement takes. @param next takes one out of the queue if it may */
function takeGroup(next: (accepts: (record: QueuedRecord) => boolean) => QueuedRecord | undefined): QueuedRecord[] {
  const group: QueuedRecord[] = [];
  let length = 0;
  const accepts = ({ bytes }: QueuedRecord): boolean =>
    group.length === 0 || (group.length < MAX_GROUP_SIZE && length + bytes <= MAX_GROUP_BYTES);
  for (let record = next(accepts); record !== undefined; record = next(accepts)) {
    group.push(record);
    length += record.bytes;
  }
  return group;
}
