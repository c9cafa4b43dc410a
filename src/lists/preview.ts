/**
 * Decisions on many questions of one request, as far as the record: searches, filters and capabilities make one record
 * for a whole list. Called by decide-list.ts, and for a single question by what precedes a list.
 */
import { listReviews } from '../decide/record-effects.js';
import {
  judgeFacts,
  judgeOpeningSteps,
  JUDGING_STEPS,
  openQuestion,
  UNRECORDED_STEPS,
  type DecisionDeps,
} from '../decide/decide.js';
import { planHistoryUse } from '../decide/history-use.js';
import { findCure, type TriedCure } from '../decide/lifting-remedies.js';
import { addRefusals } from '../decide/refusals.js';
import type { UnboundQuestion } from '../decide/bound-question.js';
import type { Evaluation } from '../decide/evaluation.js';
import { collectNeeds } from '../decide/facts.js';
import { fetchEngineAnswers } from '../decide/engine-answers.js';
import type { NotedEvents } from '../govern/history/noted-events.js';
import type { HistoryUse } from '../model/history.js';
import { gatherFacts } from '../decide/gather.js';
import type { StepNeeds } from '../decide/step.js';
import type { GraphSnapshot } from '../graph/snapshot.js';
import type { CheckAnswer } from '../model/checks.js';
import { BadRequest, Fault } from '../model/faults.js';
import type { Charge, RetryKey } from '../model/limits.js';
import type { OpenedReview, ReachedLimit } from '../model/record-effects.js';
import { listReachableLimits } from '../govern/limits/reached.js';
import type { Obligation } from '../model/obligations.js';
import { combineOutcomes, type Denial } from '../model/outcome.js';
import type { Question } from '../model/question.js';
import type { ReasonCode } from '../model/reasons.js';
import { Deadline } from '../runtime/deadline.js';
import { yieldToEventLoop } from '../runtime/yield.js';

/** The decision that a question would get if it were asked by itself. */
export interface DecisionPreview {
  readonly allowed: boolean;
  readonly obligations: readonly Obligation[];
  /** The charges to limits that it would have: a search uses nothing, and a filter reserves them. */
  readonly charges: readonly Charge[];
  /** The past that it rests on and becomes part of: a filter stores it. */
  readonly history: HistoryUse | undefined;
  /** The reviews that it would open: a filter does. */
  readonly reviews: readonly OpenedReview[];
  /** The limits that hold for it, where nothing else denies it: a filter may reach them. */
  readonly limits: readonly ReachedLimit[];
  /** The outcomes that deny it. */
  readonly denials: readonly Denial[];
  /** The remedies that would lift the deny, as far as that was tried; undefined where nothing would. */
  readonly cure?: TriedCure | undefined;
}

export interface PreviewOptions {
  /** Answers of the graph to checks that have been asked already, by the checks' keys. */
  readonly priorAnswers?: ReadonlyMap<string, CheckAnswer> | undefined;
  /** The key under which the whole list may be a retry: what its earlier answer holds serves its questions. */
  readonly retry?: RetryKey | undefined;
  /** Whether to say of what is denied what would lift it, which takes judging it again. */
  readonly findsCure?: boolean;
  /** The events that the questions before leave for those after them; undefined where they leave none. */
  readonly noted?: NotedEvents | undefined;
}

/**
 * Judges token and binding of one question.
 * @throws BadRequest where the question itself is at fault
 * @throws Fault where the token can't be verified now
 */
export async function startEvaluation(question: Question, deps: DecisionDeps): Promise<Evaluation> {
  return judgeOpeningSteps(await openVerifiable(question, deps), deps.observer);
}

/**
 * Judges token and binding of each question, in order; a BadRequest stands for a question that is itself at fault.
 * @param questions of one request and on one token; they may differ in their subject, action or resource
 * @throws Fault where the token can't be verified now
 */
export async function startEvaluations(
  questions: readonly Question[],
  deps: DecisionDeps,
): Promise<readonly (Evaluation | BadRequest)[]> {
  const [first] = questions;
  if (first === undefined) return [];
  const shared = await openVerifiable(first, deps);
  const started: (Evaluation | BadRequest)[] = [];
  for (const question of questions) {
    await yieldToEventLoop();
    try {
      started.push(judgeOpeningSteps({ ...shared, question }, deps.observer));
    } catch (error) {
      if (!(error instanceof BadRequest)) throw error;
      started.push(error);
    }
  }
  return started;
}

/** @throws Fault where the token can't be verified now */
async function openVerifiable(question: Question, deps: DecisionDeps): Promise<UnboundQuestion> {
  const unbound = await Deadline.run(deps.deadlineMs, (deadline) => openQuestion(question, deps, deadline));
  const { credential } = unbound;
  if (credential !== undefined && 'fault' in credential) throw new Fault(credential.fault, 'a search');
  return unbound;
}

/**
 * Judges the questions that {@link startEvaluations} has started together.
 * @param graph everything is asked of it
 * @throws Fault where a question can't be decided
 */
