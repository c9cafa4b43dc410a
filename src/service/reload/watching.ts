/** Offering the rules' files whenever they have changed, and once more where it wasn't the files that were wrong. */
import { setTimeout as sleep } from 'node:timers/promises';
import { unread, type Candidate } from './candidate.js';
import type { RuleReader } from './reader.js';

/** Between two offers of the same, at most: each may hold up writes to an embedded SpiceDB for a moment. */
const MAX_BETWEEN_MS = 60_000;

/**
 * @param known the fingerprint of those that are in force
 * @param offer says whether the same is worth offering again. Never rejects
 * @param pollMs before the first time that it is offered again
 * @returns ends it
 */
export function watchRules(
  reader: Pick<RuleReader, 'next'>,
  known: string,
  offer: (candidate: Candidate) => Promise<boolean>,
  pollMs: number,
): () => void {
  const ending = new AbortController();
  const { signal } = ending;
  const pause = (ms: number): Promise<void> => sleep(ms, undefined, { signal, ref: false }).catch(() => undefined);

  const watch = async (): Promise<void> => {
    let fingerprint = known;
    while (!isEnded()) {
      let candidate: Candidate | undefined = await read(fingerprint);
      while (candidate !== undefined && !isEnded()) {
        fingerprint = candidate.fingerprint;
        candidate = (await offer(candidate)) ? await insist(candidate) : undefined;
      }
    }
  };

  /** Offers the same until it is taken, or there is another. */
  const insist = async (same: Candidate): Promise<Candidate | undefined> => {
    const other = read(same.fingerprint);
    for (let ms = pollMs; !isEnded(); ms = Math.min(2 * ms, MAX_BETWEEN_MS)) {
      const came = await Promise.race([other, pause(ms)]);
      if (came !== undefined) return came;
      if (!isEnded() && !(await offer(same))) break;
    }
    return other;
  };

  /** A thread that failed over what it read has found something that can't be taken. */
  const read = async (fingerprint: string): Promise<Candidate> => {
    try {
      return await reader.next(fingerprint);
    } catch (error) {
      await pause(pollMs);
      return unread((error as Error).message);
    }
  };

  function isEnded(): boolean {
    return signal.aborted;
  }

  void watch();
  return () => {
    ending.abort();
  };
}
