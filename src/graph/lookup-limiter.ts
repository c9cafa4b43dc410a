/**
 * A limit on lookups, one in each engine. In a graph with a cycle SpiceDB looks for half a minute, also after the caller
 * has given up, so it must not do that many times over.
 */
import { LRUCache } from 'lru-cache';
import { Fault } from '../model/faults.js';
import { estimateListBytes } from './cache-size.js';
import { ConcurrencyLimit } from '../runtime/concurrency-limit.js';
import type { ResourceLookup, SubjectLookup } from './port.js';
import { isInvalidRequest, isTimeout, toGraphError } from './errors.js';

/** The time for which a lookup that has timed out is refused. */
const TIMED_OUT_TTL_MS = 60_000;
const MAX_TIMED_OUT_BYTES = 4 * 1024 * 1024;
/** The time that SpiceDB works on a lookup that was given up: its own limit on a call. */
const ABANDONED_LOOKUP_MS = 30_000;
/** A failure after this share of a lookup's time counts as a timeout. */
const TIMEOUT_SHARE = 0.9;

export interface LookupLimits {
  /** Lookups under way at once. */
  readonly concurrent: number;
  /** Lookups that were given up and that SpiceDB still works on. */
  readonly abandoned: number;
}

export class LookupLimiter {
  /** The lookups that have timed out lately, with the milliseconds that they were given. */
  private readonly timedOut = new LRUCache<string, number>({
    ttl: TIMED_OUT_TTL_MS,
    maxSize: MAX_TIMED_OUT_BYTES,
    sizeCalculation: (_, key) => estimateListBytes([], key),
  });
  private readonly joinable = new Map<string, Promise<unknown>>();
  private readonly concurrency: ConcurrencyLimit;
  private abandoned = 0;

  constructor(private readonly limits: LookupLimits) {
    this.concurrency = new ConcurrencyLimit(limits.concurrent);
  }

  /**
   * Runs a lookup; one that has timed out lately is refused unless it is given more time.
   * @param revision names the state of the graph that it is of: an equal lookup joins the one under way; undefined where
   * lookups are never joined
   * @throws Fault, `deadline_exceeded` where it takes too long or has of late; BadRequest where SpiceDB won't answer
   */
  async run<T>(
    method: string,
    lookup: ResourceLookup | SubjectLookup,
    perform: () => Promise<T>,
    revision?: string,
  ): Promise<T> {
    const { withinMs } = lookup;
    const key = lookupKey(method, lookup);
    if ((this.timedOut.get(key) ?? 0) >= withinMs) throw new Fault('deadline_exceeded', method);
    if (revision === undefined) return this.start(method, key, withinMs, perform);
    const joinKey = `${revision} ${withinMs} ${key}`;
    const pending = this.joinable.get(joinKey) ?? this.start(method, key, withinMs, perform);
    this.joinable.set(joinKey, pending);
    try {
      return (await pending) as T;
    } finally {
      this.joinable.delete(joinKey);
    }
  }

  private async start<T>(method: string, key: string, withinMs: number, perform: () => Promise<T>): Promise<T> {
    if (this.abandoned >= this.limits.abandoned || !this.concurrency.tryAcquire())
      throw new Fault('overloaded', method);
    const startedAt = performance.now();
    try {
      return await perform();
    } catch (error) {
      // A server that sees the time run out before its client does answers with another status.
      const isOverdue = performance.now() - startedAt >= withinMs * TIMEOUT_SHARE && !isInvalidRequest(error);
      if (!isTimeout(error) && !isOverdue) throw toGraphError(error);
      this.timedOut.set(key, withinMs);
      this.abandoned += 1;
      setTimeout(() => (this.abandoned -= 1), ABANDONED_LOOKUP_MS).unref();
      throw new Fault('deadline_exceeded', method, { cause: error });
    } finally {
      this.concurrency.release();
    }
  }
}

/** The identity of a lookup, whatever its time limit. */
export function lookupKey(method: string, { withinMs: _, ...question }: ResourceLookup | SubjectLookup): string {
  return `${method} ${JSON.stringify(question)}`;
}
