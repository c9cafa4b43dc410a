/** The lines of a filter that is a stream: the question, then the records as they are taken, and which of them are not answered yet. */
import type { CallDeadline } from './deadline.js';
import { requireEntity, type Entity } from './question.js';

/** Answered ones are let go of when there are so many. */
const COMPACT_AFTER = 10_000;
/** The length of the lines that are kept until an answer comes, so that they can be sent again. */
const MAX_KEPT_BYTES = 4 * 1024 * 1024;
/**
 * The length of the names that wait for an answer, in characters. Those that a service leaves out get none, so the oldest count as left
 * out when there are more; this is more than what is on its way.
 */
const MAX_WAITING_LENGTH = 16 * 1024 * 1024;
/** Counted for each name, whatever its length. */
const NAME_OVERHEAD = 32;

export class SentLines {
  /** The error of the records' own source; undefined where it has none. */
  failure: { readonly error: unknown } | undefined;
  /** The number of records that were taken. */
  count = 0;
  /** Resolves once the reader wants more; undefined while it does. */
  private room: Promise<void> | undefined;
  private makeRoom: () => void = () => undefined;
  private readonly iterator: AsyncIterator<Entity> | Iterator<Entity>;
  private isExhausted = false;
  /** The types and ids of what was sent from `first` on. */
  private names: string[] = [];
  private first = 0;
  /** The index of the record before which all are answered, or left out. */
  private next = 0;
  private waitingLength = 0;
  /** The lines that may have to be sent yet, or again. */
  private kept: Uint8Array[] = [];
  /** The number of lines before these. */
  private dropped = 0;
  private keptBytes = 0;
  private isKeeping = true;
  /** The number of lines that the current body has sent. */
  private position = 0;
  private body = 0;
  private taking: Promise<void> | undefined;

  /**
   * @param question the first line
   * @param onFailure called where the source fails
   */
  constructor(
    question: object,
    records: AsyncIterable<Entity> | Iterable<Entity>,
    private readonly deadline: CallDeadline,
    private readonly onFailure: () => void,
  ) {
    this.iterator = Symbol.asyncIterator in records ? records[Symbol.asyncIterator]() : records[Symbol.iterator]();
    this.keep(encodeLine(question));
  }

  /** Begins a body with all the lines: a record is taken when there is room for it. */
  open(): ReadableStream<Uint8Array> {
    const body = (this.body += 1);
    this.position = 0;
    const pull = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
      try {
        await this.room;
        if (this.position === this.dropped + this.kept.length) await this.takeOnce();
        // Another body has taken its place, and sends the line that was taken meanwhile.
        if (body !== this.body) return;
        const line = this.kept[this.position - this.dropped];
        if (line === undefined) controller.close();
        else {
          this.position += 1;
          this.drop();
          controller.enqueue(line);
        }
      } catch (error) {
        this.failure ??= { error };
        controller.error(error);
        this.onFailure();
      }
    };
    return new ReadableStream<Uint8Array>({ pull }, { highWaterMark: 1 });
  }

  /** Whether a body can begin anew. */
  get isReplayable(): boolean {
    return this.isKeeping && this.failure === undefined;
  }

  /** Whether all records are sent. */
  get isWhole(): boolean {
    return this.isExhausted && this.position > this.count;
  }

  /** Keeps no lines that are sent, once an answer has begun: from there on it is this one or none. */
  settle(): void {
    this.isKeeping = false;
  }

  /**
   * Takes no records while the reader of the answer has not come back: `fetch` would go on reading the answer, all of which would then
   * lie in memory.
   */
  pause(): void {
    this.room ??= new Promise((resolve) => (this.makeRoom = resolve));
  }

  resume(): void {
    this.room = undefined;
    this.makeRoom();
  }

  /** Takes all up to the next record of this type and id for answered. @returns whether one of those that wait for an answer is it */
  match(type: unknown, id: unknown): boolean {
    if (typeof type !== 'string' || typeof id !== 'string') return false;
    const place = this.names.indexOf(formatName({ type, id }), this.next - this.first);
    return place !== -1 && this.passOver(this.first + place);
  }

  /** Takes all up to the record for answered. @returns whether it was sent and not answered before */
  passOver(index: number): boolean {
    if (!Number.isInteger(index) || index < this.next || index >= this.count) return false;
    this.advance(index + 1);
    return true;
  }

  private advance(next: number): void {
    for (; this.next < next; this.next += 1)
      this.waitingLength -= measureName(this.names[this.next - this.first] ?? '');
    if (this.next - this.first <= COMPACT_AFTER) return;
    this.names = this.names.slice(this.next - this.first);
    this.first = this.next;
  }

  /** Ends the source, which may hold what has to be let go of. It isn't waited for: what it works on may take long. */
  stop(): void {
    this.resume();
    this.body += 1;
    if (this.isExhausted) return;
    this.isExhausted = true;
    void Promise.resolve(this.iterator.return?.()).catch(() => undefined);
  }

  /** Takes the next record. A body that was given up may still wait for the one that its successor needs. */
  private async takeOnce(): Promise<void> {
    this.taking ??= this.take().finally(() => (this.taking = undefined));
    return this.taking;
  }

  private async take(): Promise<void> {
    if (this.isExhausted) return;
    const step = await this.iterator.next();
    if (step.done === true) {
      this.isExhausted = true;
      return;
    }
    const { value } = step;
    requireEntity(value, `records[${this.count}]`);
    this.deadline.restart();
    const name = formatName(value);
    this.names.push(name);
    this.count += 1;
    this.waitingLength += measureName(name);
    while (this.waitingLength > MAX_WAITING_LENGTH) this.advance(this.next + 1);
    this.keep(encodeLine(value));
  }

  private keep(line: Uint8Array): void {
    this.kept.push(line);
    this.keptBytes += line.byteLength;
    if (this.keptBytes > MAX_KEPT_BYTES) this.settle();
  }

  /** Lets go of the lines that are sent, where none of them is sent again. */
  private drop(): void {
    if (this.isKeeping) return;
    this.kept.splice(0, this.position - this.dropped);
    this.dropped = this.position;
  }
}

function encodeLine(value: object): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value)}\n`);
}

function measureName({ length }: string): number {
  return length + NAME_OVERHEAD;
}

function formatName({ type, id }: { readonly type: string; readonly id: string }): string {
  return `${type}\n${id}`;
}
