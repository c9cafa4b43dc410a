/** A cache that counts its hits and misses, for metrics. */
import { LRUCache } from 'lru-cache';

export interface CacheCounts {
  readonly hits: number;
  readonly misses: number;
}

/** The counts of several caches, by the name that each has in metrics. */
export type CacheCountsByName = Readonly<Record<string, CacheCounts>>;

export class CountedCache<K extends string, V extends object> extends LRUCache<K, V> implements CacheCounts {
  hits = 0;
  misses = 0;

  override get(key: K): V | undefined {
    return this.getValid(key, () => true);
  }

  /** The value, where it is cached and valid; one that isn't valid stays cached, and counts as a miss. */
  getValid(key: K, isValid: (value: V) => boolean): V | undefined {
    const value = super.get(key);
    const isHit = value !== undefined && isValid(value);
    if (isHit) this.hits += 1;
    else this.misses += 1;
    return isHit ? value : undefined;
  }
}
