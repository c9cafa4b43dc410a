/** The lines of a filter that is a stream: the question, then the records as they are taken, and which of them are not answered yet. */
import type { CallDeadline } from './deadline.js';
import { requireEntity, type Entity } from './question.js';

/** Answered ones are let go of when there are so many. */
const COMPACT_AFTER = 10_000;

export class SentLines {
  /** The lines as a body: a record is taken when there is room for it. */
  readonly body: ReadableStream<Uint8Array>;
  /** The error of the records' own source; undefined where it has none. */
  failure: { readonly error: unknown } | undefined;
  /** The number of records that were sent. */
  count = 0;
  /** Whether all are sent. */
  isDone = false;
  /** Resolves once the reader wants more; undefined while it does. */
  private room: Promise<void> | undefined;
  private makeRoom: () => void = () => undefined;
  private readonly iterator: AsyncIterator<Entity> | Iterator<Entity>;
  /** The types and ids of what was sent from `first` on. */
  private names: string[] = [];
  private first = 0;
  /** The index of the record before which all are answered. */
  private next = 0;

  /**
   * @param question the first line
   * @param onFailure called where the source fails
   */
  constructor(
    question: object,
    records: AsyncIterable<Entity> | Iterable<Entity>,
    private readonly deadline: CallDeadline,
    onFailure: () => void,
  ) {
    this.iterator = Symbol.asyncIterator in records ? records[Symbol.asyncIterator]() : records[Symbol.iterator]();
    const encoder = new TextEncoder();
    const encode = (value: object): Uint8Array => encoder.encode(`${JSON.stringify(value)}\n`);
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          controller.enqueue(encode(question));
        },
        pull: async (controller) => {
          try {
            const record = await this.take();
            if (record === undefined) controller.close();
            else controller.enqueue(encode(record));
          } catch (error) {
            this.failure ??= { error };
            controller.error(error);
            onFailure();
          }
        },
        cancel: () => {
          this.stop();
        },
      },
      { highWaterMark: 1 },
    );
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
    this.next = index + 1;
    if (this.next - this.first > COMPACT_AFTER) {
      this.names = this.names.slice(this.next - this.first);
      this.first = this.next;
    }
    return true;
  }

  /** Ends the source, which may hold what has to be let go of. It isn't waited for: what it works on may take long. */
  stop(): void {
    this.resume();
    if (this.isDone) return;
    this.isDone = true;
    void Promise.resolve(this.iterator.return?.()).catch(() => undefined);
  }

  private async take(): Promise<Entity | undefined> {
    await this.room;
    if (this.isDone) return undefined;
    const step = await this.iterator.next();
    if (step.done === true) {
      this.isDone = true;
      return undefined;
    }
    const { value } = step;
    requireEntity(value, `records[${this.count}]`);
    this.deadline.restart();
    this.names.push(formatName(value));
    this.count += 1;
    return value;
  }
}

function formatName({ type, id }: { readonly type: string; readonly id: string }): string {
  return `${type}\n${id}`;
}
