/**
 * A decision, from question to answer. Start reading here: the steps are one list, every step is judged by a pure
 * function, and an allow needs a pass of each of them. The evaluation routes and `remit test` call {@link decide}; lists
 * preview decisions with the same steps (lists/preview.ts), and records are decided again with them
 * (records/redecide.ts).
 */
import type { ApproverRules } from '../govern/approvals/eligibility.js';
import { listHistoryQueries } from '../govern/history/queries.js';
import type { RelationshipGraph } from '../graph/port.js';
import { GraphSnapshot } from '../graph/snapshot.js';
import type { Approvals } from '../model/approvals.js';
import type { Consents } from '../model/consents.js';
import type { Decision } from '../model/decision.js';
import type { Delegations } from '../model/delegations.js';
import type { Entities } from '../model/entities.js';
import type { FaultCode } from '../model/faults.js';
import type { History } from '../model/history.js';
import type { LimitState, LimitUses } from '../model/limits.js';
import type { StepOutcome } from '../model/outcome.js';
import type { Question } from '../model/question.js';
import type { Revocations } from '../model/revocations.js';
import type { Rules } from '../policy/load.js';
import { Deadline, engineFaultCode } from '../runtime/deadline.js';
import { yieldToEventLoop } from '../runtime/yield.js';
import type { Decisions } from '../store/decisions.js';
import type { DecisionObserver } from '../telemetry/observer.js';
import type { CredentialVerifier } from '../tokens/credentials.js';
import type { UnboundQuestion } from './bound-question.js';
import { concludeDecision, toDecisionRecord } from './conclude.js';
import { newDecisionId } from './decision-id.js';
import { findAccessRequestOffer } from './access-request-offer.js';
import { renewReading } from './approval-reading.js';
import { settleApprovalUse } from './approval-use.js';
import { addRefusals } from './refusals.js';
import type { Evaluation, StepResult } from './evaluation.js';
import { collectNeeds, evaluateFacts } from './facts.js';
import { fetchEngineAnswers } from './engine-answers.js';
import { gatherFacts, type GatheredFacts } from './gather.js';
import { listConsentCharges, renewLimits } from './question-limits.js';
import { planEffects } from './record-effects.js';
import { toRecordedFacts } from './recorded-facts.js';
import { bindingStep } from './steps/binding.js';
import { consentStep } from './steps/consent.js';
import { delegationStep } from './steps/delegation.js';
import { obligationsStep } from './steps/obligations.js';
import { policyStep } from './steps/policy.js';
import { describeReservation, planUses, recordStep } from './steps/record.js';
import { relationshipStep } from './steps/relationship.js';
import { tokenStep } from './steps/token.js';

/** The steps that end the decision where they fail: nothing is looked up for parties that aren't established. */
const OPENING_STEPS = [tokenStep, bindingStep] as const;
/** The steps that are all judged, so that a deny names everything that is missing. */
export const JUDGING_STEPS = [delegationStep, relationshipStep, consentStep, policyStep, obligationsStep] as const;
/** The steps that a decision passes before it is recorded. */
export const UNRECORDED_STEPS = [...OPENING_STEPS, ...JUDGING_STEPS] as const;
/** The law's eight steps, in order. */
export const DECISION_STEPS = [...UNRECORDED_STEPS, recordStep] as const;

/** The engines and stores that decisions are made with. */
export interface DecisionDeps {
  /** Returns the rules in force; called once a decision. */
  readonly rules: () => Rules;
  readonly credentials: CredentialVerifier;
  readonly relationships: RelationshipGraph;
  readonly entities: Pick<Entities, 'fetch'>;
  readonly consents: Consents;
  readonly approvals: Approvals;
  readonly approverRules: ApproverRules;
  readonly delegations: Delegations;
  readonly decisions: Pick<Decisions, 'record' | 'correct'>;
  readonly revocations: Revocations;
  readonly limits: LimitUses;
  readonly history: History;
  readonly observer: DecisionObserver;
  readonly now: () => Date;
  /** The longest that a decision may take, in milliseconds. */
  readonly deadlineMs: number;
  /** The time after which what was reserved counts as used, in milliseconds, unless an outcome says otherwise. */
  readonly settleAfterMs: number;
  /** Whether dry runs say as well what they would use, since nothing of it is stored (rehearsal.ts). */
  readonly rehearses?: true;
}

/**
 * Decides one question and records the decision. An engine's failure is no error but a decision that isn't an allow and
 * names its `fault`.
 * @param id of the decision, where it has one already: an item of a batch has
 * @throws BadRequest where the question itself is at fault
 */
