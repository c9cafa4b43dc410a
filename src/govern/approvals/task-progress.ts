/** The progress of a task: what is still to be answered, and what an answer makes of it. Pure. */
import type { Approval, ApprovalStep, TaskState } from '../../model/approvals.js';
import type { EntityRef } from '../../model/ids.js';
import type { StoredAnswer, StoredTask, TaskAnswer } from '../../store/stored-task.js';

/** The state at this time: a task that was not answered in time has expired, whether or not that is stored. */
export function readTaskState({ state, expires }: Pick<StoredTask, 'state' | 'expires'>, now: Date): TaskState {
  return state === 'pending' && Date.parse(expires) <= now.getTime() ? 'expired' : state;
}

/** The time for which an approval for one use is good where nothing is configured. */
export const DEFAULT_ONCE_MS = 15 * 60_000;

/** An approval in an emergency is good for no longer. */
export const EMERGENCY_MS = 3_600_000;

/** The indexes of the steps that lack a yes. */
export function listOpenSteps({
  steps,
  answers,
}: Pick<Approval, 'steps'> & { readonly answers: readonly { readonly step: number }[] }): number[] {
  const answered = new Set(answers.map(({ step }) => step));
  return steps.map((_, index) => index).filter((index) => !answered.has(index));
}

/** The permission whose holders may say yes to a step; undefined where it is for the user alone. */
export function findStepPermission(step: ApprovalStep, { emergency }: Pick<Approval, 'emergency'>): string | undefined {
  return step.kind === 'user' ? undefined : (emergency ?? step.permission);
}

/** Whether the step is the user's own yes, which is to one question each time: it never has another scope than `once`. */
export function isUserStep({ steps }: Pick<Approval, 'steps'>, index: number): boolean {
  return steps[index]?.kind === 'user';
}

export interface GivenYes {
  readonly by: EntityRef;
  readonly at: Date;
  readonly scope: Approval['scope'];
  /** The end that the approver gives it; where there is none, the longest that there may be. */
  readonly until?: Date | undefined;
  readonly note?: string | undefined;
  /** The class of questions that they agree to; undefined for all that is asked for, or for one question. */
  readonly details?: Approval['details'];
}

export interface ApprovalTerms {
  readonly onceMs: number;
  readonly untilMaxMs: number;
}

/**
 * Says yes to steps. Once none is open the task is approved, for as much as all of those who said yes have agreed to.
 * @param given the steps that the approver may answer and that lack a yes
 */
export function approveSteps(
  task: Pick<StoredTask, 'steps' | 'answers' | 'emergency' | 'requested_until' | 'details'>,
  given: readonly number[],
  { by, at, scope, until, note, details = task.details }: GivenYes,
  terms: ApprovalTerms,
): TaskAnswer {
  const toYes = (step: number): StoredAnswer => {
    const stepScope = isUserStep(task, step) ? 'once' : scope;
    const latest = findLatestEnd(task, stepScope, at, terms);
    const ends = until === undefined || until > latest ? latest : until;
    const noted = { ...(note === undefined ? {} : { note }), ...(details === undefined ? {} : { details }) };
    return { step, by, at: at.toISOString(), scope: stepScope, until: ends.toISOString(), ...noted };
  };
  const answers = [...task.answers, ...given.map(toYes)];
  const narrowest = answers.some((answer) => answer.scope === 'once') ? 'once' : 'until';
  if (listOpenSteps({ steps: task.steps, answers }).length > 0) return { answers, state: 'pending', scope: narrowest };
  // One for a single use is good from the last yes on: those who said yes before had meant that.
  const onceEnd = findLatestEnd(task, 'once', at, terms).getTime();
  const agreed = answers.flatMap((answer) => (answer.scope === 'until' ? [Date.parse(answer.until)] : [onceEnd]));
  return { answers, state: 'approved', scope: narrowest, approved_until: new Date(Math.min(...agreed)).toISOString() };
}

/** The latest end that an approval can be given now: never later than the one that was asked for. */
export function findLatestEnd(
  { steps, emergency, requested_until: requested }: Pick<StoredTask, 'steps' | 'emergency' | 'requested_until'>,
  scope: Approval['scope'],
  at: Date,
  { onceMs, untilMaxMs }: ApprovalTerms,
): Date {
  const elevations = steps.flatMap((step) => (step.kind === 'elevation' ? [step.seconds * 1000] : []));
  const emergencies = emergency === undefined ? [] : [EMERGENCY_MS];
  const longest = Math.min(scope === 'once' ? onceMs : untilMaxMs, ...elevations, ...emergencies);
  return new Date(Math.min(at.getTime() + longest, ...(requested === undefined ? [] : [Date.parse(requested)])));
}
