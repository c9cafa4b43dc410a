/**
 * A search: each candidate is judged by the steps of a decision, so the results are those that single questions would be
 * allowed. The search routes call it.
 */
import type { DecisionDeps } from '../decide/decide.js';
import type { GraphSnapshot } from '../graph/snapshot.js';
import { BadRequest } from '../model/faults.js';
import type { Question } from '../model/question.js';
import type { ReasonCode } from '../model/reasons.js';
import { previewQuestions } from './decide-list.js';
import { findFirstReason } from './preview.js';

/** Candidates judged at one time, as two groups that are in work together: fewer for a short page. */
const MAX_SEARCH_GROUP = 500;
const MIN_SEARCH_GROUP = 25;
/** Candidates judged in one search: the next page continues after them. */
export const MAX_CANDIDATES_JUDGED = 2000;

export interface SearchPage {
  readonly results: readonly string[];
  /** The candidate after which the next page begins; undefined where nothing is left. */
  readonly after: string | undefined;
  /** The numbers of candidates up to there that would be denied, by the first reason of each. */
  readonly leftOut: Readonly<Partial<Record<ReasonCode, number>>>;
}

/**
 * Finds the first candidates that would be allowed, in their order.
 * @param candidates those after the previous page, in a stable order
 * @param graph where the candidates come from
 * @throws BadRequest where the question itself is at fault
 * @throws Fault where a candidate can't be decided: the results must be complete
 */
export async function findAllowed(
  candidates: readonly string[],
  limit: number,
  toQuestion: (candidate: string) => Question,
  graph: GraphSnapshot,
  deps: DecisionDeps,
): Promise<SearchPage> {
  const results: string[] = [];
  const leftOut: Partial<Record<ReasonCode, number>> = {};
  const size = Math.min(MAX_SEARCH_GROUP, Math.max(MIN_SEARCH_GROUP, limit + 1));
  for (let from = 0; from < candidates.length; from += size) {
    const group = candidates.slice(from, from + size);
    const previews = await previewQuestions(group.map(toQuestion), graph, deps, { fromLookup: true });
    for (const [i, candidate] of group.entries()) {
      const preview = previews[i];
      if (preview instanceof BadRequest) throw preview;
      if (preview?.allowed !== true) {
        const code = findFirstReason(preview);
        leftOut[code] = (leftOut[code] ?? 0) + 1;
        continue;
      }
      const last = results.at(-1);
      // There is one more than fits: only then is another page promised, so that none is empty.
      if (results.length === limit && last !== undefined) return { results, after: last, leftOut };
      results.push(candidate);
    }
    const judgedCount = from + group.length;
    if (judgedCount >= MAX_CANDIDATES_JUDGED && judgedCount < candidates.length)
      return { results, after: candidates[judgedCount - 1], leftOut };
  }
  return { results, after: undefined, leftOut };
}
