/**
 * A decision, from question to answer. Start reading here: the steps are one list, every step is judged by a pure
 * function, and an allow needs a pass of each of them.
 */
import { yieldToEventLoop } from '../runtime/yield.js';
import { concludeDecision, toDecisionRecord } from './conclude.js';
import { type Evaluation } from './evaluation.js';
import { type StepResult } from './evaluation.js';
import { Deadline, engineFaultCode } from '../runtime/deadline.js';
import { newDecisionId } from './decision-id.js';
import type { RelationshipGraph } from '../graph/port.js';
import type { CheckAnswer } from '../model/checks.js';
import { collectNeeds, evaluateFacts, withIntermediaries } from './facts.js';
import { gatherFacts } from './gather.js';
import type { Decision, ReplayableRecord } from '../model/decision.js';
import { BadRequest, Fault } from '../model/faults.js';
import type { Obligation } from '../model/obligations.js';
import { combineOutcomes, type Denial } from '../model/outcome.js';
import type { Question } from '../model/question.js';
import { toRecordedFacts, restoreQuestion, recallFacts } from './recorded-facts.js';
import type { Rules } from '../policy/load.js';
import { bindingStep } from './steps/binding.js';
import { consentStep } from './steps/consent.js';
import { delegationStep } from './steps/delegation.js';
import { obligationsStep } from './steps/obligations.js';
import { policyStep } from './steps/policy.js';
import { recordStep } from './steps/record.js';
import { relationshipStep } from './steps/relationship.js';
import type { Facts, JudgingStep } from './step.js';
import type { BoundQuestion } from './bound-question.js';
import type { UnboundQuestion } from './bound-question.js';
import { tokenStep } from './steps/token.js';
import type { Decisions } from '../store/decisions.js';
import type { Entities } from '../model/entities.js';
import type { Revocations } from '../model/revocations.js';
import { NOOP_OBSERVER, type DecisionObserver } from '../telemetry/observer.js';
import type { CredentialVerifier } from '../tokens/credentials.js';

/** The first two end the decision where they fail: nothing is looked up for whoever isn't who they say. */
const OPENING_STEPS = [tokenStep, bindingStep] as const;
/** These are all judged, so that a deny names everything that is missing. */
const JUDGING_STEPS = [delegationStep, relationshipStep, consentStep, policyStep, obligationsStep] as const;
const CLOSING_STEP = recordStep;
/** The law's eight steps, in order. */
export const DECISION_STEPS = [...OPENING_STEPS, ...JUDGING_STEPS, CLOSING_STEP] as const;

export interface DecisionDeps {
  /** The rules in force; taken once a decision. */
  readonly rules: () => Rules;
  readonly credentials: CredentialVerifier;
  readonly relationships: RelationshipGraph;
  readonly entities: Pick<Entities, 'lookup'>;
  readonly decisions: Pick<Decisions, 'record' | 'correct'>;
  readonly revocations: Revocations;
  readonly observer: DecisionObserver;
  readonly now: () => Date;
  /** How long a decision may take, in milliseconds. */
  readonly deadlineMs: number;
}

/** @throws BadRequest where the question itself is at fault; never for an engine's failure, which is `unknown` */
export async function decide(question: Question, deps: DecisionDeps): Promise<Decision> {
  return deps.observer.decision(question, () =>
    Deadline.run(deps.deadlineMs, async (deadline) => {
      const [begun] = await bindQuestions([question], deps, deadline);
      if (begun === undefined || begun instanceof BadRequest) throw begun ?? new TypeError('nothing was begun');
      const [evaluation] = await judgeRemainingSteps([begun], deps, deadline);
      if (evaluation === undefined) throw new TypeError('nothing was judged');
      return recordDecision(evaluation, deps, deadline);
    }),
  );
}

/** A question after the steps that end the decision where they fail: then nothing is established. */
export interface StartedDecision {
  readonly unbound: UnboundQuestion;
  readonly stepResults: readonly StepResult[];
  readonly bound?: BoundQuestion;
}

/**
 * What token and binding of each question come to; a BadRequest for one that is itself at fault.
 *
 * @param questions of one request and on one token; they may differ in their subject, action or resource
 * @throws Fault where it can't be told
 */
