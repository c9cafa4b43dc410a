/** Finds the steps of tasks that a person may answer now. */
import type { Deadline } from '../../runtime/deadline.js';
import { isSameRef, type EntityRef } from '../../model/ids.js';
import { Fault } from '../../model/faults.js';
import type { Approval, ApprovalRequester } from '../../model/approvals.js';
import { selectAnswerable } from './answerable-questions.js';
import type { EligibilityDeps, EligibilityQuestion } from './eligibility.js';
import { findStepPermission, listOpenSteps } from './task-progress.js';

/** The part of a task that says who may answer it. */
export interface AnswerableTask extends Pick<Approval, 'steps' | 'emergency'>, ApprovalRequester {
  /** Those it has: the other steps are open. */
  readonly answers: readonly { readonly step: number }[];
  readonly question: { readonly resource: EntityRef };
}

type StepQuestion = Omit<EligibilityQuestion, 'approver'> & { readonly key: string };

/**
 * @returns for each task the indexes of its open steps that the person may answer
 * @throws Fault where it can't be told
 */
export async function findAnswerableSteps(
  tasks: readonly AnswerableTask[],
  person: EntityRef,
  deps: EligibilityDeps,
  deadline: Deadline,
): Promise<readonly (readonly number[])[]> {
  const steps = tasks.map((task) =>
    listOpenSteps(task).map((index) => ({ index, question: buildStepQuestion(task, index) })),
  );
  // An agent asks for many things of one resource: each question is asked once.
  const questions = new Map(steps.flat().flatMap(({ question }) => (question ? [[question.key, question]] : [])));
  const found = await selectAnswerable(person, [...questions.values()], deps, deadline);
  if ('fault' in found) throw new Fault(found.fault, 'who may answer');
  const answerable = new Set(found.answerable.map(({ key }) => key));
  return tasks.map((task, i) =>
    (steps[i] ?? [])
      .filter(({ question }) => (question === undefined ? isTaskUser(task, person) : answerable.has(question.key)))
      .map(({ index }) => index),
  );
}

/** @returns undefined where only the user may answer */
function buildStepQuestion(task: AnswerableTask, index: number): StepQuestion | undefined {
  const step = task.steps[index];
  const permission = step === undefined ? undefined : findStepPermission(step, task);
  if (permission === undefined) return undefined;
  const { user, agent, chain } = task;
  const { type, id } = task.question.resource;
  const key = JSON.stringify([type, id, permission, user, agent, chain]);
  return { key, resource: { type, id }, permission, requester: { user, agent, chain } };
}

/** Whether it is asked, or was done, for this person. */
export function isTaskUser({ user }: Partial<Pick<ApprovalRequester, 'user'>>, person: EntityRef): boolean {
  return user !== undefined && isSameRef(user, person);
}
