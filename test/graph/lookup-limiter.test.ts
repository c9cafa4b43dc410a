/** LookupLimiter: how many lookups SpiceDB works on at once, with either engine. */
import { expect, it } from 'vitest';
import { LookupLimiter } from '../../src/graph/lookup-limiter.js';

const lookup = (id: string, withinMs = 100) => ({
  resourceType: 'folder',
  permission: 'view',
  subject: { type: 'user', id },
  withinMs,
});
const late = () => Promise.reject(new Error('4 DEADLINE_EXCEEDED: Deadline exceeded'));
const found = () => Promise.resolve('found');

it('one that was given up is not made again with as little time, and others are', async () => {
  const lookups = new LookupLimiter({ concurrent: 9, abandoned: 9 });
  const exceeded = { code: 'deadline_exceeded' };
  await expect(lookups.run('look', lookup('a'), late)).rejects.toMatchObject(exceeded);
  await expect(lookups.run('look', lookup('a'), found)).rejects.toMatchObject(exceeded);
  expect(await lookups.run('look', lookup('a', 200), found)).toBe('found');
  expect(await lookups.run('look', lookup('b'), found)).toBe('found');
});

it('only so many are given up while SpiceDB goes on with them, and only so many are on their way', async () => {
  const abandoned = new LookupLimiter({ concurrent: 9, abandoned: 1 });
  await expect(abandoned.run('look', lookup('a'), late)).rejects.toMatchObject({ code: 'deadline_exceeded' });
  await expect(abandoned.run('look', lookup('b'), found)).rejects.toMatchObject({ code: 'overloaded' });
  const busy = new LookupLimiter({ concurrent: 1, abandoned: 9 });
  const first = busy.run('look', lookup('a'), found);
  await expect(busy.run('look', lookup('b'), found)).rejects.toMatchObject({ code: 'overloaded' });
  expect(await first).toBe('found');
});

it('the same is joined until a write, where all writes are known', async () => {
  const lookups = new LookupLimiter({ concurrent: 9, abandoned: 9 });
  let made = 0;
  const count = () => Promise.resolve((made += 1));
  const ask = (revision?: string) => lookups.run('look', lookup('a'), count, revision);
  expect(await Promise.all([ask('1'), ask('1'), ask('2'), ask(), ask()])).toEqual([1, 1, 2, 3, 4]);
});
