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
import { findCure, type TriedCure } from '../decide/lifting-remedies.js';
import { addRefusals } from '../decide/refusals.js';
import type { UnboundQuestion } from '../decide/bound-question.js';
import type { Evaluation } from '../decide/evaluation.js';
import { collectNeeds } from '../decide/facts.js';
import { fetchEngineAnswers } from '../decide/engine-answers.js';
import { gatherFacts, type GatheredFacts } from '../decide/gather.js';
import type { GraphSnapshot } from '../graph/snapshot.js';
import type { CheckAnswer } from '../model/checks.js';
import { BadRequest, Fault } from '../model/faults.js';
import type { Charge, RetryKey } from '../model/limits.js';
import type { OpenedReview, ReachedLimit } from '../model/record-effects.js';
import { listReachableLimits } from '../govern/limits/reached.js';
import type { Obligation } from '../model/obligations.js';
import { combineOutcomes, type Denial } from '../model/outcome.js';
import type { Question } from '../model/question.js';
import { Deadline } from '../runtime/deadline.js';
import { yieldToEventLoop } from '../runtime/yield.js';

/** The decision that a question would get if it were asked by itself. */
export interface DecisionPreview {
  readonly allowed: boolean;
  readonly obligations: readonly Obligation[];
  /** The charges to limits that it would have: a search uses nothing, and a filter reserves them. */
  readonly charges: readonly Charge[];
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
  { priorAnswers, retry, findsCure = false }: PreviewOptions = {},
): Promise<ReadonlyMap<Evaluation, DecisionPreview>> {
  return Deadline.run(deps.deadlineMs, async (deadline) => {
    const gathered = await deps.observer.phase('gather', () =>
      gatherTogether(started, graph, deps, deadline, { priorAnswers, retry }),
    );
    const previews = new Map<Evaluation, DecisionPreview>();
    const judgedAll: [Evaluation, Evaluation][] = [];
    for (const evaluation of started) {
      const facts = gathered.get(evaluation);
      if (facts !== undefined) await yieldToEventLoop();
      const judged = facts === undefined ? evaluation : judgeFacts(evaluation, facts, deps.observer);
      judgedAll.push([evaluation, judged]);
    }
    const cures = findsCure
      ? await findCures(
          judgedAll.map(([, judged]) => judged),
          deps,
          deadline,
        )
      : NO_CURES;
    for (const [evaluation, judged] of judgedAll) previews.set(evaluation, toPreview(judged, cures.get(judged)));
    return previews;
  });
}

/** The facts of each question that is bound; one that token or binding has denied needs none. */
async function gatherTogether(
  started: readonly Evaluation[],
  graph: GraphSnapshot,
  deps: DecisionDeps,
  deadline: Deadline,
  { priorAnswers, retry }: Pick<PreviewOptions, 'priorAnswers' | 'retry'>,
): Promise<ReadonlyMap<Evaluation, GatheredFacts>> {
  const questions = started.flatMap((evaluation) => {
    const { bound } = evaluation;
    return bound === undefined ? [] : [{ evaluation, bound, needs: { ...collectNeeds(JUDGING_STEPS, bound), retry } }];
  });
  const allNeeds = questions.map(({ needs }) => needs);
  const answers = await fetchEngineAnswers(allNeeds, graph, deps, deadline, priorAnswers);
  const gathered = new Map<Evaluation, GatheredFacts>();
  for (const { evaluation, bound, needs } of questions)
    gathered.set(evaluation, await gatherFacts(bound, needs, answers, deps, deadline));
  return gathered;
}

const NO_CURES: ReadonlyMap<Evaluation, TriedCure> = new Map();

/** Tries what would lift each deny. Those of which a person has said no lately are tried again without people's yes. */
async function findCures(
  judged: readonly Evaluation[],
  deps: DecisionDeps,
  deadline: Deadline,
): Promise<ReadonlyMap<Evaluation, TriedCure>> {
  const cures = new Map<Evaluation, TriedCure>();
  for (const evaluation of judged) {
    const isDenied = evaluation.stepResults.some(({ outcome }) => outcome.outcome === 'deny');
    if (isDenied) await yieldToEventLoop();
    const cure = isDenied ? findCure(evaluation) : undefined;
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
function toPreview(evaluation: Evaluation, cure: TriedCure | undefined): DecisionPreview {
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
    return { allowed: false, obligations: [], charges: [], reviews: [], limits, denials, cure };
  }
  const obligations = outcomes.flatMap((outcome) => (outcome.outcome === 'pass' ? (outcome.obligations ?? []) : []));
  return {
    allowed: true,
    obligations,
    charges: facts?.use.charges ?? [],
    limits: listLimits(),
    reviews: listReviews(evaluation),
    denials: [],
  };
}

/** Whether it denies for limits alone. */
export function isLimitDenial({ reasons }: Denial): boolean {
  return reasons.every(({ code }) => code === 'limit_exceeded');
}
