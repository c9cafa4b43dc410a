/**
 * Lookups that have taken too long. In a graph that goes in a circle SpiceDB looks for half a minute, whoever still
 * waits, so it must not be at it many times over.
 */
import { LRUCache } from 'lru-cache';
import { Fault } from '../../model/faults.js';
import { isTimeout, refused } from './refusals.js';

/** How long nothing is looked up that has taken too long. */
const CIRCLE_MS = 60_000;

export class Circles {
  private readonly known = new LRUCache<string, true>({ max: 1000, ttl: CIRCLE_MS });

  /**
   * @param what is looked up: one that has taken too long stands for all of the same name
   * @throws Fault, `deadline_exceeded` where it takes too long or has of late; BadRequest where SpiceDB won't answer
   */
  async avoid<T>(what: string, lookUp: () => Promise<T>): Promise<T> {
    if (this.known.has(what)) throw new Fault('deadline_exceeded', what);
    try {
      return await lookUp();
    } catch (error) {
      if (isTimeout(error)) this.known.set(what, true);
      throw refused(error);
    }
  }
}
