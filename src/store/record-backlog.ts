/**
 * Decision records on their way to the database: those that decisions wait for, in which callers take turns of as many
 * bytes, and corrections, which no caller waits for. All that is held is bounded in number and bytes, and each caller has a
 * share of both.
 */
import v8 from 'node:v8';
import type { RecordResult } from '../model/limits.js';
import { FairLimit, type CallerGroups } from '../runtime/fair-limit.js';
import { FairQueue } from '../runtime/fair-queue.js';
import type { SerializedEffects } from './record-effects.js';
import type { ActiveSpan } from '../telemetry/active-span.js';

export interface RecordQueueLimits {
  /** The most records that are held, corrections included. */
  readonly records: number;
  /** Their greatest length together, in bytes. */
  readonly length: number;
}

export const DEFAULT_RECORD_LIMITS: RecordQueueLimits = {
  records: 10_000,
  length: Math.min(64 * 1024 * 1024, v8.getHeapStatistics().heap_size_limit / 16),
};
const MAX_GROUP_SIZE = 250;
/**
 * The bytes of a group. Whatever comes next waits until the group is written, for which the embedded database takes about
 * 20 ms a MiB; in longer groups it would store hardly more.
 */
const MAX_GROUP_BYTES = 512 * 1024;
/** The bytes of a caller's turn: an ordinary record or two. */
const TURN_BYTES = 8 * 1024;

export interface QueuedRecord {
  readonly id: string;
  /** The groups of the caller whose record it is. */
  readonly groups: CallerGroups;
  /** The JSON of its row, which record-row.ts makes. */
  text: string;
  /** Its length, with what it reserves. */
  bytes: number;
  /** The JSON of what is reserved together with it; undefined where nothing is. */
  reservation: string | undefined;
  /** The effects that are stored together with it; undefined where there are none. */
  effects: SerializedEffects | undefined;
  /** Whether it corrects a record that may have reserved something, which is given back. */
  readonly releases: boolean;
  /**
   * The id of the correction, where it corrects an earlier record: no caller waits for it, and it must outlive an outage of
   * the store.
   */
  readonly correction: string | undefined;
  readonly span: ActiveSpan | undefined;
  readonly resolve: (result: RecordResult) => void;
  readonly reject: (error: unknown) => void;
}

export class RecordBacklog {
  private readonly waiting = new Map<string, QueuedRecord>();
  /** The records of `waiting`, by the turns of their callers. */
  private readonly turns = new FairQueue<QueuedRecord>({ weigh: ({ bytes }) => bytes, weight: TURN_BYTES });
  private readonly corrections = new Map<string, QueuedRecord>();
  /** Records and their bytes in all three: waiting, corrections and those taken out to be written. */
  private readonly held: FairLimit;
  private readonly bytes: FairLimit;

  constructor(limits: RecordQueueLimits) {
    this.held = new FairLimit(limits.records);
    this.bytes = new FairLimit(limits.length);
  }

  get sizes(): { readonly waiting: number; readonly pendingCorrections: number; readonly length: number } {
    return { waiting: this.waiting.size, pendingCorrections: this.corrections.size, length: this.bytes.active };
  }

  get isEmpty(): boolean {
    return this.waiting.size + this.corrections.size === 0;
  }

  /** Whether a further record of such a caller, of this length, has room. */
  hasRoom(groups: CallerGroups, bytes: number): boolean {
    return this.held.hasRoom(groups, 1) && this.bytes.hasRoom(groups, bytes);
  }

  /** Whether a decision waits for the record of this id, which is not being written yet. */
  isWaiting(id: string): boolean {
    return this.waiting.has(id);
  }

  /** Adds a record that a decision waits for. */
  add(record: QueuedRecord): void {
    this.waiting.set(record.id, record);
    this.turns.push(record.groups, record);
    this.hold(record);
  }

  /** Replaces the text of a record that waits, which then reserves nothing and has no effects. @returns whether it does */
  replaceText(id: string, text: string): boolean {
    const record = this.waiting.get(id);
    if (record === undefined) return false;
    this.release(record);
    Object.assign(record, { text, bytes: Buffer.byteLength(text), reservation: undefined, effects: undefined });
    this.hold(record);
    return true;
  }

  /** Adds a correction, in the place of an earlier one of the same record. */
  addCorrection(record: QueuedRecord): void {
    const replaced = this.corrections.get(record.id);
    if (replaced !== undefined) this.release(replaced);
    this.corrections.set(record.id, record);
    this.hold(record);
  }

  hasCorrection(id: string): boolean {
    return this.corrections.has(id);
  }

  /** Takes what the next statement is to write out of the queues. It is held until it is released. */
  takeGroup(): QueuedRecord[] {
    return [...this.takeCorrections(), ...this.takeTurns()];
  }

  /** Gives back the room of a record that has been written, or never will be. */
  release(record: QueuedRecord): void {
    this.held.release(record.groups, 1);
    this.bytes.release(record.groups, record.bytes);
  }

  private hold(record: QueuedRecord): void {
    this.held.take(record.groups, 1);
    this.bytes.take(record.groups, record.bytes);
  }

  /** Takes the oldest corrections. No caller waits for them, so they have no turns. */
  private takeCorrections(): QueuedRecord[] {
    return takeWhileFitting((fits) => {
      const [record] = this.corrections.values();
      if (record === undefined || !fits(record)) return undefined;
      this.corrections.delete(record.id);
      return record;
    });
  }

  private takeTurns(): QueuedRecord[] {
    return takeWhileFitting((fits) => {
      const record = this.turns.peek();
      if (record === undefined || !fits(record)) return undefined;
      this.turns.shift();
      this.waiting.delete(record.id);
      return record;
    });
  }
}

/** The records at the head of a queue, as many as one statement takes. @param next takes one out of the queue if it may */
function takeWhileFitting(next: (fits: (record: QueuedRecord) => boolean) => QueuedRecord | undefined): QueuedRecord[] {
  const group: QueuedRecord[] = [];
  let length = 0;
  const fits = ({ bytes }: QueuedRecord): boolean =>
    group.length === 0 || (group.length < MAX_GROUP_SIZE && length + bytes <= MAX_GROUP_BYTES);
  for (let record = next(fits); record !== undefined; record = next(fits)) {
    group.push(record);
    length += record.bytes;
  }
  return group;
}
