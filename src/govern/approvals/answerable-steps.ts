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
  // Many tasks are asked for by one agent, about one resource. All are asked at once, so that their checks travel together.
  const asked = new Map<string, Promise<boolean>>();
  const mayAnswer = (task: StoredTask, permission: string): Promise<boolean> => {
    const { user, agent, chain, question } = task;
    const { type, id } = question.resource;
    const key = JSON.stringify([type, id, permission, user, agent, chain]);
    const answer =
      asked.get(key) ??
      isEligible({ resource: { type, id }, permission, approver: person, requester: { user, agent, chain } });
    asked.set(key, answer);
    return answer;
  };
  const isEligible = async (question: Parameters<typeof findIneligibility>[0]): Promise<boolean> => {
    const found = await findIneligibility(question, deps, deadline);
    if ('fault' in found) throw new Fault(found.fault, 'who may answer');
    return found.eligible;
  };
  return Promise.all(
    tasks.map(async (task) => {
      const answers = await Promise.all(
        listOpenSteps(task).map(async (index) => {
          const step = task.steps[index];
          const permission = step === undefined ? undefined : findStepPermission(step, task);
          const may = permission === undefined ? isOfUser(task, person) : await mayAnswer(task, permission);
          return may ? [index] : [];
        }),
      );
      return answers.flat();
    }),
  );
}

/** Whether the task is asked for this person. */
export function isOfUser({ user }: Pick<StoredTask, 'user'>, person: EntityRef): boolean {
  return user !== undefined && isSameRef(user, person);
}
