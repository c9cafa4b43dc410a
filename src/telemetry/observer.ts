/** Whoever watches decisions being made. Watching changes nothing of what is decided, and fails nothing. */
import type { Decision } from '../model/decision.js';
import type { StepOutcome } from '../model/outcome.js';
import type { Question } from '../model/question.js';

/** What a decision waits for, or computes for long enough to matter. `cedar` is part of `gather`. */
export const PHASES = ['token', 'gather', 'cedar', 'record'] as const;
export type Phase = (typeof PHASES)[number];

export interface DecisionObserver {
  /** A whole decision; one that ends in a BadRequest is none. */
  decision(question: Question, work: () => Promise<Decision>): Promise<Decision>;
  phase<T>(phase: Exclude<Phase, 'cedar'>, work: () => Promise<T>): Promise<T>;
  cedar<T>(work: () => T): T;
  /** A step being judged, which takes no time to speak of. */
  step<O extends StepOutcome>(step: string, judge: () => O): O;
}

export const NOOP_OBSERVER: DecisionObserver = {
  decision: (_question, work) => work(),
  phase: (_phase, work) => work(),
  cedar: (work) => work(),
  step: (_step, judge) => judge(),
};
