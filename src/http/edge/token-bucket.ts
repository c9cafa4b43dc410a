/**
 * Token buckets, one a key, for the rate limiter. A bucket holds the requests of one second, so that a burst passes while
 * the average stays within the rate. What costs more than a bucket holds takes it into debt, and what follows waits.
 */
import { LRUCache } from 'lru-cache';
import { shortenKey } from '../../runtime/shorten-key.js';

/** The most buckets that are kept, each with a key of at most 256 characters. A dropped one is full at its next use. */
const MAX_BUCKETS = 10_000;
const MAX_BUCKET_KEY_LENGTH = 256;

interface Bucket {
  level: number;
  /** Milliseconds of the monotonic clock: the wall clock may jump. */
  refilledAt: number;
}

/** A bucket as it is asked for. */
export interface RateBucket {
  readonly key: string;
  /** Requests a second. */
  readonly rate: number;
}

export interface TokenBucketResult {
  readonly allowed: boolean;
  /** Whole requests that remain. */
  readonly remaining: number;
  /** Whole seconds until the bucket is full. */
  readonly reset: number;
  /** Whole seconds until the next request is allowed, at least one. */
  readonly retryAfter: number;
}

export class TokenBuckets {
  private readonly buckets: LRUCache<string, Bucket>;

  constructor(max = MAX_BUCKETS) {
    this.buckets = new LRUCache({ max });
  }

  /**
   * Takes a request from a bucket that has at least one.
   * @param rate requests a second
   * @param cost the requests that it counts as
   */
  take(key: string, rate: number, cost = 1): TokenBucketResult {
    return this.charge(key, rate, cost, 1);
  }

  /**
   * Takes what a request turns out to cost beyond the first, from a bucket that is not in debt.
   * @param paid what the request itself has taken from it before: its own debt doesn't count
   */
  takeMore(key: string, rate: number, cost: number, paid = 0): TokenBucketResult {
    return this.charge(key, rate, cost, -paid);
  }

  /**
   * Takes a request from each bucket, or from none where one refuses it.
   * @param buckets at least one; the narrowest first, so that what it refuses asks nothing of the wider ones
   * @returns the result that leaves the least, or the refusal
   */
  takeEach(buckets: readonly RateBucket[], cost: number): TokenBucketResult {
    return this.chargeEach(buckets, cost, 1);
  }

  /** {@link takeMore} of each bucket, or of none. */
  takeMoreOfEach(buckets: readonly RateBucket[], cost: number, paid: number): TokenBucketResult {
    return this.chargeEach(buckets, cost, -paid);
  }

  /** Whether nothing was taken lately: all that was has come back. */
  isFull({ key, rate }: RateBucket): boolean {
    const bucket = this.buckets.get(shortenKey(key, MAX_BUCKET_KEY_LENGTH));
    return bucket === undefined || refillBucket(bucket, rate) >= rate;
  }

  private chargeEach(buckets: readonly RateBucket[], cost: number, least: number): TokenBucketResult {
    let tightest: TokenBucketResult | undefined;
    for (const [i, { key, rate }] of buckets.entries()) {
      const result = this.charge(key, rate, cost, least);
      if (!result.allowed) {
        for (const earlier of buckets.slice(0, i)) this.refund(earlier.key, cost);
        return result;
      }
      if (tightest === undefined || result.remaining < tightest.remaining) tightest = result;
    }
    if (tightest === undefined) throw new TypeError('a caller has at least one bucket');
    return tightest;
  }

  /** Takes what has been done already, whatever the bucket holds. */
  takeDebt(key: string, rate: number, cost: number): TokenBucketResult {
    return this.charge(key, rate, cost, -Infinity);
  }

  private charge(fullKey: string, rate: number, cost: number, least: number): TokenBucketResult {
    const key = shortenKey(fullKey, MAX_BUCKET_KEY_LENGTH);
    const bucket = this.buckets.get(key) ?? { level: rate, refilledAt: performance.now() };
    refillBucket(bucket, rate);
    const allowed = bucket.level >= least;
    if (allowed) bucket.level -= cost;
    this.buckets.set(key, bucket);
    return {
      allowed,
      remaining: Math.max(0, Math.floor(bucket.level)),
      reset: Math.ceil((rate - bucket.level) / rate),
      retryAfter: Math.max(1, Math.ceil((1 - bucket.level) / rate)),
    };
  }

  /** Returns what was taken for a caller that was then not served. */
  refund(key: string, cost = 1): void {
    const bucket = this.buckets.get(shortenKey(key, MAX_BUCKET_KEY_LENGTH));
    if (bucket !== undefined) bucket.level += cost;
  }

  /** The keys that are kept: the oldest are dropped, and none is long. */
  keys(): string[] {
    return [...this.buckets.keys()];
  }

  get size(): number {
    return this.buckets.size;
  }
}

/** Adds what has come back since. The rate may have been lowered meanwhile: the level never exceeds it. @returns the level */
function refillBucket(bucket: Bucket, rate: number): number {
  const now = performance.now();
  bucket.level = Math.min(rate, bucket.level + ((now - bucket.refilledAt) / 1000) * rate);
  bucket.refilledAt = now;
  return bucket.level;
}