export async function decide(question: Question, deps: DecisionDeps, id: string = newDecisionId()): Promise<Decision> {
  return deps.observer.decision(question, () =>
    Deadline.run(deps.deadlineMs, async (deadline) => {
      const unbound = await openQuestion(question, deps, deadline);
      const opened = judgeOpeningSteps(unbound, deps.observer);
      const evaluation = await judgeRemainingSteps(opened, deps, deadline);
      return recordDecision(id, evaluation, deps, deadline);
    }),
  );
}

/** The question with the rules in force, the time, and its verified token. */
export async function openQuestion(
  question: Question,
  deps: DecisionDeps,
  deadline: Deadline,
): Promise<UnboundQuestion> {
  const now = deps.now();
  const rules = deps.rules();
  const credential = await deps.observer.phase('token', () => verifyToken(question, rules, now, deps, deadline));
  return { question, rules, now, credential };
}

/** Verifies the token now, an agent's own too: that was verified before the body of its request had been read. */
async function verifyToken(
  question: Question,
  rules: Rules,
  now: Date,
  deps: DecisionDeps,
  deadline: Deadline,
): Promise<UnboundQuestion['credential']> {
  const { caller, token, proof, usedProofs, dryRun } = question;
  if (token === undefined) return undefined;
  // An agent that calls by itself presents a token meant for Remit, as the issuer's configured audience says.
  const audience = caller.kind === 'agent' ? undefined : caller.client.audience;
  const presented = { reading: token, by: caller.kind, audience, proof, used: usedProofs };
  try {
    return await deadline.race(deps.credentials.verifyAndConsume(presented, rules.vocabulary, now, dryRun));
  } catch (error) {
    return { fault: engineFaultCode(error) };
  }
}

/**
 * Judges token and binding. Where one of them fails the evaluation has no bound question, and nothing further is judged.
 * @throws BadRequest where a property of the request has a wrong type
 */
export function judgeOpeningSteps(unbound: UnboundQuestion, observer: DecisionObserver): Evaluation {
  const stepResults: StepResult[] = [];
  for (const { step, judge } of OPENING_STEPS) {
    const outcome = observer.step(step, () => judge(unbound));
    stepResults.push({ step, outcome });
    if (outcome.outcome !== 'pass') break;
    if (outcome.bound !== undefined) return { unbound, stepResults, bound: outcome.bound };
  }
  return { unbound, stepResults };
}

/** Asks the engines for what the steps need, and judges their answers. */
async function judgeRemainingSteps(opened: Evaluation, deps: DecisionDeps, deadline: Deadline): Promise<Evaluation> {
  const { bound } = opened;
  if (bound === undefined) return opened;
  const gathered = await deps.observer.phase('gather', async () => {
    const needs = collectNeeds(JUDGING_STEPS, bound);
    const graph = new GraphSnapshot(deps.relationships, bound.question.consistency);
    const answers = await fetchEngineAnswers([needs], graph, deps, deadline);
    return gatherFacts(bound, needs, answers, deps, deadline);
  });
  await yieldToEventLoop();
  return findRefusal(judgeFacts(opened, gathered, deps.observer), deps, deadline);
}

/** Finds the no that a person has said lately to what people could be asked for: a deny with one has no offer. */
async function findRefusal(evaluation: Evaluation, deps: DecisionDeps, deadline: Deadline): Promise<Evaluation> {
  if (findAccessRequestOffer(evaluation, JUDGING_STEPS) === undefined) return evaluation;
  return (await addRefusals([evaluation], deps, deadline)).get(evaluation) ?? evaluation;
}

/** Judges the steps between binding and record: a pure function of the facts. */
export function judgeFacts(
  opened: Evaluation,
  { bound, facts }: GatheredFacts,
  observer: DecisionObserver,
): Evaluation {
  const stepResults = JUDGING_STEPS.map(({ step, judge }): StepResult => ({
    step,
    outcome: observer.step(step, () => judge(bound, facts)),
  }));
  return { ...opened, stepResults: [...opened.stepResults, ...stepResults], bound, facts };
}

/** The most times that a decision is made again because others have used what it was to reserve. */
const MAX_RECORDINGS = 5;

/**
 * Records the decision, which is the last step, together with what an allow reserves of limits, and with the use of its
 * approval. Where other questions have been faster, nothing is stored and it is judged again by what they have left: losing
 * that race is a deny.
 */
