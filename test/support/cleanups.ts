/** Cleanups of suites whose hooks open several things, one after the other. */
import { afterAll } from 'vitest';

/**
 * Returns a function that takes, at each opening, how it is undone. After the suite it is called in, the newest is
 * undone first. Where a hook fails half-way, what it had opened is closed, too: vitest drops what a hook that failed
 * would have returned. One cleanup that fails keeps no other from running.
 */
export function collectCleanups(): (cleanup: () => unknown) => void {
  const cleanups: (() => unknown)[] = [];
  afterAll(async () => {
    const errors: unknown[] = [];
    for (const cleanup of cleanups.splice(0).reverse())
      try {
        await cleanup();
      } catch (error) {
        errors.push(error);
      }
    if (errors.length > 0) throw errors.length === 1 ? errors[0] : new AggregateError(errors);
  });
  return (cleanup) => void cleanups.push(cleanup);
}
