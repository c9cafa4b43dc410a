/** A decision in the making: its question, and what each step so far has said. */
import type { Outcome } from '../model/outcome.js';
import type { Facts } from './step.js';
import type { Opening, Established } from './bound-question.js';

export interface Judged {
  readonly step: string;
  readonly outcome: Outcome;
}

/** What a decision has come to before it is on record. */
export interface Course {
  readonly opening: Opening;
  readonly judged: readonly Judged[];
  readonly established?: Established;
  readonly facts?: Facts;
}
