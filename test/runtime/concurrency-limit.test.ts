import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ConcurrencyLimit, type Priority } from '../../src/runtime/concurrency-limit.js';

/** Work that ends when it is told to. */
function controlled(limit: ConcurrencyLimit, name: string, started: string[], priority: Priority = 'high') {
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const result = limit.run(
    async () => {
      started.push(name);
      await ended;
      return name;
    },
    { priority },
  );
  return { result, end };
}

it('runs as much at once as it allows, and the rest in order', async () => {
  const limit = new ConcurrencyLimit(2);
  const started: string[] = [];
  const work = ['a', 'b', 'c', 'd'].map((name) => controlled(limit, name, started));
  await sleep(0);
  expect(started).toEqual(['a', 'b']);
  expect([limit.active, limit.waiting, limit.isFull]).toEqual([2, 2, true]);
  work[1]?.end();
  await sleep(0);
  expect(started).toEqual(['a', 'b', 'c']);
  for (const { end } of work) end();
  expect(await Promise.all(work.map(({ result }) => result))).toEqual(['a', 'b', 'c', 'd']);
  expect([limit.active, limit.waiting, limit.isFull]).toEqual([0, 0, false]);
});

it('work of low priority waits for all other work', async () => {
  const limit = new ConcurrencyLimit(1);
  const started: string[] = [];
  const first = controlled(limit, 'first', started);
  const others = [
    controlled(limit, 'low', started, 'low'),
    controlled(limit, 'high', started, 'high'),
    controlled(limit, 'higher', started, 'high'),
  ];
  for (const { end } of [first, ...others]) end();
  await Promise.all(others.map(({ result }) => result));
  expect(started).toEqual(['first', 'high', 'higher', 'low']);
});

it('work that fails gives its place back', async () => {
  const limit = new ConcurrencyLimit(1);
  await expect(limit.run(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  expect(await limit.run(() => Promise.resolve('done'))).toBe('done');
});

it('too much work that waits is refused', async () => {
  const limit = new ConcurrencyLimit(1, { name: 'lookups', maxWaiting: 1 });
  await limit.acquire();
  const second = limit.acquire();
  await expect(limit.acquire()).rejects.toMatchObject({ code: 'overloaded', detail: '1 lookups wait' });
  limit.release();
  await second;
  expect(limit.active).toBe(1);
});

it('work that waits too long is refused, and its place in the queue is gone', async () => {
  const limit = new ConcurrencyLimit(1, { name: 'lookups' });
  await limit.acquire();
  await expect(limit.acquire({ waitMs: 5 })).rejects.toMatchObject({ code: 'deadline_exceeded' });
  expect(limit.waiting).toBe(0);
  limit.release();
  expect(limit.active).toBe(0);
});

it('a place is taken without waiting, or not at all', () => {
  const limit = new ConcurrencyLimit(1);
  expect([limit.tryAcquire(), limit.tryAcquire()]).toEqual([true, false]);
  limit.release();
  expect(limit.tryAcquire()).toBe(true);
});

it('no order of work exceeds the limit or leaves work behind', async () => {
  const pieces = fc.array(fc.record({ turns: fc.nat(3), low: fc.boolean(), fails: fc.boolean() }), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4 }), pieces, async (places, work) => {
      const limit = new ConcurrencyLimit(places);
      let active = 0;
      let ended = 0;
      await Promise.allSettled(
        work.map(({ turns, low, fails }) =>
          limit.run(
            async () => {
              active += 1;
              expect(active).toBeLessThanOrEqual(places);
              for (let i = 0; i < turns; i += 1) await Promise.resolve();
              active -= 1;
              ended += 1;
              if (fails) throw new Error('fails');
            },
            { priority: low ? 'low' : 'high' },
          ),
        ),
      );
      expect([ended, limit.active, limit.waiting]).toEqual([work.length, 0, 0]);
    }),
  );
});
