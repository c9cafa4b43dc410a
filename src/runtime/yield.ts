/**
 * Yielding to the event loop between the items of a batch. Cedar runs on the thread that serves requests, and the checks
 * of a whole batch are answered at once: without a pause all its items would be evaluated while other requests wait.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** The longest that evaluation holds the thread at a time. */
const TURN_BUDGET_MS = 2;

let turnEnds = 0;
let turn: Promise<unknown> | undefined;

/** Resolves in the event loop's next turn; undefined, with nothing to wait for, while the turn lasts. */
export function yieldToEventLoop(): Promise<void> | undefined {
  return performance.now() > turnEnds ? waitForTurn() : undefined;
}

async function waitForTurn(): Promise<void> {
  do {
    turn ??= nextTurn().then(() => {
      turnEnds = performance.now() + TURN_BUDGET_MS;
      turn = undefined;
    });
    await turn;
  } while (performance.now() > turnEnds);
}
