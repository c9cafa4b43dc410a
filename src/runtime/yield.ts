/**
 * Lets others come in between. Cedar is asked on the thread that serves requests, and the answers to a whole batch's
 * checks arrive at once: without a pause its items would be judged in one go while everybody else waits.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** How long judging may hold the thread at one time. */
const TURN_BUDGET_MS = 5;

let turnEnds = 0;
let turn: Promise<unknown> | undefined;

/** Resolves at once within a turn, and after the event loop has come round where the turn is used up. */
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
