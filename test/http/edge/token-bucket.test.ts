/** Token buckets: what passes, what doesn't, and that hostile keys fill no memory. */
import fc from 'fast-check';
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
    expect(rates.take('a', 2)).toEqual({ allowed: true, remaining: 1, reset: 1, retryAfter: 1 });
    expect(rates.take('a', 2)).toEqual({ allowed: true, remaining: 0, reset: 1, retryAfter: 1 });
    expect(rates.take('a', 2)).toEqual({ allowed: false, remaining: 0, reset: 1, retryAfter: 1 });
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

  it('is owed for what costs more than it holds, and what follows waits as long', () => {
    const rates = new TokenBuckets();
    expect(rates.take('a', 10).allowed).toBe(true);
    expect(rates.takeMore('a', 10, 99)).toMatchObject({ allowed: true, remaining: 0 });
    expect(rates.takeMore('a', 10, 99)).toMatchObject({ allowed: false, retryAfter: 10 });
    expect(rates.take('a', 10)).toMatchObject({ allowed: false, retryAfter: 10 });
    now += 9_000;
    expect(rates.take('a', 10).allowed).toBe(false);
    now += 1_000;
    expect(rates.take('a', 10).allowed).toBe(true);
  });

  it('of a name of any length is kept under a short one', () => {
    const rates = new TokenBuckets();
    const long = 'x'.repeat(100_000);
    burst(rates, long, 3, 3);
    expect(rates.take(long, 3).allowed).toBe(false);
    expect(rates.take(`${long}y`, 3).allowed).toBe(true);
    expect(rates.keys().every((key) => key.length <= 256)).toBe(true);
  });

  it('keeps no more buckets than it may for a million names', () => {
    const rates = new TokenBuckets(100);
    for (let i = 0; i < 1_000_000; i += 1) rates.take(`agent ${i}`, 10);
    expect(rates.size).toBe(100);
  });
});

describe('several buckets', () => {
  const each = fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd'), rate: fc.integer({ min: 1, max: 20 }) }), { minLength: 1, maxLength: 4 });
  /** Keys with the rate that each always has. */
  const buckets = each.map((all) => [...new Map(all.map((bucket) => [bucket.key, { ...bucket, rate: 1 + bucket.key.charCodeAt(0) % 20 }])).values()]);
  const steps = fc.array(fc.record({ buckets, cost: fc.integer({ min: 1, max: 8 }), paid: fc.integer({ min: 0, max: 8 }), more: fc.boolean() }));

  it('are taken from all together or not at all, and what was paid is no debt to its payer', () => {
    fc.assert(
      fc.property(steps, (all) => {
        now += 3_600_000;
        const rates = new TokenBuckets();
        const levels = new Map<string, number>();
        for (const { buckets: asked, cost, paid, more } of all) {
          const levelOf = ({ key, rate }: { key: string; rate: number }): number => levels.get(key) ?? rate;
          const isAllowed = asked.every((bucket) => levelOf(bucket) >= (more ? -paid : 1));
          const result = more ? rates.takeMoreOfEach(asked, cost, paid) : rates.takeEach(asked, cost);
          expect(result.allowed).toBe(isAllowed);
          if (!isAllowed) continue;
          for (const bucket of asked) levels.set(bucket.key, levelOf(bucket) - cost);
          expect(result.remaining).toBe(Math.max(0, Math.min(...asked.map(levelOf))));
        }
      }),
    );
  });

  it('of which the first refuses take nothing of the others', () => {
    const rates = new TokenBuckets();
    const asked = [{ key: 'narrow', rate: 2 }, { key: 'wide', rate: 20 }];
    for (let i = 0; i < 100; i += 1) rates.takeEach(asked, 1);
    expect(burst(rates, 'wide', 20, 100)).toBe(18);
  });

  it('are full until something is taken, and once it has come back', () => {
    const rates = new TokenBuckets();
    const bucket = { key: 'a', rate: 10 };
    expect(rates.isFull(bucket)).toBe(true);
    rates.take('a', 10);
    expect(rates.isFull(bucket)).toBe(false);
    now += 100;
    expect(rates.isFull(bucket)).toBe(true);
  });
}); // prettier-ignore
