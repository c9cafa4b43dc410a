/** Token buckets: what passes, what doesn't, and that hostile keys fill no memory. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TokenBuckets } from '../../../src/http/edge/token-bucket.js';

let now = 0;
beforeEach(() => {
  now = 1000;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
});
afterEach(() => {
  vi.restoreAllMocks();
});

const burst = (rates: TokenBuckets, key: string, rate: number, count: number): number =>
  Array.from({ length: count }, () => rates.take(key, rate)).filter(({ allowed }) => allowed).length;

describe('a rate', () => {
  it('lets a second’s worth pass at once, and then as much as comes back', () => {
    const rates = new TokenBuckets();
    expect(burst(rates, 'a', 10, 25)).toBe(10);
    now += 300;
    expect(burst(rates, 'a', 10, 25)).toBe(3);
    now += 3_600_000;
    expect(burst(rates, 'a', 10, 25)).toBe(10);
  });

  it('is each key’s own', () => {
    const rates = new TokenBuckets();
    burst(rates, 'a', 10, 25);
    expect(burst(rates, 'b', 10, 25)).toBe(10);
  });

  it('says what is left and when all of it is back', () => {
    const rates = new TokenBuckets();
    expect(rates.take('a', 2)).toEqual({ allowed: true, remaining: 1, reset: 1 });
    expect(rates.take('a', 2)).toEqual({ allowed: true, remaining: 0, reset: 1 });
    expect(rates.take('a', 2)).toEqual({ allowed: false, remaining: 0, reset: 1 });
  });

  it('holds no more than it would now, after it was lowered', () => {
    const rates = new TokenBuckets();
    rates.take('a', 1000);
    expect(burst(rates, 'a', 5, 25)).toBe(5);
  });

  it('takes back what didn’t happen, and no more than fits', () => {
    const rates = new TokenBuckets();
    burst(rates, 'a', 3, 3);
    rates.refund('a');
    expect(burst(rates, 'a', 3, 9)).toBe(1);
    for (let i = 0; i < 100; i += 1) rates.refund('a');
    expect(burst(rates, 'a', 3, 9)).toBe(3);
    rates.refund('nobody');
    expect(rates.size).toBe(1);
  });

  it('keeps no more buckets than it may for a million names', () => {
    const rates = new TokenBuckets(100);
    for (let i = 0; i < 1_000_000; i += 1) rates.take(`agent ${i}`, 10);
    expect(rates.size).toBe(100);
  });
});