export async function previewDecisions(
  started: readonly Evaluation[],
  graph: GraphSnapshot,
  deps: DecisionDeps,
  { priorAnswers, retry, findsCure = false, noted }: PreviewOptions = {},
): Promise<ReadonlyMap<Evaluation, DecisionPreview>> {
  return Deadline.run(deps.deadlineMs, async (deadline) => {
    const previews = new Map<Evaluation, DecisionPreview>();
    // No more is kept of a question than is needed yet: the facts of a long list would fill the memory.
    const denied = new Map<Evaluation, Evaluation>();
    const keep = (evaluation: Evaluation, judged: Evaluation): void => {
      const preview = toPreview(judged);
      previews.set(evaluation, preview);
      if (preview.allowed) noted?.note(preview.history?.events ?? []);
      if (findsCure && !preview.allowed) denied.set(evaluation, judged);
    };
    await judgeTogether(started, graph, deps, deadline, { priorAnswers, retry, keep, noted });
    const cures = await findCures([...denied.values()], deps, deadline);
    for (const [evaluation, judged] of denied) previews.set(evaluation, toPreview(judged, cures.get(judged)));
    return previews;
  });
}

interface JudgingOptions extends Pick<PreviewOptions, 'priorAnswers' | 'retry' | 'noted'> {
  /** Takes each question as it was started and as it is judged. */
  readonly keep: (evaluation: Evaluation, judged: Evaluation) => void;
}

/** Judges each question that is bound by the engines' answers to all of them; one that token or binding has denied needs none. */
async function judgeTogether(
  started: readonly Evaluation[],
  graph: GraphSnapshot,
  deps: DecisionDeps,
  deadline: Deadline,
  { priorAnswers, retry, keep, noted }: JudgingOptions,
): Promise<void> {
  const needsOf = new Map<Evaluation, Required<StepNeeds>>();
  for (const evaluation of started)
    if (evaluation.bound === undefined) keep(evaluation, evaluation);
    else needsOf.set(evaluation, { ...collectNeeds(JUDGING_STEPS, evaluation.bound), retry });
  await deps.observer.phase('gather', async () => {
    const fetched = await fetchEngineAnswers([...needsOf.values()], graph, deps, deadline, priorAnswers);
    const answers = noted === undefined ? fetched : { ...fetched, noted };
    for (const [evaluation, needs] of needsOf) {
      const { bound } = evaluation;
      if (bound === undefined) continue;
      const gathered = await gatherFacts(bound, needs, answers, deps, deadline);
      await yieldToEventLoop();
      keep(evaluation, judgeFacts(evaluation, gathered, deps.observer));
    }
  });
}

/** Tries what would lift each deny. Those of which a person has said no lately are tried again without people's yes. */
async function findCures(
  denied: readonly Evaluation[],
  deps: DecisionDeps,
  deadline: Deadline,
): Promise<ReadonlyMap<Evaluation, TriedCure>> {
  const cures = new Map<Evaluation, TriedCure>();
  for (const evaluation of denied) {
    await yieldToEventLoop();
    const cure = findCure(evaluation);
    if (cure !== undefined) cures.set(evaluation, cure);
  }
  const asking = [...cures].flatMap(([evaluation, { asksPeople }]) => (asksPeople ? [evaluation] : []));
  for (const [evaluation, refused] of await addRefusals(asking, deps, deadline)) {
    const cure = findCure(refused);
    if (cure === undefined) cures.delete(evaluation);
    else cures.set(evaluation, cure);
  }
  return cures;
}

/** @throws Fault where a step is unknown and none denies */
function toPreview(evaluation: Evaluation, cure?: TriedCure): DecisionPreview {
  const { stepResults, bound, facts } = evaluation;
  const outcomes = stepResults.map(({ outcome }) => outcome);
  const verdict = combineOutcomes(outcomes, UNRECORDED_STEPS.length);
  if (verdict === 'unknown') {
    const unknown = outcomes.find(({ outcome }) => outcome === 'unknown');
    throw new Fault(unknown?.outcome === 'unknown' ? unknown.fault : 'overloaded', 'a search');
  }
  const listLimits = (): ReachedLimit[] =>
    bound === undefined || facts === undefined ? [] : listReachableLimits(facts.use, bound);
  if (verdict === 'deny') {
    const denials = outcomes.filter((outcome) => outcome.outcome === 'deny');
    const limits = denials.every(isLimitDenial) ? listLimits() : [];
    return { allowed: false, obligations: [], charges: [], history: undefined, reviews: [], limits, denials, cure };
  }
  const obligations = outcomes.flatMap((outcome) => (outcome.outcome === 'pass' ? (outcome.obligations ?? []) : []));
  return {
    allowed: true,
    obligations,
    charges: facts?.use.charges ?? [],
    history: bound === undefined || facts === undefined ? undefined : planHistoryUse(bound, facts),
    limits: listLimits(),
    reviews: listReviews(evaluation),
    denials: [],
  };
}

/** The code of a deny's first reason. Out of reach, nothing is judged of it but the relationship. */
export function findFirstReason(preview: DecisionPreview | undefined): ReasonCode {
  return preview?.denials[0]?.reasons[0]?.code ?? 'relationship_missing';
}

/** Whether it denies for limits alone. */
export function isLimitDenial({ reasons }: Denial): boolean {
  return reasons.every(({ code }) => code === 'limit_exceeded');
}
