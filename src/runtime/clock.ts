/**
 * The time that decisions are made at. The host's clock may be set, forwards or backwards, while Remit runs: forwards
 * is followed at once, since what ends early only denies. Backwards is not, for a while: what has expired a moment ago
 * would hold again, and a proof that was used could be used once more. Meanwhile time goes on by a clock that nobody
 * sets.
 */

/** How long a clock that was set back is not followed: longer than any proof is good for. */
export const MAX_HOLD_MS = 5 * 60_000;
/** What time services correct in small steps all day long, and nobody has to be told. */
const STEP_TOLERANCE_MS = 1_000;

export interface ClockSources {
  /** The host's, in milliseconds since the epoch. */
  readonly system: () => number;
  /** One that only goes forwards, in milliseconds. */
  readonly steady: () => number;
  /** A line for the operator. */
  readonly log?: ((line: string) => void) | undefined;
}

export function createClock({ system, steady, log = () => undefined }: ClockSources): () => Date {
  let lastTime = system();
  let lastSteady = steady();
  /** Since when the host's clock has been behind, by the steady one. */
  let behindSince: number | undefined;
  return () => {
    const now = steady();
    const hostTime = system();
    const expected = lastTime + (now - lastSteady);
    const stepSeconds = Math.round((hostTime - expected) / 1000);
    if (hostTime >= expected) behindSince = undefined;
    else if (behindSince === undefined) {
      behindSince = now;
      if (expected - hostTime > STEP_TOLERANCE_MS)
        log(`the clock was set back by ${-stepSeconds} s: not followed for ${MAX_HOLD_MS / 60_000} min`);
    }
    if (hostTime - expected > STEP_TOLERANCE_MS) log(`the clock went forward by ${stepSeconds} s`);
    const follow = behindSince === undefined || now - behindSince >= MAX_HOLD_MS;
    if (follow) behindSince = undefined;
    lastTime = follow ? hostTime : expected;
    lastSteady = now;
    return new Date(lastTime);
  };
}
