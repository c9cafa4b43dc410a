/**
 * A limit on how much work is under way at once: calls to an engine, lookups, requests. Work beyond it waits for a place
 * in a queue, or is refused by the caller.
 */
import { Fault } from '../model/faults.js';

/** Work of low priority gets a place only when no other work waits. */
export type Priority = 'high' | 'low';

export interface ConcurrencyLimitOptions {
  /** Names the work in faults: "calls to SpiceDB". */
  readonly name?: string | undefined;
  /** Work that may wait for a place; without a limit by default. */
  readonly maxWaiting?: number | undefined;
}

export interface AcquireOptions {
  readonly priority?: Priority | undefined;
  /** The longest wait, in milliseconds; without a limit by default. */
  readonly waitMs?: number | undefined;
}

export class ConcurrencyLimit {
  private taken = 0;
  private readonly queues: Readonly<Record<Priority, Set<() => void>>> = { high: new Set(), low: new Set() };
  private readonly name: string;
  private readonly maxWaiting: number;

  /** @param limit places, of which each holds one piece of work */
  constructor(
    private readonly limit: number,
    { name = 'calls', maxWaiting = Infinity }: ConcurrencyLimitOptions = {},
  ) {
    this.name = name;
    this.maxWaiting = maxWaiting;
  }

  /** Work that holds a place. */
  get active(): number {
    return this.taken;
  }

  /** Work that waits for a place. */
  get waiting(): number {
    return this.queues.high.size + this.queues.low.size;
  }

  get isFull(): boolean {
    return this.taken >= this.limit;
  }

  /** Takes a place if one is free. @returns whether it did; then {@link release} has to follow */
  tryAcquire(): boolean {
    if (this.isFull) return false;
    this.taken += 1;
    return true;
  }

  /**
   * Takes a place, and waits for one if need be. {@link release} has to follow.
   * @throws Fault `overloaded` where too much work waits, `deadline_exceeded` where no place comes free in time
   */
  async acquire({ priority = 'high', waitMs = Infinity }: AcquireOptions = {}): Promise<void> {
    if (this.tryAcquire()) return;
    if (this.waiting >= this.maxWaiting) throw new Fault('overloaded', `${this.maxWaiting} ${this.name} wait`);
    const queue = this.queues[priority];
    await new Promise<void>((resolve, reject) => {
      const giveUp = (): void => {
        queue.delete(enter);
        reject(new Fault('deadline_exceeded', `no place came free among the ${this.name}`));
      };
      const timer = waitMs === Infinity ? undefined : setTimeout(giveUp, waitMs);
      const enter = (): void => {
        clearTimeout(timer);
        resolve();
      };
      queue.add(enter);
    });
  }

  /** Hands the place over to the work that has waited longest, of high priority first. */
  release(): void {
    for (const queue of [this.queues.high, this.queues.low]) {
      const [next] = queue;
      if (next !== undefined) {
        queue.delete(next);
        next();
        return;
      }
    }
    this.taken -= 1;
  }

  /** Runs `work` in a place of its own. @throws Fault as {@link acquire} does; otherwise the error of `work` */
  async run<T>(work: () => Promise<T>, options: AcquireOptions = {}): Promise<T> {
    await this.acquire(options);
    try {
      return await work();
    } finally {
      this.release();
    }
  }
}
