/** Offers policy files whenever they have changed, and again where they were refused for a cause outside them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { withTimeout } from '../../runtime/timeout.js';
import { createUnreadCandidate, type PolicyCandidate } from './candidate.js';
import type { PolicyReader } from './reader.js';

/** The longest pause between two offers of the same files. Each may delay writes to an embedded SpiceDB for a moment. */
const MAX_BETWEEN_MS = 60_000;

/**
 * @param activeFingerprint the fingerprint of those that are in force
 * @param offer takes the files; resolves with whether to offer the same again. Never rejects
 * @param pollMs the pause before the same files are offered again the first time
 * @returns stops watching
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

  /** Offers the same files until they are taken or have changed. */
  const repeatOffer = async (candidate: PolicyCandidate): Promise<PolicyCandidate | undefined> => {
    const nextCandidate = readNext(candidate.fingerprint);
    for (let ms = pollMs; !isEnded(); ms = Math.min(2 * ms, MAX_BETWEEN_MS)) {
      const changed = await withTimeout(nextCandidate, ms, () => undefined, { signal, unref: true });
      if (changed !== undefined) return changed;
      if (!isEnded() && !(await offer(candidate))) break;
    }
    return nextCandidate;
  };

  /** Reads the next candidate; a failure of the thread makes one that is refused. */
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
