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
    const value = super.get(key);
    if (value === undefined) this.misses += 1;
    else this.hits += 1;
    return value;
  }
}
