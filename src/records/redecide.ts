/**
 * A recorded decision made once more from its facts: with no engine but Cedar, and with no record of its own. Replay,
 * explain, diff and why-not call it.
 */
import { closeDecision, judgeFacts, judgeOpeningSteps, JUDGING_STEPS } from '../decide/decide.js';
import type { Evaluation } from '../decide/evaluation.js';
import { collectNeeds, evaluateFacts, withIntermediaries } from '../decide/facts.js';
import { recallFacts, restoreQuestion } from '../decide/recalled-facts.js';
import { recordStep } from '../decide/steps/record.js';
import type { Decision, ReplayableRecord } from '../model/decision.js';
import { BadRequest } from '../model/faults.js';
import type { Rules } from '../policy/load.js';
import { NOOP_OBSERVER } from '../telemetry/observer.js';

export interface Redecision {
  readonly decision: Decision;
  /** The needs of these rules that the record lacks: checks, entities as `type:id`, attributes as `type:id.attribute`. */
  readonly missing: readonly string[];
  /** The steps by which the decision came about. */
  readonly evaluation: Evaluation;
}

/** @throws BadRequest where, by these rules, the question itself is at fault */
export function redecide(record: ReplayableRecord, rules: Rules): Redecision {
  const opened = judgeOpeningSteps(restoreQuestion(record, rules), NOOP_OBSERVER);
  const { evaluation, missing } = judgeRecalledFacts(opened, record);
  const decision = closeDecision(record.id, evaluation, recordStep.judge({ id: record.id }));
  // The record names what the question stated for nothing, and doesn't have it.
  const { ignored: _found, ...rationale } = decision.rationale;
  const { ignored } = record.rationale;
  return {
    decision: { ...decision, rationale: { ...rationale, ...(ignored === undefined ? {} : { ignored }) } },
    missing,
    evaluation,
  };
}

function judgeRecalledFacts(opened: Evaluation, record: ReplayableRecord): Pick<Redecision, 'evaluation' | 'missing'> {
  if (opened.bound === undefined) return { evaluation: opened, missing: [] };
  const needs = collectNeeds(JUDGING_STEPS, opened.bound);
  const { facts: recalled, missing } = recallFacts(record.facts, opened.bound, needs);
  const bound = withIntermediaries(opened.bound, recalled.delegationPath);
  const facts = evaluateFacts(bound, recalled);
  return { evaluation: judgeFacts(opened, { bound, facts }, NOOP_OBSERVER), missing };
}

/** The answer that some rules give to a recorded request. */
export type RecordAnswer =
  | ({ readonly kind: 'decided' } & Redecision)
  /** Nothing denies, and a step could not be judged: for what is missing, or for an engine that had failed already. */
  | ({ readonly kind: 'inconclusive' } & Redecision)
  /** The question itself is at fault by these rules, so nothing is allowed. */
  | { readonly kind: 'refused'; readonly why: string };

export function answerRecord(record: ReplayableRecord, rules: Rules): RecordAnswer {
  try {
    const redecision = redecide(record, rules);
    // A deny outweighs what is unknown; where nothing denies, what is missing might.
    return { kind: redecision.decision.fault === undefined ? 'decided' : 'inconclusive', ...redecision };
  } catch (error) {
    if (error instanceof BadRequest) return { kind: 'refused', why: `${error.at} ${error.message}`.trim() };
    throw error;
  }
}
