/** Finds the steps of tasks that a person may answer now. */
import type { Deadline } from '../../runtime/deadline.js';
import { isSameRef, type EntityRef } from '../../model/ids.js';
import { Fault } from '../../model/faults.js';
import type { StoredTask } from '../../store/approvals.js';
import { findIneligibility, type EligibilityDeps } from './eligibility.js';
import { findStepPermission, listOpenSteps } from './task-progress.js';

/**
 * @returns for each task the indexes of its open steps that the person may answer
 * @throws Fault where it can't be told
 */
export async function findAnswerableSteps(
  tasks: readonly StoredTask[],
  person: EntityRef,
  deps: EligibilityDeps,
  deadline: Deadline,
): Promise<readonly (readonly number[])[]> {
  const asked = tasks.map((task) =>
    listOpenSteps(task).flatMap((index) => {
      const step = task.steps[index];
      return step === undefined ? [] : [{ index, permission: findStepPermission(step, task) }];
    }),
  );
  const answers = new Map<string, boolean>();
  for (const [i, task] of tasks.entries())
    for (const permission of new Set((asked[i] ?? []).map((step) => step.permission)))
      answers.set(`${i} ${permission ?? ''}`, await mayAnswer(task, permission, person, deps, deadline));
  return asked.map((steps, i) =>
    steps.filter(({ permission }) => answers.get(`${i} ${permission ?? ''}`) === true).map(({ index }) => index),
  );
}

async function mayAnswer(
  task: StoredTask,
  permission: string | undefined,
  person: EntityRef,
  deps: EligibilityDeps,
  deadline: Deadline,
): Promise<boolean> {
  const { user, agent, chain, question } = task;
  if (permission === undefined) return user !== undefined && isSameRef(user, person);
  const { type, id } = question.resource;
  const found = await findIneligibility(
    { resource: { type, id }, permission, approver: person, requester: { user, agent, chain } },
    deps,
    deadline,
  );
  if ('fault' in found) throw new Fault(found.fault, 'who may answer');
  return found.eligible;
}
