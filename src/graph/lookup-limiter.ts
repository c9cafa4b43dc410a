/**
 * Lookups on their way to SpiceDB. In a graph that goes in a circle SpiceDB looks for half a minute, whoever still waits,
 * so it must not be at it many times over.
 */
import { LRUCache } from 'lru-cache';
import { Fault } from '../model/faults.js';
import type { ResourceLookup, SubjectLookup } from './port.js';
import { isRefused, isTimeout, refused } from './errors.js';

/** How long nothing is looked up that has taken too long. */
const CIRCLE_MS = 60_000;
/** SpiceDB's own limit on a call, for which it goes on with a lookup that was given up. */
const ABANDONED_MS = 30_000;

/** Of the time that a lookup is given: what fails after so much of it has failed for want of more. */
const NEARLY = 0.9;

export interface LookupBounds {
  /** On their way at a time. */
  readonly atOnce: number;
  /** Given up, and SpiceDB goes on with them. */
  readonly abandoned: number;
}

export class Lookups {
  /** Those that have taken too long of late, and how long they were given. */
  private readonly circles = new LRUCache<string, number>({ max: 1000, ttl: CIRCLE_MS });
  private readonly joinable = new Map<string, Promise<unknown>>();
  private active = 0;
  private abandoned = 0;

  constructor(private readonly bounds: LookupBounds) {}

  /**
   * One that has been given up is not asked again with as little time.
   * @param generation another one after each write: until then the same lookup is joined; undefined: it never is
   * @throws Fault, `deadline_exceeded` where it takes too long or has of late; BadRequest where SpiceDB won't answer
   */
  async ask<T>(
    method: string,
    lookup: ResourceLookup | SubjectLookup,
    lookUp: () => Promise<T>,
    generation?: number,
  ): Promise<T> {
    const { withinMs } = lookup;
    const asked = nameOf(method, lookup);
    if ((this.circles.get(asked) ?? 0) >= withinMs) throw new Fault('deadline_exceeded', method);
    if (generation === undefined) return this.make(method, asked, withinMs, lookUp);
    const same = `${generation} ${withinMs} ${asked}`;
    const pending = this.joinable.get(same) ?? this.make(method, asked, withinMs, lookUp);
    this.joinable.set(same, pending);
    try {
      return (await pending) as T;
    } finally {
      this.joinable.delete(same);
    }
  }

  private async make<T>(method: string, asked: string, withinMs: number, lookUp: () => Promise<T>): Promise<T> {
    if (this.active >= this.bounds.atOnce || this.abandoned >= this.bounds.abandoned)
      throw new Fault('overloaded', method);
    this.active += 1;
    const began = performance.now();
    try {
      return await lookUp();
    } catch (error) {
      // A server that sees the time run out before its client does has its own words for that.
      const over = performance.now() - began >= withinMs * NEARLY && !isRefused(error);
      if (!isTimeout(error) && !over) throw refused(error);
      this.circles.set(asked, withinMs);
      this.abandoned += 1;
      setTimeout(() => (this.abandoned -= 1), ABANDONED_MS).unref();
      throw new Fault('deadline_exceeded', method, { cause: error });
    } finally {
      this.active -= 1;
    }
  }
}

/** By which a lookup is known, however long it may take. */
export function nameOf(method: string, { withinMs: _, ...what }: ResourceLookup | SubjectLookup): string {
  return `${method} ${JSON.stringify(what)}`;
}
