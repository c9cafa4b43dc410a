/**
 * Yielding to the event loop between the items of a batch. Cedar runs on the thread that serves requests, and the checks
 * of a whole batch are answered at once: without a pause all its items would be evaluated while other requests wait.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** The longest that evaluation holds the thread at a time. */
const TURN_BUDGET_MS = 2;

let turnEnds = 0;
let turn: Promise<unknown> | undefined;

/** Resolves at once while the turn lasts, and in the event loop's next turn after that. */
export async function yieldToEventLoop(): Promise<void> {
  while (performance.now() > turnEnds) {
    if (turn === undefined) {
      turn = nextTurn().then(() => {
        turnEnds = performance.now() + TURN_BUDGET_MS;
        turn = undefined;
      });
    }
    await turn;
  }
}
