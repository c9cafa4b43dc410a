/** Observing decisions, for metrics and traces. An observer neither changes a decision nor makes it fail. */
import type { Decision } from '../model/decision.js';
import type { StepOutcome } from '../model/outcome.js';
import type { Question } from '../model/question.js';

/** The parts of a decision that take a measurable time. `cedar` is part of `gather`. */
export const PHASES = ['token', 'gather', 'cedar', 'record'] as const;
export type Phase = (typeof PHASES)[number];

export interface DecisionObserver {
  /** Observes a whole decision. A BadRequest is no decision. */
  decision(question: Question, work: () => Promise<Decision>): Promise<Decision>;
  phase<T>(phase: Exclude<Phase, 'cedar'>, work: () => Promise<T>): Promise<T>;
  cedar<T>(work: () => T): T;
  /** Observes the evaluation of a step, which takes next to no time. */
  step<O extends StepOutcome>(step: string, judge: () => O): O;
}

export const NOOP_OBSERVER: DecisionObserver = {
  decision: (_question, work) => work(),
  phase: (_phase, work) => work(),
  cedar: (work) => work(),
  step: (_step, judge) => judge(),
};
