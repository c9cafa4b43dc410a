/** Fetching keys again: soon after a token names one that is unknown, and never more than once a second, whatever comes. */
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { KeyRefetcher, REFETCH_PAUSE_MS } from '../../src/tokens/key-refetch.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A refetcher whose fetches take some time, with the instants at which they began and ended. */
function watchedRefetcher(duration: number, fails = false) {
  const fetches: { began: number; ended: number }[] = [];
  const refetcher = new KeyRefetcher(async () => {
    const fetch = { began: performance.now(), ended: Infinity };
    fetches.push(fetch);
    await new Promise((done) => setTimeout(done, duration));
    fetch.ended = performance.now();
    if (fails) throw new Error('no answer');
  });
  return { refetcher, fetches };
}

it('whenever tokens come, each unknown key is fetched within a second, and no two fetches begin within one', async () => {
  const arrivals = fc.array(fc.integer({ min: 0, max: 2500 }), { minLength: 1, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(arrivals, fc.integer({ min: 0, max: 800 }), fc.boolean(), async (gaps, duration, fails) => {
      const { refetcher, fetches } = watchedRefetcher(duration, fails);
      const came: number[] = [];
      for (const gap of gaps) {
        await vi.advanceTimersByTimeAsync(gap);
        came.push(performance.now());
        refetcher.refetch().catch(() => undefined);
      }
      await vi.advanceTimersByTimeAsync(10_000);
      for (const [i, { began }] of fetches.entries())
        expect(began - (fetches[i - 1]?.began ?? -Infinity)).toBeGreaterThanOrEqual(REFETCH_PAUSE_MS);
      // One that was under way when the token came is as good: its callers wait for it.
      for (const time of came)
        expect(fetches.some(({ began, ended }) => ended >= time && began <= time + REFETCH_PAUSE_MS)).toBe(true);
    }),
    { numRuns: 200 },
  );
});

it('says whether the keys were fetched, and throws as the fetch does', async () => {
  const { refetcher, fetches } = watchedRefetcher(0);
  const first = refetcher.refetch();
  await vi.advanceTimersByTimeAsync(0);
  await expect(first).resolves.toBe(true);
  await expect(refetcher.refetch()).resolves.toBe(false);
  expect(fetches).toHaveLength(1);
  const failing = watchedRefetcher(0, true).refetcher.refetch();
  await Promise.all([expect(failing).rejects.toThrow('no answer'), vi.advanceTimersByTimeAsync(0)]);
});
