/**
 * The shape of a step. A step first says what it `needs`, which is fetched for all steps at once; then its `judge`, a pure
 * function, makes an outcome of the facts. Steps never call each other: decide.ts has their order.
 */
import type { ApprovalReading, PresentedApproval, AskingBar } from '../model/approvals.js';
import type { CheckAnswer, CheckRequest } from '../model/checks.js';
import type { Consent, ConsentNeed } from '../model/consents.js';
import type { DelegationPair, DelegationState } from '../model/delegations.js';
import type { DelegationPathResult } from '../model/delegation-path.js';
import type { EntityNeed, EntityWithAncestors } from '../model/entities.js';
import type { FaultCode } from '../model/faults.js';
import type { HistoryAnswers, HistoryQuery } from '../model/history.js';
import type { Charge, LimitState, RetryKey } from '../model/limits.js';
import type { EntityRef } from '../model/ids.js';
import type { StepOutcome } from '../model/outcome.js';
import type { StepName } from '../model/reasons.js';
import type { Check } from '../model/relationships.js';
import type { ApprovalFinding } from '../govern/approvals/judge.js';
import type { ConsentFinding } from '../govern/consents/find-consent.js';
import type { ChargePlan } from '../govern/limits/charges.js';
import type { PolicyApproval, PolicyConsent } from '../policy/cedar-request-facts.js';
import type { CedarOutcomes } from './ask-cedar.js';
import type { BoundQuestion, UnboundQuestion } from './bound-question.js';

export interface StepNeeds {
  readonly checks?: readonly CheckRequest[];
  readonly entities?: readonly EntityNeed[];
  readonly delegations?: readonly DelegationPair[];
  /** The charges of the question to limits, whose uses are read. */
  readonly charges?: readonly Charge[];
  readonly retry?: RetryKey | undefined;
  /** The questions about the past that policies read the answers of. */
  readonly history?: readonly HistoryQuery[];
  /** Consents to read: of the one pair and action of a question. */
  readonly consents?: readonly ConsentNeed[];
  readonly approval?: PresentedApproval | undefined;
}

/** The answers to everything that the steps need. */
export interface Facts {
  readonly needs: Required<StepNeeds>;
  readonly check: (check: Check) => CheckAnswer;
  /**
   * Returns the stored entity; undefined where there is none, or where the store could not answer.
   * @throws Fault where it is none of those that were needed
   */
  readonly entity: (ref: EntityRef) => EntityWithAncestors | undefined;
  /** undefined where the entity store has answered. */
  readonly entitiesFault: FaultCode | undefined;
  /**
   * Returns the state of a delegation; undefined where the database has none, or could not answer.
   * @throws Fault where it is none of those that were needed
   */
  readonly delegation: (pair: DelegationPair) => DelegationState | undefined;
  /** undefined where the store of delegations has answered. */
  readonly delegationsFault: FaultCode | undefined;
  /** undefined where none was looked for: the user has delegated directly, or nothing can be passed on. */
  readonly delegationPath: DelegationPathResult | undefined;
  /** The uses that limits have had; undefined where the question has no limit. */
  readonly limits: LimitState | { readonly fault: FaultCode } | undefined;
  /** The answers about the past that policies are given; empty where they ask nothing. */
  readonly history: HistoryAnswers | { readonly fault: FaultCode };
  /** The same as they are stored, where events of the same list or batch are added to what policies are given. */
  readonly storedHistory?: HistoryAnswers | undefined;
  /** The uses that the question makes, of all limits that hold for it. */
  readonly use: ChargePlan;
  /** The consents that the user has given the agent, ended ones as well; undefined where the question needs none. */
  readonly consents: readonly Consent[] | { readonly fault: FaultCode } | undefined;
  /** The one that the question rests on; undefined where it needs none. */
  readonly consent: ConsentFinding | undefined;
  /** The approval that the question presents, as it was read; undefined where it presents none. */
  readonly approvalReading: ApprovalReading | undefined;
  readonly approval: ApprovalFinding | undefined;
  /** The time for which an approval for one use would be good, in milliseconds; undefined for a quarter of an hour. */
  readonly approvalMs?: number | undefined;
  /** The reason for which people aren't asked to lift the deny; undefined where there is none, or where it makes no difference. */
  readonly refusal?: AskingBar | undefined;
  /** The consent as policies were given it; undefined where they were given none. */
  readonly policyConsent: PolicyConsent | undefined;
  /** The approval as policies were given it; undefined where they were given none. */
  readonly policyApproval: PolicyApproval | undefined;
  readonly cedar: CedarOutcomes;
  /** Instants at which any of these facts may change without a write, RFC 3339. */
  readonly expiries: readonly string[];
}

export interface OpeningStep {
  readonly step: StepName;
  /** Judges the question before anything is looked up. A passing binding step also returns the bound question. */
  readonly judge: (unbound: UnboundQuestion) => StepOutcome & { readonly bound?: BoundQuestion };
}

export interface JudgingStep {
  readonly step: StepName;
  readonly needs?: (bound: BoundQuestion) => StepNeeds;
  readonly judge: (bound: BoundQuestion, facts: Facts) => StepOutcome;
}

export interface ClosingStep {
  readonly step: StepName;
  readonly judge: (stored: { readonly id: string } | { readonly fault: FaultCode }) => StepOutcome;
}
