/** Nothing that was read while something was written is cached, nor anything where others write. */
import { LRUCache } from 'lru-cache';
import { describe, expect, it } from 'vitest';
import { WriteGuardedCache } from '../../src/store/write-guarded-cache.js';

const create = (exclusive = true): WriteGuardedCache<{ readonly n: number }> =>
  new WriteGuardedCache({ exclusive }, new LRUCache({ max: 10 }));

describe('a cache beside writes', () => {
  it('holds what was read since the last write', async () => {
    const cache = create();
    cache.set('a', { n: 1 }, cache.now);
    expect(cache.get('a')).toEqual({ n: 1 });
    await cache.whileWriting(() => Promise.resolve());
    expect(cache.get('a')).toBeUndefined();
  });

  it('holds nothing that was read from before, or during a write, be it one that fails', async () => {
    const cache = create();
    const before = cache.now;
    let during = before;
    const write = cache.whileWriting(() => {
      during = cache.now;
      cache.set('a', { n: 1 }, before);
      return Promise.reject(new Error('no'));
    });
    await expect(write).rejects.toThrow('no');
    expect([cache.isUnwritten(before), cache.isUnwritten(during)]).toEqual([false, false]);
    cache.set('a', { n: 2 }, before);
    cache.set('a', { n: 3 }, during);
    expect(cache.get('a')).toBeUndefined();
  });

  it('holds nothing where other processes write', () => {
    const cache = create(false);
    cache.set('a', { n: 1 }, cache.now);
    expect(cache.get('a')).toBeUndefined();
  });
});
