/**
 * The time that decisions are made at. The host's clock may be set, forwards or backwards, while Remit runs: forwards
 * is followed at once, since what ends early only denies. Backwards is not, for a while: what has expired a moment ago
 * would hold again, and a proof that was used could be used once more. Meanwhile time goes on by a clock that nobody
 * sets.
 */

/** How long a clock that was set back is not followed: longer than any proof is good for. */
export const HELD_MS = 5 * 60_000;
/** What time services correct in small steps all day long, and nobody has to be told. */
const STEP_MS = 1_000;

export interface Clocks {
  /** The host's, in milliseconds since the epoch. */
  readonly system: () => number;
  /** One that only goes forwards, in milliseconds. */
  readonly steady: () => number;
  /** A line for the operator. */
  readonly log?: ((line: string) => void) | undefined;
}

export function clock({ system, steady, log = () => undefined }: Clocks): () => Date {
  let time = system();
  let at = steady();
  /** Since when the host's clock has been behind, by the steady one. */
  let behind: number | undefined;
  return () => {
    const now = steady();
    const host = system();
    const ahead = time + (now - at);
    const stepped = Math.round((host - ahead) / 1000);
    if (host >= ahead) behind = undefined;
    else if (behind === undefined) {
      behind = now;
      if (ahead - host > STEP_MS)
        log(`the clock was set back by ${-stepped} s: not followed for ${HELD_MS / 60_000} min`);
    }
    if (host - ahead > STEP_MS) log(`the clock went forward by ${stepped} s`);
    const follow = behind === undefined || now - behind >= HELD_MS;
    if (follow) behind = undefined;
    time = follow ? host : ahead;
    at = now;
    return new Date(time);
  };
}
