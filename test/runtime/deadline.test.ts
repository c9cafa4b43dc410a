import { expect, it } from 'vitest';
import { Fault } from '../../src/model/faults.js';
import { Deadline, engineFaultCode } from '../../src/runtime/deadline.js';

const never = new Promise<never>(() => undefined);

it('every wait under a deadline ends with it', async () => {
  const results = Deadline.run(5, (deadline) => Promise.allSettled([deadline.race(never), deadline.race(never)]));
  const exceeded = { status: 'rejected', reason: expect.objectContaining({ code: 'deadline_exceeded' }) as unknown };
  expect(await results).toEqual([exceeded, exceeded]);
});

it('work that ends in time keeps its result, and its error', async () => {
  expect(await Deadline.run(60_000, (deadline) => deadline.race(Promise.resolve('done')))).toBe('done');
  const broken = Deadline.run(60_000, (deadline) => deadline.race(Promise.reject(new Error('broken'))));
  await expect(broken).rejects.toThrow('broken');
});

it('a fault has a code, and a bug is thrown again', () => {
  expect(engineFaultCode(new Fault('overloaded'))).toBe('overloaded');
  expect(() => engineFaultCode(new TypeError('a bug'))).toThrow('a bug');
});
