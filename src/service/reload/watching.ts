/** Offering the rules' files whenever they have changed, and once more where it wasn't the files that were wrong. */
import { setTimeout as sleep } from 'node:timers/promises';
import { withTimeout } from '../../runtime/timeout.js';
import { createUnreadCandidate, type PolicyCandidate } from './candidate.js';
import type { PolicyReader } from './reader.js';

/** Between two offers of the same, at most: each may hold up writes to an embedded SpiceDB for a moment. */
const MAX_BETWEEN_MS = 60_000;

/**
 * @param activeFingerprint the fingerprint of those that are in force
 * @param offer says whether the same is worth offering again. Never rejects
 * @param pollMs before the first time that it is offered again
 * @returns ends it
 */
export function watchPolicies(
  reader: Pick<PolicyReader, 'next'>,
  activeFingerprint: string,
  offer: (candidate: PolicyCandidate) => Promise<boolean>,
  pollMs: number,
): () => void {
  const abort = new AbortController();
  const { signal } = abort;
  const pause = (ms: number): Promise<void> => sleep(ms, undefined, { signal, ref: false }).catch(() => undefined);

  const watch = async (): Promise<void> => {
    let fingerprint = activeFingerprint;
    while (!isEnded()) {
      let candidate: PolicyCandidate | undefined = await readNext(fingerprint);
      while (candidate !== undefined && !isEnded()) {
        fingerprint = candidate.fingerprint;
        candidate = (await offer(candidate)) ? await repeatOffer(candidate) : undefined;
      }
    }
  };

  /** Offers the same until it is taken, or there is another. */
  const repeatOffer = async (candidate: PolicyCandidate): Promise<PolicyCandidate | undefined> => {
    const nextCandidate = readNext(candidate.fingerprint);
    for (let ms = pollMs; !isEnded(); ms = Math.min(2 * ms, MAX_BETWEEN_MS)) {
      const changed = await withTimeout(nextCandidate, ms, () => undefined, { signal, unref: true });
      if (changed !== undefined) return changed;
      if (!isEnded() && !(await offer(candidate))) break;
    }
    return nextCandidate;
  };

  /** A thread that failed over what it read has found something that can't be taken. */
  const readNext = async (fingerprint: string): Promise<PolicyCandidate> => {
    try {
      return await reader.next(fingerprint);
    } catch (error) {
      await pause(pollMs);
      return createUnreadCandidate((error as Error).message);
    }
  };

  function isEnded(): boolean {
    return signal.aborted;
  }

  void watch();
  return () => {
    abort.abort();
  };
}