async function recordDecision(
  id: string,
  evaluation: Evaluation,
  deps: DecisionDeps,
  deadline: Deadline,
): Promise<Decision> {
  let current = evaluation;
  const most = countRecordings(evaluation);
  for (let recording = 1; recording <= most; recording += 1) {
    const result = await storeDecision(id, current, deps, deadline);
    if (!('overtaken' in result)) return result;
    current = await judgeAgain(current, result.overtaken, deps, deadline);
  }
  return closeDecision(
    id,
    current,
    deps.observer.step(recordStep.step, () => recordStep.judge({ fault: 'overloaded' })),
  );
}

/** The most times that the decision is recorded: others may use up each of the consents with limits that it could rest on. */
function countRecordings({ bound, facts }: Evaluation): number {
  if (bound === undefined || facts === undefined) return MAX_RECORDINGS;
  // The past may change with each decision of others: there the deadline is the end.
  if (listHistoryQueries(bound).length > 0) return Infinity;
  return MAX_RECORDINGS + new Set(listConsentCharges(bound, facts).map(({ owner }) => owner)).size;
}

type StoredRecord = { readonly id: string } | { readonly fault: FaultCode } | { readonly overtaken: LimitState };

/** Stores the decision as the allow or deny that storing it makes true. */
async function storeDecision(
  id: string,
  evaluation: Evaluation,
  deps: DecisionDeps,
  deadline: Deadline,
): Promise<Decision | { readonly overtaken: LimitState }> {
  const { account, dryRun } = evaluation.unbound.question;
  const facts = toRecordedFacts(evaluation);
  // Concluded before it is stored: the record says what will be answered if storing it succeeds.
  const decision = closeDecision(id, evaluation, recordStep.judge({ id }));
  const isPlanned = decision.decision && (!dryRun || deps.rehearses === true);
  const reservation = isPlanned ? planUses(id, evaluation) : undefined;
  const effects = planEffects(evaluation, decision);
  const described = dryRun ? {} : describeReservation(id, reservation, deps.settleAfterMs);
  const record = { ...toDecisionRecord(decision, facts), ...described };
  const stored = await deps.observer
    .phase('record', () => deadline.race(deps.decisions.record(record, account, reservation, effects)))
    .then((result): StoredRecord => (result.kind === 'overtaken' ? { overtaken: result.state } : { id }))
    .catch((error: unknown): StoredRecord => ({ fault: engineFaultCode(error) }));
  if ('overtaken' in stored) return stored;
  const outcome = deps.observer.step(recordStep.step, () => recordStep.judge(stored));
  if (!('fault' in stored)) return decision;
  const unrecorded = closeDecision(id, evaluation, outcome);
  // The store may yet finish writing the record that was given up: it must then say what was answered. Where it is
  // overloaded it has taken none.
  if (stored.fault !== 'overloaded')
    deps.decisions.correct(toDecisionRecord(unrecorded, facts), account, reservation !== undefined);
  return unrecorded;
}

/** Judges the same facts with what is left of limits now, with the past as it is now, and with the approval. */
async function judgeAgain(
  evaluation: Evaluation,
  { history: past = {}, ...left }: LimitState,
  deps: DecisionDeps,
  deadline: Deadline,
): Promise<Evaluation> {
  const { bound, facts, stepResults } = evaluation;
  if (bound === undefined || facts === undefined) return evaluation;
  const opened = { ...evaluation, stepResults: stepResults.slice(0, OPENING_STEPS.length) };
  const approvalReading = await renewReading(bound, facts.approvalReading, deps, deadline);
  const limits = facts.limits === undefined ? undefined : renewLimits(facts.limits, left);
  const uses = await settleApprovalUse(bound, { ...facts, limits, approvalReading }, deps, deadline);
  const history = 'fault' in facts.history ? facts.history : new Map([...facts.history, ...Object.entries(past)]);
  const renewed = evaluateFacts(bound, { ...facts, ...uses, history });
  return findRefusal(judgeFacts(opened, { bound, facts: renewed }, deps.observer), deps, deadline);
}

/** The decision that the evaluation makes with this outcome of the last step. */
export function closeDecision(id: string, evaluation: Evaluation, recordOutcome: StepOutcome): Decision {
  const stepResults = [...evaluation.stepResults, { step: recordStep.step, outcome: recordOutcome }];
  // What isn't on record can't be asked for.
  const offer = recordOutcome.outcome === 'pass' ? findAccessRequestOffer(evaluation, JUDGING_STEPS) : undefined;
  return concludeDecision(id, { ...evaluation, stepResults }, DECISION_STEPS.length, offer);
}
