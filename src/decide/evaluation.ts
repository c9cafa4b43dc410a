/** A decision in the making: its question, and what each step so far has said. */
import type { StepOutcome } from '../model/outcome.js';
import type { Facts } from './step.js';
import type { UnboundQuestion, BoundQuestion } from './bound-question.js';

export interface StepResult {
  readonly step: string;
  readonly outcome: StepOutcome;
}

/** What a decision has come to before it is on record. */
export interface Evaluation {
  readonly unbound: UnboundQuestion;
  readonly stepResults: readonly StepResult[];
  readonly bound?: BoundQuestion;
  readonly facts?: Facts;
}
