/**
 * Token buckets, one a key, for the rate limiter. A bucket holds the requests of one second, so that a burst passes while
 * the average stays within the rate.
 */
import { LRUCache } from 'lru-cache';

/** The most buckets that are kept. A dropped one is full at its next use. */
const MAX_BUCKETS = 10_000;

interface Bucket {
  level: number;
  /** Milliseconds of the monotonic clock: the wall clock may jump. */
  refilledAt: number;
}

export interface TokenBucketResult {
  readonly allowed: boolean;
  /** Whole requests that remain. */
  readonly remaining: number;
  /** Whole seconds until the bucket is full. */
  readonly reset: number;
}

export class TokenBuckets {
  private readonly buckets: LRUCache<string, Bucket>;

  constructor(max = MAX_BUCKETS) {
    this.buckets = new LRUCache({ max });
  }

  /** Takes one request from a bucket. @param rate requests a second */
  take(key: string, rate: number): TokenBucketResult {
    const now = performance.now();
    const bucket = this.buckets.get(key) ?? { level: rate, refilledAt: now };
    // The rate may have been lowered since: the level never exceeds it.
    bucket.level = Math.min(rate, bucket.level + ((now - bucket.refilledAt) / 1000) * rate);
    bucket.refilledAt = now;
    const allowed = bucket.level >= 1;
    if (allowed) bucket.level -= 1;
    this.buckets.set(key, bucket);
    return { allowed, remaining: Math.floor(bucket.level), reset: Math.ceil((rate - bucket.level) / rate) };
  }

  /** Returns one request, for a caller that was then not served. */
  refund(key: string): void {
    const bucket = this.buckets.get(key);
    if (bucket !== undefined) bucket.level += 1;
  }

  get size(): number {
    return this.buckets.size;
  }
}
