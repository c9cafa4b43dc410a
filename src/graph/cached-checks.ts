/** Checks of which a cache answers some: each engine asks the rest only, and puts the answers in order. */
import type { CheckAnswer, CheckRequest } from '../model/checks.js';
import { OUTAGE_ANSWER } from './errors.js';

/**
 * An answer for each check, in order.
 * @param getCached the cached answer; undefined where there is none
 * @param checkUncached answers the checks that aren't cached, in order
 */
export async function checkThroughCache(
  checks: readonly CheckRequest[],
  getCached: (check: CheckRequest) => CheckAnswer | undefined,
  checkUncached: (checks: readonly CheckRequest[]) => Promise<readonly CheckAnswer[]>,
): Promise<readonly CheckAnswer[]> {
  const cached = checks.map(getCached);
  const fresh = [...(await checkUncached(checks.filter((_, i) => cached[i] === undefined)))].values();
  return cached.map((answer) => answer ?? fresh.next().value ?? OUTAGE_ANSWER);
}
