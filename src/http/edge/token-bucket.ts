/**
 * Rates: how often somebody may do something, held by a token bucket each. A bucket holds a second's worth, so that a
 * burst passes and what is asked on average doesn't exceed the rate.
 */
import { LRUCache } from 'lru-cache';

/** Buckets kept for one kind of key. One that had to go is full when its owner comes again. */
const MAX_BUCKETS = 10_000;

interface Bucket {
  level: number;
  /** Milliseconds of the monotonic clock: the wall clock may jump. */
  refilledAt: number;
}

export interface TokenBucketResult {
  readonly allowed: boolean;
  /** Whole requests that are left. */
  readonly remaining: number;
  /** Whole seconds until all of it is there again. */
  readonly reset: number;
}

export class TokenBuckets {
  private readonly buckets: LRUCache<string, Bucket>;

  constructor(max = MAX_BUCKETS) {
    this.buckets = new LRUCache({ max });
  }

  /** @param rate a second */
  take(key: string, rate: number): TokenBucketResult {
    const now = performance.now();
    const bucket = this.buckets.get(key) ?? { level: rate, refilledAt: now };
    // A rate may have been changed: there is never more than now fits in.
    bucket.level = Math.min(rate, bucket.level + ((now - bucket.refilledAt) / 1000) * rate);
    bucket.refilledAt = now;
    const allowed = bucket.level >= 1;
    if (allowed) bucket.level -= 1;
    this.buckets.set(key, bucket);
    return { allowed, remaining: Math.floor(bucket.level), reset: Math.ceil((rate - bucket.level) / rate) };
  }

  /** Takes back what was taken for something that then didn't happen. */
  refund(key: string): void {
    const bucket = this.buckets.get(key);
    if (bucket !== undefined) bucket.level += 1;
  }

  get size(): number {
    return this.buckets.size;
  }
}