export async function startDecisions(
  questions: readonly Question[],
  deps: DecisionDeps,
): Promise<readonly (StartedDecision | BadRequest)[]> {
  const begun = await Deadline.run(deps.deadlineMs, (deadline) => bindQuestions(questions, deps, deadline));
  for (const one of begun) {
    if (one instanceof BadRequest || one.unbound.credential === undefined) continue;
    if ('fault' in one.unbound.credential) throw new Fault(one.unbound.credential.fault, 'a search');
  }
  return begun;
}

/** The same of one question. @throws BadRequest where it is itself at fault; Fault where it can't be told */
export async function startDecision(question: Question, deps: DecisionDeps): Promise<StartedDecision> {
  const [begun] = await startDecisions([question], deps);
  if (begun === undefined || begun instanceof BadRequest) throw begun ?? new TypeError('nothing was opened');
  return begun;
}

/** What a decision would be, as far as the record. */
export interface DecisionPreview {
  readonly allowed: boolean;
  readonly obligations: readonly Obligation[];
  /** What denies it. */
  readonly denials: readonly Denial[];
}

/**
 * What decisions would be without their records: what a search asks of its candidates and a filter of its records, to
 * write down once for them all.
 * @param begun as {@link startDecisions} has opened them together
 * @param priorAnswers answers of SpiceDB that are there already, by the checks' keys
 * @throws Fault where one can't be decided
 */
export async function previewDecisions(
  begun: readonly StartedDecision[],
  deps: DecisionDeps,
  priorAnswers?: ReadonlyMap<string, CheckAnswer>,
): Promise<readonly DecisionPreview[]> {
  const evaluations = await Deadline.run(deps.deadlineMs, (deadline) =>
    judgeRemainingSteps(begun, deps, deadline, priorAnswers),
  );
  return evaluations.map(({ stepResults }) => {
    const outcomes = stepResults.map((j) => j.outcome);
    const verdict = combineOutcomes(outcomes, OPENING_STEPS.length + JUDGING_STEPS.length);
    if (verdict === 'unknown')
      throw new Fault(outcomes.find((o) => o.outcome === 'unknown')?.fault ?? 'overloaded', 'a search');
    const obligations = outcomes.flatMap((o) => (o.outcome === 'pass' ? (o.obligations ?? []) : []));
    const denials = outcomes.filter((o) => o.outcome === 'deny');
    return { allowed: verdict === 'allow', obligations: verdict === 'allow' ? obligations : [], denials };
  });
}

async function bindQuestions(
  questions: readonly Question[],
  deps: DecisionDeps,
  deadline: Deadline,
): Promise<readonly (StartedDecision | BadRequest)[]> {
  const [first] = questions;
  if (first === undefined) return [];
  const now = deps.now();
  const rules = deps.rules();
  const credential = await deps.observer.phase('token', () => verifyQuestionToken(first, rules, now, deps, deadline));
  const begun: (StartedDecision | BadRequest)[] = [];
  for (const question of questions) {
    await yieldToEventLoop();
    try {
      begun.push(judgeOpeningSteps({ question, rules, now, credential }, deps.observer));
    } catch (error) {
      if (!(error instanceof BadRequest)) throw error;
      begun.push(error);
    }
  }
  return begun;
}

/** @throws BadRequest */
function judgeOpeningSteps(unbound: UnboundQuestion, observer: DecisionObserver): StartedDecision {
  const stepResults: StepResult[] = [];
  let bound: BoundQuestion | undefined;
  for (const step of OPENING_STEPS) {
    const outcome = observer.step(step.step, () => step.judge(unbound));
    stepResults.push({ step: step.step, outcome });
    if (outcome.outcome !== 'pass') return { unbound, stepResults };
    bound = outcome.bound;
  }
  if (bound === undefined) throw new TypeError('binding passed and established nothing');
  return { unbound, stepResults, bound };
}

/** The steps between the first and the last. */
async function judgeRemainingSteps(
  begun: readonly StartedDecision[],
  deps: DecisionDeps,
  deadline: Deadline,
  priorAnswers?: ReadonlyMap<string, CheckAnswer>,
): Promise<readonly Evaluation[]> {
  const going = begun.flatMap((b) => b.bound ?? []);
  const { observer } = deps;
  const gathered = (
    await observer.phase('gather', () => gatherFacts(JUDGING_STEPS, going, deps, deadline, priorAnswers))
  ).values();
  const evaluations: Evaluation[] = [];
  for (const b of begun) {
    if (b.bound === undefined) {
      evaluations.push(b);
      continue;
    }
    const next = gathered.next();
    if (next.done === true) throw new TypeError('nothing was gathered for a question');
    const { bound, facts } = next.value;
    await yieldToEventLoop();
    const stepResults = JUDGING_STEPS.map((step) => judgeStep(step, bound, facts, observer));
    evaluations.push({ unbound: b.unbound, stepResults: [...b.stepResults, ...stepResults], bound, facts });
  }
  return evaluations;
}

