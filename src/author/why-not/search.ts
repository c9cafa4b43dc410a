/**
 * The search for changes that allow: from the decision as it was, always for the first problem, one that removes it,
 * the lightest first; what is found is then made as small as it goes.
 */
import { candidates, type Searching } from './candidates.js';
import { LAST_RESORT, weightOf, type Change } from './change.js';
import type { Judgement } from './judge.js';
import type { Problem } from './problems.js';

/** Problems that are removed one after another. */
const MAX_DEPTH = 6;
/** Ways of removing one problem that are followed. */
const FOLLOWED = 3;

export interface Found {
  /** Those that allow; where none do, those that came nearest. */
  readonly changes: readonly Change[];
  readonly allowed: boolean;
  /** What those leave in the way. */
  readonly remaining: readonly Problem[];
}

interface Node {
  readonly changes: readonly Change[];
  readonly judgement: Judgement;
  readonly depth: number;
}

export async function search(start: Judgement, searching: Searching): Promise<Found> {
  const open: Node[] = [{ changes: [], judgement: start, depth: 0 }];
  const seen = new Set<string>();
  let nearest: Node = open[0] as Node;
  for (let node = open.shift(); node !== undefined; node = open.shift()) {
    const { changes, judgement, depth } = node;
    if (judgement.allowed) return { changes: await smallest(changes, searching), allowed: true, remaining: [] };
    if (judgement.problems.length > 0 && depth > nearest.depth) nearest = node;
    const [problem] = judgement.problems;
    if (problem === undefined || depth === MAX_DEPTH) continue;
    let followed = 0;
    const options = await candidates(problem, judgement, changes, searching);
    for (const option of options.toSorted((a, b) => weightOf(a) - weightOf(b))) {
      // A change of the rules is followed even where there are others, which may lead nowhere.
      if (followed >= FOLLOWED && weightOf(option) < LAST_RESORT) continue;
      const next = [...changes, ...option];
      const key = JSON.stringify(next.map((change) => JSON.stringify(change)).sort());
      if (seen.has(key)) continue;
      seen.add(key);
      const then = await searching.judge.decide(next);
      if (then === undefined || then.problems.some(({ key: one }) => one === problem.key)) continue;
      // Undecided for what nobody knows: it can't be shown to allow.
      if (!then.allowed && then.problems.length === 0) continue;
      followed += 1;
      open.push({ changes: next, judgement: then, depth: depth + 1 });
    }
    open.sort((a, b) => weightOf(a.changes) - weightOf(b.changes));
  }
  return { changes: nearest.changes, allowed: false, remaining: nearest.judgement.problems };
}

/** Without those that turn out unneeded, the heaviest tried first. */
async function smallest(changes: readonly Change[], { judge }: Searching): Promise<readonly Change[]> {
  let left = changes;
  for (const change of changes.toSorted((a, b) => weightOf([b]) - weightOf([a]))) {
    const without = left.filter((one) => one !== change);
    if ((await judge.decide(without))?.allowed === true) left = without;
  }
  return left;
}
