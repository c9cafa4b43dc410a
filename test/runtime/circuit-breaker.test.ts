import { beforeEach, describe, expect, it, vi } from 'vitest';
import { CircuitBreaker } from '../../src/runtime/circuit-breaker.js';
import { Fault } from '../../src/model/faults.js';

const OUTAGE = new Error('nobody answers');
const REFUSED = new Error('a bad question');
const open = { name: 'Fault', code: 'relationships_unavailable', detail: 'the circuit is open' };

describe('a circuit breaker', () => {
  let there: boolean;
  let probes: number;
  let changes: (string | undefined)[];
  let breaker: CircuitBreaker;
  beforeEach(() => {
    vi.useFakeTimers();
    [there, probes, changes] = [true, 0, []];
    breaker = new CircuitBreaker({
      fault: 'relationships_unavailable',
      isOutage: (error) => error === OUTAGE,
      probe: () => {
        probes += 1;
        return there ? Promise.resolve() : Promise.reject(OUTAGE);
      },
      onChange: (trouble) => changes.push(trouble instanceof Error ? trouble.message : undefined),
    });
    return () => {
      breaker.stop();
      vi.useRealTimers();
    };
  });

  const fail = (error = OUTAGE): Promise<unknown> =>
    breaker.run(() => Promise.reject(error)).catch((caught: unknown) => caught);
  const failOften = async (times: number, error = OUTAGE): Promise<void> => {
    for (let i = 0; i < times; i += 1) await fail(error);
    await vi.advanceTimersByTimeAsync(0);
  };

  it('opens where calls fail in a row and its own question does too; then nothing is asked, and nothing passes', async () => {
    there = false;
    await failOften(5);
    expect(breaker.stats()).toEqual({ state: 'open', opened: 1, refused: 0 });
    const work = vi.fn(() => Promise.resolve('allow'));
    for (let i = 0; i < 100; i += 1) await expect(breaker.run(work)).rejects.toMatchObject(open);
    expect(work).not.toHaveBeenCalled();
    expect(breaker.stats().refused).toBe(100);
    expect([probes, changes]).toEqual([1, ['nobody answers']]);
  });

  it('a caller whose questions never come to an end opens it for nobody while the engine answers', async () => {
    await failOften(500);
    expect(breaker.stats()).toEqual({ state: 'closed', opened: 0, refused: 0 });
    expect(probes).toBe(100);
    expect(await breaker.run(() => Promise.resolve('an answer'))).toBe('an answer');
  });

  it('an answer in between begins the count anew', async () => {
    there = false;
    for (let i = 0; i < 10; i += 1) {
      await failOften(4);
      await breaker.run(() => Promise.resolve());
    }
    expect([breaker.stats().state, probes]).toEqual(['closed', 0]);
  });

  it('refused questions, and what never went out, raise no suspicion', async () => {
    there = false;
    await failOften(100, REFUSED);
    await failOften(100, new Fault('overloaded'));
    expect([breaker.stats().state, probes]).toEqual(['closed', 0]);
  });

  it('asks one question at a time, twice a second, and closes with the first that is answered', async () => {
    there = false;
    await failOften(5);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(probes).toBe(21);
    expect(breaker.stats()).toEqual({ state: 'open', opened: 1, refused: 0 });
    there = true;
    await vi.advanceTimersByTimeAsync(500);
    expect(breaker.stats().state).toBe('closed');
    expect(changes).toEqual(['nobody answers', undefined]);
    expect(await breaker.run(() => Promise.resolve('an answer'))).toBe('an answer');
  });

  it('a question that is slow to be answered is waited for, and lets nobody through', async () => {
    there = false;
    await failOften(5);
    let answer: () => void = () => undefined;
    const asked = vi.fn(() => new Promise<void>((resolve) => (answer = resolve)));
    Object.assign((breaker as unknown as { options: object }).options, { probe: asked });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toHaveBeenCalledTimes(1);
    expect(breaker.stats().state).toBe('half_open');
    await expect(breaker.run(() => Promise.resolve('allow'))).rejects.toMatchObject(open);
    answer();
    await vi.advanceTimersByTimeAsync(0);
    expect(breaker.stats().state).toBe('closed');
  });

  it('asks nothing any more once it is stopped', async () => {
    there = false;
    await failOften(5);
    breaker.stop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(probes).toBe(1);
  });
});
