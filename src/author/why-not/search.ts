/**
 * Searches for changes that turn a deny into an allow. It starts from the recorded decision, always removes the first
 * problem, follows the lightest changes first, and drops those that turn out not to be needed. Policies are changed only
 * where nothing else that could be proposed allows the question.
 */
import { mayPeopleLift } from '../../decide/lifting-remedies.js';
import { findCandidates, type SearchTools } from './candidates.js';
import { LAST_RESORT, totalWeight, type ProposedChange } from './change.js';
import { RESERVED_DECISIONS, type ChangeEvaluation } from './change-evaluator.js';
import type { DenialProblem } from './denial-problems.js';

/** Problems that are removed one after another at most. */
const MAX_REMOVED_PROBLEMS = 6;
/** Options for removing one problem that are followed at once; the others are deferred. */
const MAX_FOLLOWED = 3;

export interface SearchOutcome {
  /** Changes that allow; where none are found, those that removed the most problems. */
  readonly changes: readonly ProposedChange[];
  readonly allowed: boolean;
  /** Problems that are left with these changes. */
  readonly remaining: readonly DenialProblem[];
  /** Whether all lighter changes that could be proposed were tried: the limit on decisions ended no trial before. */
  readonly exhaustive: boolean;
}

interface SearchNode {
  readonly changes: readonly ProposedChange[];
  readonly evaluation: ChangeEvaluation;
  readonly depth: number;
}

/** An option that is tried only where those that were followed lead nowhere. */
interface DeferredOption {
  readonly changes: readonly ProposedChange[];
  readonly depth: number;
  /** The problem that it is to remove. */
  readonly problemKey: string;
}

export async function searchChanges(start: ChangeEvaluation, tools: SearchTools): Promise<SearchOutcome> {
  return new ChangeSearch(start, tools).run();
}

class ChangeSearch {
  private readonly open: SearchNode[];
  private readonly deferred: DeferredOption[] = [];
  private readonly visited = new Set<string>();
  private nearest: SearchNode;

  constructor(
    start: ChangeEvaluation,
    private readonly tools: SearchTools,
  ) {
    this.nearest = { changes: [], evaluation: start, depth: 0 };
    this.open = [this.nearest];
  }

  async run(): Promise<SearchOutcome> {
    for (let node = await this.nextNode(); node !== undefined; node = await this.nextNode()) {
      const { changes, evaluation, depth } = node;
      if (evaluation.allowed) {
        const minimal = await minimizeChanges(changes, this.tools);
        return { changes: minimal, allowed: true, remaining: [], exhaustive: this.isExhaustive() };
      }
      if (evaluation.problems.length > 0 && depth > this.nearest.depth) this.nearest = node;
      if (depth < MAX_REMOVED_PROBLEMS) await this.expand(node);
    }
    const { changes, evaluation } = this.nearest;
    return { changes, allowed: false, remaining: evaluation.problems, exhaustive: this.isExhaustive() };
  }

  /** Takes the lightest node. Before one that changes policies, whatever was deferred is tried. */
  private async nextNode(): Promise<SearchNode | undefined> {
    this.open.sort((a, b) => totalWeight(a.changes) - totalWeight(b.changes));
    const [lightest] = this.open;
    if (lightest !== undefined && totalWeight(lightest.changes) < LAST_RESORT) return this.open.shift();
    while (this.deferred.length > 0 && this.tools.evaluator.remaining > RESERVED_DECISIONS) {
      const { changes, depth, problemKey } = this.deferred.shift() as DeferredOption;
      const evaluation = await this.removeProblem(changes, problemKey);
      if (evaluation !== undefined) return { changes, evaluation, depth };
    }
    return this.open.shift();
  }

  private async expand({ changes, evaluation, depth }: SearchNode): Promise<void> {
    const problem = selectFirstProblem(evaluation);
    if (problem === undefined) return;
    let followed = 0;
    const options = await findCandidates(problem, evaluation, changes, this.tools);
    for (const option of options.toSorted((a, b) => totalWeight(a) - totalWeight(b))) {
      const next = [...changes, ...option];
      const key = JSON.stringify(next.map((change) => JSON.stringify(change)).sort());
      if (this.visited.has(key)) continue;
      this.visited.add(key);
      // A change of policies is always followed, since the others may lead nowhere.
      if (followed >= MAX_FOLLOWED && totalWeight(option) < LAST_RESORT) {
        this.deferred.push({ changes: next, depth: depth + 1, problemKey: problem.key });
        continue;
      }
      const outcome = await this.removeProblem(next, problem.key);
      if (outcome === undefined) continue;
      followed += 1;
      this.open.push({ changes: next, evaluation: outcome, depth: depth + 1 });
    }
  }

  /** Decides with the changes. @returns undefined where they don't remove the problem, or leave the question undecided */
  private async removeProblem(
    changes: readonly ProposedChange[],
    problemKey: string,
  ): Promise<ChangeEvaluation | undefined> {
    const outcome = await this.tools.evaluator.evaluate(changes);
    if (outcome === undefined || outcome.problems.some(({ key }) => key === problemKey)) return undefined;
    return !outcome.allowed && outcome.problems.length === 0 ? undefined : outcome;
  }

  private isExhaustive(): boolean {
    return this.tools.evaluator.remaining > RESERVED_DECISIONS;
  }
}

/** The first problem in order; what people could lift comes last, since their yes is asked for where nothing else is missing. */
function selectFirstProblem({ problems, rules }: ChangeEvaluation): DenialProblem | undefined {
  const others = problems.filter(({ code, policy = '' }) => !mayPeopleLift(code, rules.policies.get(policy)));
  return others[0] ?? problems[0];
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
  return narrowScopes(minimal, evaluator);
}

/** Drops the scopes that a token doesn't need of several that are proposed together. */
async function narrowScopes(
  changes: readonly ProposedChange[],
  evaluator: SearchTools['evaluator'],
): Promise<readonly ProposedChange[]> {
  let narrowed = changes;
  for (const [i, change] of changes.entries()) {
    if (change.kind !== 'token' || !('scopes' in change)) continue;
    let { scopes } = change;
    for (const scope of change.scopes) {
      const others = scopes.filter((other) => other !== scope);
      const narrower = narrowed.with(i, { kind: 'token', scopes: others });
      if (others.length === 0 || (await evaluator.evaluate(narrower))?.allowed !== true) continue;
      [scopes, narrowed] = [others, narrower];
    }
  }
  return narrowed;
}
