/** A decision in the making: its question, the outcomes of the steps so far, and the facts that they judged. */
import type { StepOutcome } from '../model/outcome.js';
import type { StepName } from '../model/reasons.js';
import type { BoundQuestion, UnboundQuestion } from './bound-question.js';
import type { Facts } from './step.js';

export interface StepResult {
  readonly step: StepName;
  readonly outcome: StepOutcome;
}

export interface Evaluation {
  readonly unbound: UnboundQuestion;
  readonly stepResults: readonly StepResult[];
  /** Absent where token or binding has failed. */
  readonly bound?: BoundQuestion;
  /** Absent until the engines have been asked. */
  readonly facts?: Facts;
}
