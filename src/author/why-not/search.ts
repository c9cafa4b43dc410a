/**
 * Searches for changes that turn a deny into an allow. It starts from the recorded decision, always removes the first
 * problem, follows the lightest changes first, and drops those that turn out not to be needed.
 */
import { findCandidates, type SearchTools } from './candidates.js';
import { LAST_RESORT, totalWeight, type ProposedChange } from './change.js';
import type { ChangeEvaluation } from './change-evaluator.js';
import type { DenialProblem } from './denial-problems.js';

/** Problems that are removed one after another at most. */
const MAX_REMOVED_PROBLEMS = 6;
/** Options for removing one problem that are followed. */
const MAX_FOLLOWED = 3;

export interface SearchOutcome {
  /** Changes that allow; where none are found, those that removed the most problems. */
  readonly changes: readonly ProposedChange[];
  readonly allowed: boolean;
  /** Problems that are left with these changes. */
  readonly remaining: readonly DenialProblem[];
}

interface SearchNode {
  readonly changes: readonly ProposedChange[];
  readonly evaluation: ChangeEvaluation;
  readonly depth: number;
}

export async function searchChanges(start: ChangeEvaluation, tools: SearchTools): Promise<SearchOutcome> {
  const open: SearchNode[] = [{ changes: [], evaluation: start, depth: 0 }];
  const visited = new Set<string>();
  let nearest: SearchNode = open[0] as SearchNode;
  for (let node = open.shift(); node !== undefined; node = open.shift()) {
    const { changes, evaluation, depth } = node;
    if (evaluation.allowed) return { changes: await minimizeChanges(changes, tools), allowed: true, remaining: [] };
    if (evaluation.problems.length > 0 && depth > nearest.depth) nearest = node;
    const [problem] = evaluation.problems;
    if (problem === undefined || depth === MAX_REMOVED_PROBLEMS) continue;
    let followed = 0;
    const options = await findCandidates(problem, evaluation, changes, tools);
    for (const option of options.toSorted((a, b) => totalWeight(a) - totalWeight(b))) {
      // A change of policies is always followed, since the others may lead nowhere.
      if (followed >= MAX_FOLLOWED && totalWeight(option) < LAST_RESORT) continue;
      const next = [...changes, ...option];
      const key = JSON.stringify(next.map((change) => JSON.stringify(change)).sort());
      if (visited.has(key)) continue;
      visited.add(key);
      const outcome = await tools.evaluator.evaluate(next);
      if (outcome === undefined || outcome.problems.some(({ key: problemKey }) => problemKey === problem.key)) continue;
      // An undecided question isn't allowed.
      if (!outcome.allowed && outcome.problems.length === 0) continue;
      followed += 1;
      open.push({ changes: next, evaluation: outcome, depth: depth + 1 });
    }
    open.sort((a, b) => totalWeight(a.changes) - totalWeight(b.changes));
  }
  return { changes: nearest.changes, allowed: false, remaining: nearest.evaluation.problems };
}

/** Drops changes that aren't needed, the heaviest first. */
async function minimizeChanges(
  changes: readonly ProposedChange[],
  { evaluator }: SearchTools,
): Promise<readonly ProposedChange[]> {
  let minimal = changes;
  for (const change of changes.toSorted((a, b) => totalWeight([b]) - totalWeight([a]))) {
    const without = minimal.filter((other) => other !== change);
    if ((await evaluator.evaluate(without))?.allowed === true) minimal = without;
  }
  return minimal;
}
