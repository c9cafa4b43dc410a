import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Timeout, withTimeout } from '../../src/runtime/timeout.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

const never = new Promise<string>(() => undefined);
const after = (ms: number): Promise<string> => new Promise((resolve) => setTimeout(() => resolve('done'), ms));

it('resolves with the work that ends in time', async () => {
  const result = withTimeout(after(10), 20, () => 'late');
  await vi.advanceTimersByTimeAsync(10);
  expect(await result).toBe('done');
});

it('resolves with the result of onTimeout once the time is up', async () => {
  const onTimeout = vi.fn(() => 'late');
  const result = withTimeout(after(30), 20, onTimeout);
  await vi.advanceTimersByTimeAsync(19);
  expect(onTimeout).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(await result).toBe('late');
  await vi.advanceTimersByTimeAsync(10);
});

it('rejects with the error of onTimeout', async () => {
  const result = withTimeout(never, 20, () => {
    throw new Error('too late');
  });
  const rejection = expect(result).rejects.toThrow('too late');
  await vi.advanceTimersByTimeAsync(20);
  await rejection;
});

it('rejects with the error of the work', async () => {
  await expect(withTimeout(Promise.reject(new Error('broken')), 20, () => 'late')).rejects.toThrow('broken');
});

it('ends early by a signal, also by one that is aborted already', async () => {
  const controller = new AbortController();
  const result = withTimeout(never, 60_000, () => 'ended', { signal: controller.signal });
  controller.abort();
  expect(await result).toBe('ended');
  expect(await withTimeout(never, 60_000, () => 'ended', { signal: controller.signal })).toBe('ended');
});

it('leaves no listener on the signal', async () => {
  const { signal } = new AbortController();
  const added = vi.spyOn(signal, 'addEventListener');
  const removed = vi.spyOn(signal, 'removeEventListener');
  await withTimeout(Promise.resolve('done'), 20, () => 'late', { signal });
  expect(removed.mock.calls.map(([type, listener]) => [type, listener])).toEqual(
    added.mock.calls.map(([type, listener]) => [type, listener]),
  );
});

it('holds several promises to one time', async () => {
  const timeout = new Timeout(20, () => 'late');
  const results = [timeout.race(after(10)), timeout.race(after(30)), timeout.race(never)];
  await vi.advanceTimersByTimeAsync(30);
  expect(await Promise.all(results)).toEqual(['done', 'late', 'late']);
  expect(await timeout.race(never)).toBe('late');
});

it('is no unhandled rejection where no promise is held to it', async () => {
  new Timeout(20, () => {
    throw new Error('too late');
  });
  await vi.advanceTimersByTimeAsync(20);
});

it.each([
  [true, false],
  [false, true],
])('with unref %s its timer keeps the process alive: %s', (unref, keepsAlive) => {
  vi.useRealTimers();
  const started = vi.spyOn(globalThis, 'setTimeout');
  const timeout = new Timeout(20, () => undefined, { unref });
  expect((started.mock.results[0]?.value as NodeJS.Timeout).hasRef()).toBe(keepsAlive);
  timeout.clear();
  started.mockRestore();
  vi.useFakeTimers();
});
