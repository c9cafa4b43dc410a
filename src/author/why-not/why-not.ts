/** Why a decision was not an allow, and what would make it one: a set of changes, with which it was decided again. */
import type { DecisionRecord } from '../../model/decision.js';
import type { ReasonCode } from '../../model/reasons.js';
import type { RuleSources, Rules } from '../../policy/load.js';
import type { Remedy } from '../../model/remedies.js';
import { verified } from '../../decide/bound-question.js';
import { changeText, type Change } from './change.js';
import { Granting } from './granting.js';
import { Ground, type World } from './ground.js';
import { Judge, KEPT } from './judge.js';
import { Rulebook } from './rulebook.js';
import { search } from './search.js';
import { tokenNeeds } from './token-needs.js';

interface Worded {
  readonly words: string;
  readonly change: Change;
}

interface Standing {
  readonly code: ReasonCode;
  readonly message: string;
}

export type WhyNot =
  /** It was an allow, or by the rules at hand it is one. */
  | { readonly kind: 'allowed' }
  /** The token was refused: nothing can be decided again. */
  | { readonly kind: 'token'; readonly code: ReasonCode; readonly message: string; readonly needs: string }
  /** With all of them, and none fewer of them, it is an allow: decided again by the rules at hand. */
  | {
      readonly kind: 'changes';
      readonly changes: readonly Worded[];
      /** What the policies themselves say would lift them. */
      readonly remedies: readonly Remedy[];
      /** False where relationships are among them, and not all that matter could be read: one may stand in the way. */
      readonly certain: boolean;
      readonly decisions: number;
    }
  /** None is known that allows: how far these come, and what then still stands in the way. */
  | {
      readonly kind: 'none';
      readonly changes: readonly Worded[];
      readonly remaining: readonly Standing[];
      readonly remedies: readonly Remedy[];
      readonly decisions: number;
      /** The bound on decisions was met: there may be one. */
      readonly exhausted: boolean;
    }
  /** It can't be told, and why not. */
  | { readonly kind: 'inconclusive'; readonly why: string };

/** How often is decided again at most. */
const BUDGET = 2000;

export interface Given {
  readonly rules: Rules;
  /** Of those rules. */
  readonly sources: RuleSources;
  /** Where relationships and entities can be read; undefined: only what is on record is known. */
  readonly world: World | undefined;
}

/** @throws Fault where SpiceDB or Cedar fails; what the world throws */
export async function whyNot(record: DecisionRecord, { rules, sources, world }: Given): Promise<WhyNot> {
  const { facts } = record;
  if (record.decision) return { kind: 'allowed' };
  if (facts === undefined) return { kind: 'inconclusive', why: 'what it rests on is not on record' };
  const refused = record.reasons.find(({ code }) => tokenNeeds(code) !== undefined);
  const needs = refused?.step === 'token' ? tokenNeeds(refused.code) : undefined;
  if (refused !== undefined && needs !== undefined)
    return { kind: 'token', code: refused.code, message: refused.message, needs };

  // Without a service to ask, what evidence names is all that is known to be there.
  const told = Object.values(facts.checks).flatMap((answer) => (answer.result === 'yes' ? (answer.path ?? []) : []));
  const ground = new Ground(rules.graph, world, world === undefined ? told : []);
  try {
    const judge = new Judge({ ...record, facts }, new Rulebook(rules, sources), ground, world, BUDGET);
    const start = await judge.decide([]);
    if (start === undefined) return { kind: 'inconclusive', why: 'by the rules at hand the question is at fault' };
    if (start.allowed) return { kind: 'allowed' };
    if (start.problems.length === 0)
      return {
        kind: 'inconclusive',
        why:
          start.missing.length > 0
            ? `the rules at hand ask what was not asked then: ${start.missing.join(', ')}`
            : `an engine could not answer (${start.again.decision.fault ?? 'unknown'}): ask again`,
      };
    const granting = new Granting(ground, new Date(record.evaluated_at), facts.said.context ?? {});
    const { changes, allowed, remaining } = await search(start, { judge, granting });
    const ends = verified(facts)?.token.expiresAt;
    const worded = changes.map((change) => ({ words: wordsOf(change, ends), change }));
    const { decisions } = judge;
    const remedies = start.again.decision.remedies.filter(({ type }) => type !== 'scope' && type !== 'token');
    const certain = ground.complete || changes.every(({ kind }) => kind !== 'relationship');
    if (allowed) return { kind: 'changes', changes: worded, remedies, certain, decisions };
    return {
      kind: 'none',
      changes: worded,
      remaining: remaining.map(({ code, message }) => ({ code, message })),
      remedies,
      decisions,
      exhausted: judge.left <= KEPT,
    };
  } finally {
    ground.close();
  }
}

/** @param ends when the token does, in seconds since the epoch */
function wordsOf(change: Change, ends: number | undefined): string {
  const late = change.kind === 'time' && ends !== undefined && ends * 1000 <= Date.parse(change.at);
  return `${changeText(change)}${late ? ', with a token that is valid then' : ''}`;
}
