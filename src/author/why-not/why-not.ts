/** `remit explain --why-not`: finds changes that would turn a recorded deny into an allow, by deciding it again with them. */
import type { DecisionRecord } from '../../model/decision.js';
import type { ReasonCode } from '../../model/reasons.js';
import type { RuleSources, Rules } from '../../policy/load.js';
import type { Remedy } from '../../model/remedies.js';
import { findLiftingRemedies } from '../../decide/lifting-remedies.js';
import { getVerifiedCredential } from '../../decide/bound-question.js';
import { changeText, type ProposedChange } from './change.js';
import { GrantFinder } from './grant-finder.js';
import { HypotheticalGraph, type WorldReader } from './hypothetical-graph.js';
import { ChangeEvaluator } from './change-evaluator.js';
import { PolicyVariants } from './policy-variants.js';
import { searchChanges } from './search.js';
import { tokenNeeds } from './token-needs.js';

interface DescribedChange {
  readonly words: string;
  readonly change: ProposedChange;
}

interface RemainingProblem {
  readonly code: ReasonCode;
  readonly message: string;
}

export type WhyNotAnswer =
  /** The decision was an allow, or is one by the current rules. */
  | { readonly kind: 'allowed' }
  /** The token was refused, so nothing can be decided again. */
  | { readonly kind: 'token'; readonly code: ReasonCode; readonly message: string; readonly needs: string }
  /** The current rules allow it with all of these changes, and with none fewer. */
  | {
      readonly kind: 'changes';
      readonly changes: readonly DescribedChange[];
      /** Remedies that the policies themselves name. */
      readonly remedies: readonly Remedy[];
      /** The yes that people would have to say, and nothing else; absent where that isn't enough. */
      readonly people?: readonly Remedy[];
      /** False where relationships are changed and not all could be read: an unread one may still deny. */
      readonly certain: boolean;
      /** False where the limit on decisions was met before everything milder had been tried. */
      readonly mildest: boolean;
      readonly decisions: number;
    }
  /** No changes are known that allow it. These remove some problems, and the remaining ones still deny. */
  | {
      readonly kind: 'none';
      readonly changes: readonly DescribedChange[];
      readonly remaining: readonly RemainingProblem[];
      readonly remedies: readonly Remedy[];
      readonly people?: readonly Remedy[];
      readonly decisions: number;
      /** Whether the search ended at the limit of decisions: there may be changes that allow it. */
      readonly exhausted: boolean;
    }
  /** Nothing can be said, for this reason. */
  | { readonly kind: 'inconclusive'; readonly why: string };

/** New decisions at most. */
const MAX_DECISIONS = 2000;

export interface WhyNotInput {
  readonly rules: Rules;
  /** The sources of the rules, for variants of them. */
  readonly sources: RuleSources;
  /** Reads relationships and entities; undefined where only the record is known. */
  readonly world: WorldReader | undefined;
}

/**
 * @throws Fault where SpiceDB or Cedar fails
 * @throws what the world reader throws
 */
export async function explainDenial(
  record: DecisionRecord,
  { rules, sources, world }: WhyNotInput,
): Promise<WhyNotAnswer> {
  const { facts } = record;
  if (record.decision) return { kind: 'allowed' };
  if (facts === undefined) return { kind: 'inconclusive', why: 'the facts of the decision are not on record' };
  const refused = record.reasons.find(({ code }) => tokenNeeds(code) !== undefined);
  const needs = refused?.step === 'token' ? tokenNeeds(refused.code) : undefined;
  if (refused !== undefined && needs !== undefined)
    return { kind: 'token', code: refused.code, message: refused.message, needs };

  // Without a service to ask, only the relationships that evidence names are known.
  const evidence = Object.values(facts.checks).flatMap((answer) =>
    answer.result === 'yes' ? (answer.path ?? []) : [],
  );
  const hypothetical = new HypotheticalGraph(rules.graph, world, world === undefined ? evidence : []);
  try {
    const evaluator = new ChangeEvaluator(
      { ...record, facts },
      new PolicyVariants(rules, sources),
      hypothetical,
      world,
      MAX_DECISIONS,
    );
    const start = await evaluator.evaluate([]);
    if (start === undefined)
      return { kind: 'inconclusive', why: 'by the current rules the question itself is invalid' };
    if (start.allowed) return { kind: 'allowed' };
    if (start.problems.length === 0)
      return {
        kind: 'inconclusive',
        why:
          start.missing.length > 0
            ? `the current rules need facts that were not gathered then: ${start.missing.join(', ')}`
            : `an engine could not answer (${start.redecision.decision.fault ?? 'unknown'}): ask again`,
      };
    const grants = new GrantFinder(hypothetical, new Date(record.evaluated_at), facts.said.context ?? {});
    const { changes, allowed, remaining, exhaustive } = await searchChanges(start, { evaluator, grants });
    const tokenExpiry = getVerifiedCredential(facts)?.token.expiresAt;
    const describedChanges = changes.map((change) => ({ words: changeSentence(change, tokenExpiry), change }));
    const { decisions } = evaluator;
    const remedies = start.redecision.decision.remedies.filter(({ type }) => type !== 'scope' && type !== 'token');
    const lifting = findLiftingRemedies(start.redecision.evaluation);
    const people = lifting === undefined ? {} : { people: lifting };
    const certain = hypothetical.complete || changes.every(({ kind }) => kind !== 'relationship');
    if (allowed)
      return {
        kind: 'changes',
        changes: describedChanges,
        remedies,
        ...people,
        certain,
        mildest: exhaustive,
        decisions,
      };
    return {
      kind: 'none',
      changes: describedChanges,
      remaining: remaining.map(({ code, message }) => ({ code, message })),
      remedies,
      ...people,
      decisions,
      exhausted: !exhaustive,
    };
  } finally {
    hypothetical.close();
  }
}

/** @param tokenExpiry in seconds since the epoch; undefined without a token */
function changeSentence(change: ProposedChange, tokenExpiry: number | undefined): string {
  const late = change.kind === 'time' && tokenExpiry !== undefined && tokenExpiry * 1000 <= Date.parse(change.at);
  return `${changeText(change)}${late ? ', with a token that is valid then' : ''}`;
}
