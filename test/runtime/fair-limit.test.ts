import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FairLimit } from '../../src/runtime/fair-limit.js';

/** Takes as often as it is let. */
function fill(limit: FairLimit, groups: readonly string[], amount = 1): number {
  let count = 0;
  while (limit.tryTake(groups, amount)) count += 1;
  return count;
}

describe('a share', () => {
  it('is half of the limit for one caller, and a third each for two', () => {
    const limit = new FairLimit(120);
    expect(fill(limit, ['a'])).toBe(60);
    // The first holds more than it would get now, so the second gets half of what is left.
    expect(fill(limit, ['b'])).toBe(30);
    for (const [group, held] of [
      ['a', 60],
      ['b', 30],
    ] as const)
      limit.release([group], held);
    const taken = { a: 0, b: 0 };
    for (let i = 0; i < 100; i += 1)
      for (const one of ['a', 'b'] as const) taken[one] += Number(limit.tryTake([one], 1));
    expect(taken).toEqual({ a: 40, b: 40 });
  });

  it('is shared by all that one could make any number of', () => {
    const limit = new FairLimit(1000);
    let taken = 0;
    for (let agent = 0; agent < 10_000; agent += 1) taken += Number(limit.tryTake(['issuer', `user ${agent}`], 1));
    expect(taken).toBe(500);
    expect(fill(limit, ['client'])).toBe(250);
  });

  it('of one user leaves room for the others of its issuer', () => {
    const limit = new FairLimit(90);
    expect(fill(limit, ['issuer', 'user 1'])).toBe(30);
    expect(fill(limit, ['issuer', 'user 2'])).toBeGreaterThanOrEqual(7);
    expect(fill(limit, ['client'])).toBeGreaterThanOrEqual(20);
  });

  it('lets the first amount of a caller in wherever it fits', () => {
    const limit = new FairLimit(4);
    expect(limit.tryTake(['a'], 4)).toBe(true);
    expect(limit.tryTake(['b'], 1)).toBe(false);
    limit.release(['a'], 4);
    expect(limit.tryTake(['b'], 5)).toBe(false);
  });
});

describe('whatever is taken, waited for and returned,', () => {
  const groups = fc.constantFrom(['a'], ['b'], ['i', 'u1'], ['i', 'u2'], ['i', 'u3']);
  const action = fc.oneof(
    fc.record({ kind: fc.constant('take' as const), groups, amount: fc.integer({ min: 1, max: 6 }) }),
    fc.record({ kind: fc.constant('wait' as const), groups, amount: fc.integer({ min: 1, max: 6 }) }),
    fc.record({ kind: fc.constant('release' as const), index: fc.nat(50) }),
  );

  it('no more is held than there is, no caller more than was free, and nothing is left over', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 6, max: 60 }), fc.array(action, { maxLength: 80 }), async (capacity, actions) => {
        const limit = new FairLimit(capacity);
        const holdings: { groups: readonly string[]; amount: number }[] = [];
        const waits: Promise<unknown>[] = [];
        const check = (): void => {
          expect(limit.active).toBe(holdings.reduce((sum, { amount }) => sum + amount, 0));
          expect(limit.active).toBeLessThanOrEqual(capacity);
        };
        for (const one of actions) {
          if (one.kind === 'take') {
            const own = holdings.filter((h) => h.groups[0] === one.groups[0]).reduce((sum, h) => sum + h.amount, 0);
            if (limit.tryTake(one.groups, one.amount)) {
              holdings.push(one);
              if (own > 0) expect(own + one.amount).toBeLessThanOrEqual(capacity - limit.active + one.amount);
            }
          } else if (one.kind === 'wait')
            waits.push(limit.waitForRoom(one.groups, one.amount, 60_000).then(() => holdings.push(one)));
          else {
            const [holding] = holdings.splice(one.index % Math.max(1, holdings.length), 1);
            if (holding !== undefined) limit.release(holding.groups, holding.amount);
          }
          await Promise.resolve();
          await Promise.resolve();
          check();
        }
        while (limit.waiting > 0 || holdings.length > 0) {
          const holding = holdings.shift();
          if (holding === undefined) throw new Error('a caller waits although all is free');
          limit.release(holding.groups, holding.amount);
          await Promise.resolve();
          await Promise.resolve();
        }
        await Promise.all(waits);
        expect([limit.active, limit.waiting, limit.groupCount]).toEqual([0, 0, 0]);
      }),
    );
  });
}); // prettier-ignore

it('a caller that waits in vain is told so, and takes nothing', async () => {
  const limit = new FairLimit(1);
  limit.take(['a'], 1);
  await expect(limit.waitForRoom(['b'], 1, 5)).rejects.toMatchObject({ name: 'Fault', code: 'overloaded' });
  limit.release(['a'], 1);
  expect([limit.active, limit.waiting]).toEqual([0, 0]);
});
