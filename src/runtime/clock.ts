/**
 * The clock for decisions. The host's clock may be set while Remit runs. A step forwards is followed at once, since
 * expiring early only denies. A step backwards is not followed for a while: expired tokens would be valid again, and a
 * used proof could be used once more. Meanwhile time passes by the monotonic clock, which can't be set.
 */

/** The time for which a step backwards is not followed: longer than any proof is valid. */
export const MAX_HOLD_MS = 5 * 60_000;
/** The largest step that isn't logged: time services make small corrections all day long. */
const STEP_TOLERANCE_MS = 1_000;

export interface ClockSources {
  /** The host's clock, in milliseconds since the epoch. */
  readonly system: () => number;
  /** A monotonic clock, in milliseconds. */
  readonly steady: () => number;
  /** Takes a line for the operator. */
  readonly log?: ((line: string) => void) | undefined;
}

/** Creates a clock that never runs backwards, except where the host's stays behind for longer than {@link MAX_HOLD_MS}. */
export function createClock({ system, steady, log = () => undefined }: ClockSources): () => Date {
  let lastTime = system();
  let lastSteady = steady();
  /** The monotonic time since which the host's clock has been behind; undefined where it isn't. */
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
        log(
          `the host's clock was set back by ${-stepSeconds} s, which is not followed for ${MAX_HOLD_MS / 60_000} min`,
        );
    }
    if (hostTime - expected > STEP_TOLERANCE_MS) log(`the host's clock was set forward by ${stepSeconds} s`);
    const follow = behindSince === undefined || now - behindSince >= MAX_HOLD_MS;
    if (follow) behindSince = undefined;
    lastTime = follow ? hostTime : expected;
    lastSteady = now;
    return new Date(lastTime);
  };
}

/** The clock that engines on this host read, whatever clock decisions are given, in milliseconds since the epoch. */
export function readHostClock(): number {
  // eslint-disable-next-line no-restricted-syntax -- SpiceDB reads it, so what it says has ended is compared with it
  return Date.now();
}
