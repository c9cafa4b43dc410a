/**
 * Lookups on their way to SpiceDB. In a graph that goes in a circle SpiceDB looks for half a minute, whoever still waits,
 * so it must not be at it many times over.
 */
import { LRUCache } from 'lru-cache';
import { Fault } from '../model/faults.js';
import { ConcurrencyLimit } from '../runtime/concurrency-limit.js';
import type { ResourceLookup, SubjectLookup } from './port.js';
import { isInvalidRequest, isTimeout, toGraphError } from './errors.js';

/** How long nothing is looked up that has taken too long. */
const TIMED_OUT_TTL_MS = 60_000;
/** SpiceDB's own limit on a call, for which it goes on with a lookup that was given up. */
const ABANDONED_LOOKUP_MS = 30_000;

/** Of the time that a lookup is given: what fails after so much of it has failed for want of more. */
const TIMEOUT_SHARE = 0.9;

export interface LookupLimits {
  /** On their way at a time. */
  readonly concurrent: number;
  /** Given up, and SpiceDB goes on with them. */
  readonly abandoned: number;
}

export class LookupLimiter {
  /** Those that have taken too long of late, and how long they were given. */
  private readonly timedOut = new LRUCache<string, number>({ max: 1000, ttl: TIMED_OUT_TTL_MS });
  private readonly joinable = new Map<string, Promise<unknown>>();
  private readonly concurrency: ConcurrencyLimit;
  private abandoned = 0;

  constructor(private readonly limits: LookupLimits) {
    this.concurrency = new ConcurrencyLimit(limits.concurrent);
  }

  /**
   * One that has been given up is not asked again with as little time.
   * @param generation another one after each write: until then the same lookup is joined; undefined: it never is
   * @throws Fault, `deadline_exceeded` where it takes too long or has of late; BadRequest where SpiceDB won't answer
   */
  async run<T>(
    method: string,
    lookup: ResourceLookup | SubjectLookup,
    perform: () => Promise<T>,
    generation?: number,
  ): Promise<T> {
    const { withinMs } = lookup;
    const key = lookupKey(method, lookup);
    if ((this.timedOut.get(key) ?? 0) >= withinMs) throw new Fault('deadline_exceeded', method);
    if (generation === undefined) return this.start(method, key, withinMs, perform);
    const joinKey = `${generation} ${withinMs} ${key}`;
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
      // A server that sees the time run out before its client does has its own words for that.
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

/** By which a lookup is known, however long it may take. */
export function lookupKey(method: string, { withinMs: _, ...question }: ResourceLookup | SubjectLookup): string {
  return `${method} ${JSON.stringify(question)}`;
}