/** What the token that is asked on comes to, now: an agent's own was looked at before its body was there. */
async function verifyQuestionToken(
  question: Question,
  rules: Rules,
  now: Date,
  deps: DecisionDeps,
  deadline: Deadline,
) {
  const { caller, token, proof, usedProofs: used, dryRun } = question;
  if (token === undefined) return undefined;
  // An agent that calls by itself presents a token meant for Remit, which the issuer's audience says.
  const audience = caller.kind === 'agent' ? undefined : caller.client.audience;
  const presented = { token, by: caller.kind, audience, proof, used };
  try {
    return await deadline.race(deps.credentials.verifyAndConsume(presented, rules.vocabulary, now, dryRun));
  } catch (error) {
    return { fault: engineFaultCode(error) };
  }
}

/** A decision made once more, of what is on record of it: without an engine but Cedar, and without a record of its own. */
export interface Redecision {
  readonly decision: Decision;
  /** What these rules ask that was not asked then, so that it is unknown: checks, and entities as `type:id`. */
  readonly missing: readonly string[];
  /** How it came to be, for whoever explains it. */
  readonly evaluation: Evaluation;
}

/** @throws BadRequest where, by these rules, the question itself is at fault */
export function redecide(record: ReplayableRecord, rules: Rules): Redecision {
  const begun = judgeOpeningSteps(restoreQuestion(record, rules), NOOP_OBSERVER);
  const { unbound, bound: stated } = begun;
  const closed = { step: CLOSING_STEP.step, outcome: CLOSING_STEP.judge({ id: record.id }) };
  if (stated === undefined)
    return {
      decision: concludeDecision(record.id, begun, [...begun.stepResults, closed], DECISION_STEPS.length),
      missing: [],
      evaluation: begun,
    };
  const asked = collectNeeds(JUDGING_STEPS, stated);
  const { facts: found, missing } = recallFacts(record.facts, asked);
  const bound = withIntermediaries(stated, found.delegationPath);
  const facts = evaluateFacts(bound, { needs: asked, ...found });
  const stepResults = [
    ...begun.stepResults,
    ...JUDGING_STEPS.map((step) => judgeStep(step, bound, facts, NOOP_OBSERVER)),
  ];
  const evaluation = { unbound, stepResults, bound, facts };
  return {
    decision: concludeDecision(record.id, evaluation, [...stepResults, closed], DECISION_STEPS.length),
    missing,
    evaluation,
  };
}

function judgeStep(
  { step, judge }: JudgingStep,
  bound: BoundQuestion,
  facts: Facts,
  observer: DecisionObserver,
): StepResult {
  return { step, outcome: observer.step(step, () => judge(bound, facts)) };
}

/** The record, and with it the last step. The stored record says what would be answered if storing it succeeds. */
async function recordDecision(evaluation: Evaluation, deps: DecisionDeps, deadline: Deadline): Promise<Decision> {
  const id = newDecisionId();
  const facts = toRecordedFacts(evaluation);
  const assumed = [...evaluation.stepResults, { step: CLOSING_STEP.step, outcome: CLOSING_STEP.judge({ id }) }];
  const draft = concludeDecision(id, evaluation, assumed, DECISION_STEPS.length);
  const stored = await deps.observer
    .phase('record', () => deadline.race(deps.decisions.record(toDecisionRecord(draft, facts))))
    .then(() => ({ id }))
    .catch((error: unknown) => ({ fault: engineFaultCode(error) }));
  const outcome = deps.observer.step(CLOSING_STEP.step, () => CLOSING_STEP.judge(stored));
  if (!('fault' in stored)) return draft;
  const answered = concludeDecision(
    id,
    evaluation,
    [...evaluation.stepResults, { step: CLOSING_STEP.step, outcome }],
    DECISION_STEPS.length,
  );
  // The store may yet finish what was given up: then the record must say what was answered.
  deps.decisions.correct(toDecisionRecord(answered, facts));
  return answered;
}
