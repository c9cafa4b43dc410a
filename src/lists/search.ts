/** Searching: of its candidates each is judged by the steps of a decision, so what is found is what single questions are allowed. */
import type { Deciding } from '../decide/decide.js';
import { BadRequest } from '../model/faults.js';
import type { Question } from '../model/question.js';
import { foreseeEach } from './decide-list.js';

/** Candidates judged at one time, for a short page fewer; and in one search: where it stops, the next page goes on. */
const AT_ONCE = 250;
const AT_LEAST = 25;
export const MAX_LOOKED = 2000;

export interface Found {
  readonly results: readonly string[];
  /** The candidate after which the next page begins; undefined where nothing is left. */
  readonly after: string | undefined;
}

/**
 * The first of the candidates that would be allowed, in their order.
 * @param candidates after the page before, in a stable order
 * @throws Fault where one can't be decided: what is found must be all there is
 */
export async function firstAllowed(
  candidates: readonly string[],
  limit: number,
  ask: (candidate: string) => Question,
  using: Deciding,
): Promise<Found> {
  const results: string[] = [];
  const size = Math.min(AT_ONCE, Math.max(AT_LEAST, limit + 1));
  for (let from = 0; from < candidates.length; from += size) {
    const group = candidates.slice(from, from + size);
    const foreseen = await foreseeEach(group.map(ask), using, true);
    for (const [i, candidate] of group.entries()) {
      const one = foreseen[i];
      if (one instanceof BadRequest) throw one;
      if (one?.allowed !== true) continue;
      const last = results.at(-1);
      // One more than fits: only then is there another page, and an empty one is never promised.
      if (results.length === limit && last !== undefined) return { results, after: last };
      results.push(candidate);
    }
    const looked = from + group.length;
    if (looked >= MAX_LOOKED && looked < candidates.length) return { results, after: candidates[looked - 1] };
  }
  return { results, after: undefined };
}
