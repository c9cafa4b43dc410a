/**
 * Writes decision records in groups: records that arrive while a group is being written form the next one, so one commit
 * serves many decisions. Corrections go along; they outlive an outage of the database. It drops nothing: a caller whose
 * share is full has no more taken, and what isn't taken isn't answered.
 */
import { v4 as uuid } from 'uuid';
import { StatementRejectedFault, type Database } from './database/port.js';
import { Fault } from '../model/faults.js';
import type { RecordResult, Reservation } from '../model/limits.js';
import type { CallerGroups } from '../runtime/fair-limit.js';
import { currentSpan, withLinks } from '../telemetry/active-span.js';
import { measureEffects, type SerializedEffects } from './record-effects.js';
import { serializeEvents, serializeReservation, STORED, storeRecords } from './record-statements.js';
import { DEFAULT_RECORD_LIMITS, RecordBacklog, type QueuedRecord } from './record-backlog.js';

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

/** The interval at which pending corrections are tried again while the database is away, if no record takes them along. */
const RETRY_MS = 1_000;

const IGNORE = (): undefined => undefined;

export class RecordQueue {
  private readonly backlog: RecordBacklog;
  private writing: Promise<boolean> | undefined;
  private failing = false;
  private retry: NodeJS.Timeout | undefined;
  private groups = 0;
  private members = 0;

  constructor(
    private readonly database: Database,
    limits = DEFAULT_RECORD_LIMITS,
  ) {
    this.backlog = new RecordBacklog(limits);
  }

  /** Whether it takes a further record of such a caller now. @param bytes its length, as far as it is known before it is made */
  hasRoom(groups: CallerGroups, bytes = 1): boolean {
    return this.backlog.hasRoom(groups, bytes);
  }

  /**
   * Writes a record.
   * @param serialize makes the JSON of its row; not called where the queue has no room
   * @param groups of the caller whose record it is
   * @param reservation is made in the same transaction
   * @param effects are stored in the same transaction
   * @returns once the record is durable, or another question has overtaken its reservation
   * @throws Fault; `overloaded` where the queue has no room, and then no record was or will be written
   */
  write(
    id: string,
    serialize: () => string,
    groups: CallerGroups = [],
    reservation?: Reservation,
    effects?: SerializedEffects,
  ): Promise<RecordResult> {
    if (!this.hasRoom(groups)) {
      // Where the database was away, the queue may be full of corrections, which nothing else would write.
      this.writeNextGroup();
      return Promise.reject(new Fault('overloaded', 'decision records'));
    }
    if (this.backlog.isWaiting(id)) return Promise.reject(new TypeError(`the record ${id} is being written already`));
    return new Promise((resolve, reject) => {
      const events = reservation && serializeEvents(reservation);
      const reserved = events === undefined && reservation ? serializeReservation(reservation) : undefined;
      const row = serialize();
      const text = events === undefined ? row : `${row.slice(0, -1)},${events}}`;
      const bytes = Buffer.byteLength(text) + (reserved?.length ?? 0) + measureEffects(effects);
      const record = {
        id,
        groups,
        text,
        bytes,
        reservation: reserved,
        effects,
        releases: false,
        correction: undefined,
      };
      this.backlog.add({ ...record, span: currentSpan(), resolve, reject });
      this.writeNextGroup();
    });
  }

  /**
   * Corrects a record that was given to {@link write}, later; no caller waits for it. It is always taken: each takes the
   * place of a record that was let in.
   * @param text the JSON of its row
   * @param releases whether the record may have reserved something, which is given back
   */
  correct(id: string, text: string, groups: CallerGroups = [], releases = false): void {
    if (this.backlog.replaceText(id, text)) return;
    const bytes = Buffer.byteLength(text);
    const correction = {
      correction: uuid(),
      effects: undefined,
      span: undefined,
      resolve: IGNORE,
      reject: IGNORE,
    };
    this.backlog.addCorrection({ id, groups, text, bytes, reservation: undefined, releases, ...correction });
    this.writeNextGroup();
  }

  /** Writes everything that waits, corrections included. @throws Fault where the store can't take it now */
  async flush(): Promise<void> {
    while (this.writing !== undefined || !this.backlog.isEmpty) {
      this.writeNextGroup();
      if ((await this.writing) === false) throw new Fault('database_unavailable', 'decision records');
    }
  }

  stats(): RecordStats {
    const { failing, groups, members } = this;
    return { ...this.backlog.sizes, failing, groups, members };
  }

  private writeNextGroup(): void {
    if (this.writing !== undefined || this.backlog.isEmpty) return;
    clearTimeout(this.retry);
    const group = this.backlog.takeGroup();
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
      const { waiting, pendingCorrections } = this.backlog.sizes;
      // While the store is down, pending corrections go with the next record that is tried, or are tried after a while.
      if (written || waiting > 0) this.writeNextGroup();
      else if (pendingCorrections > 0)
        this.retry = setTimeout(() => {
          this.writeNextGroup();
        }, RETRY_MS).unref();
    });
  }

  /** @returns whether the database answered */
  private async writeGroup(group: readonly QueuedRecord[]): Promise<boolean> {
    try {
      const results = await storeRecords(this.database, group);
      for (const record of group) {
        this.backlog.release(record);
        record.resolve(results.get(record.id) ?? STORED);
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
        this.backlog.release(record);
        // A correction that was made meanwhile is the last word.
        if (record.correction !== undefined && !rejected && !this.backlog.hasCorrection(record.id))
          this.backlog.addCorrection(record);
        else record.reject(error);
      }
      return rejected;
    }
  }
}
