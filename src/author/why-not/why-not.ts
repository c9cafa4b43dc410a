/** Why a decision was not an allow, and what would make it one: a set of changes, with which it was decided again. */
import type { DecisionRecord } from '../../model/decision.js';
import type { ReasonCode } from '../../model/reasons.js';
import type { RuleSources, Rules } from '../../policy/load.js';
import type { Remedy } from '../../model/remedies.js';
import { getVerifiedCredential } from '../../decide/bound-question.js';
import { changeText, type ProposedChange } from './change.js';
import { GrantFinder } from './grant-finder.js';
import { HypotheticalGraph, type WorldReader } from './hypothetical-graph.js';
import { ChangeEvaluator, RESERVED_DECISIONS } from './change-evaluator.js';
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
  /** It was an allow, or by the rules at hand it is one. */
  | { readonly kind: 'allowed' }
  /** The token was refused: nothing can be decided again. */
  | { readonly kind: 'token'; readonly code: ReasonCode; readonly message: string; readonly needs: string }
  /** With all of them, and none fewer of them, it is an allow: decided again by the rules at hand. */
  | {
      readonly kind: 'changes';
      readonly changes: readonly DescribedChange[];
      /** What the policies themselves say would lift them. */
      readonly remedies: readonly Remedy[];
      /** False where relationships are among them, and not all that matter could be read: one may stand in the way. */
      readonly certain: boolean;
      readonly decisions: number;
    }
  /** None is known that allows: how far these come, and what then still stands in the way. */
  | {
      readonly kind: 'none';
      readonly changes: readonly DescribedChange[];
      readonly remaining: readonly RemainingProblem[];
      readonly remedies: readonly Remedy[];
      readonly decisions: number;
      /** The bound on decisions was met: there may be one. */
      readonly exhausted: boolean;
    }
  /** It can't be told, and why not. */
  | { readonly kind: 'inconclusive'; readonly why: string };

/** How often is decided again at most. */
const MAX_DECISIONS = 2000;

export interface WhyNotInput {
  readonly rules: Rules;
  /** Of those rules. */
  readonly sources: RuleSources;
  /** Where relationships and entities can be read; undefined: only what is on record is known. */
  readonly world: WorldReader | undefined;
}

/** @throws Fault where SpiceDB or Cedar fails; what the world throws */
export async function explainDenial(
  record: DecisionRecord,
  { rules, sources, world }: WhyNotInput,
): Promise<WhyNotAnswer> {
  const { facts } = record;
  if (record.decision) return { kind: 'allowed' };
  if (facts === undefined) return { kind: 'inconclusive', why: 'what it rests on is not on record' };
  const refused = record.reasons.find(({ code }) => tokenNeeds(code) !== undefined);
  const needs = refused?.step === 'token' ? tokenNeeds(refused.code) : undefined;
  if (refused !== undefined && needs !== undefined)
    return { kind: 'token', code: refused.code, message: refused.message, needs };

  // Without a service to ask, what evidence names is all that is known to be there.
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
    if (start === undefined) return { kind: 'inconclusive', why: 'by the rules at hand the question is at fault' };
    if (start.allowed) return { kind: 'allowed' };
    if (start.problems.length === 0)
      return {
        kind: 'inconclusive',
        why:
          start.missing.length > 0
            ? `the rules at hand ask what was not asked then: ${start.missing.join(', ')}`
            : `an engine could not answer (${start.redecision.decision.fault ?? 'unknown'}): ask again`,
      };
    const grants = new GrantFinder(hypothetical, new Date(record.evaluated_at), facts.said.context ?? {});
    const { changes, allowed, remaining } = await searchChanges(start, { evaluator, grants });
    const tokenExpiry = getVerifiedCredential(facts)?.token.expiresAt;
    const describedChanges = changes.map((change) => ({ words: changeSentence(change, tokenExpiry), change }));
    const { decisions } = evaluator;
    const remedies = start.redecision.decision.remedies.filter(({ type }) => type !== 'scope' && type !== 'token');
    const certain = hypothetical.complete || changes.every(({ kind }) => kind !== 'relationship');
    if (allowed) return { kind: 'changes', changes: describedChanges, remedies, certain, decisions };
    return {
      kind: 'none',
      changes: describedChanges,
      remaining: remaining.map(({ code, message }) => ({ code, message })),
      remedies,
      decisions,
      exhausted: evaluator.remaining <= RESERVED_DECISIONS,
    };
  } finally {
    hypothetical.close();
  }
}

/** @param tokenExpiry when the token does, in seconds since the epoch */
function changeSentence(change: ProposedChange, tokenExpiry: number | undefined): string {
  const late = change.kind === 'time' && tokenExpiry !== undefined && tokenExpiry * 1000 <= Date.parse(change.at);
  return `${changeText(change)}${late ? ', with a token that is valid then' : ''}`;
}
