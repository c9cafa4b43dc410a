/** Says which events a person may see now: what is about them, what they may answer, and what they hold the permission for. */
import type { EventTask, StoredEvent } from '../model/events.js';
import { isSameRef, type EntityRef } from '../model/ids.js';
import type { Deadline } from '../runtime/deadline.js';
import type { StoredTask } from '../store/stored-task.js';
import { findAnswerableSteps, isTaskUser } from './approvals/answerable-steps.js';
import type { EligibilityDeps } from './approvals/eligibility.js';
import { listOpenSteps } from './approvals/task-progress.js';
import { selectHeld } from './permission-holders.js';

export interface EventAudienceDeps extends EligibilityDeps {
  readonly findTasks: (ids: readonly string[]) => Promise<readonly StoredTask[]>;
}

/** Asks the graph as the list of an approver does, once for all of the events. @throws Fault */
export async function selectVisibleEvents(
  person: EntityRef,
  events: readonly StoredEvent[],
  deps: EventAudienceDeps,
  deadline: Deadline,
): Promise<ReadonlySet<StoredEvent>> {
  const others = events.filter((event) => !isTaskUser(event, person));
  const tasks = new Map(others.flatMap(({ task }) => (task === undefined ? [] : [[task.id, task]])));
  const ofHolders = others.flatMap((event) =>
    event.task !== undefined || event.holders === undefined ? [] : [{ ...event.holders, barred: event.barred, event }],
  );
  const [answerable, held] = await Promise.all([
    selectAnswerableTasks(person, [...tasks.values()], deps, deadline),
    selectHeld(deps.graph, deps.rules, person, ofHolders),
  ]);
  const heldEvents = new Set(held.map(({ event }) => event));
  return new Set(
    events.filter((event) => {
      if (isTaskUser(event, person)) return true;
      return event.task === undefined ? heldEvents.has(event) : answerable.has(event.task.id);
    }),
  );
}

/** @returns the ids of those of which the person may answer a step: one that is open, or of what has ended any */
async function selectAnswerableTasks(
  person: EntityRef,
  tasks: readonly EventTask[],
  deps: EventAudienceDeps,
  deadline: Deadline,
): Promise<ReadonlySet<string>> {
  if (tasks.length === 0) return new Set();
  const questions = tasks.map((task) => ({ ...task, answers: [], question: { resource: task.resource } }));
  const answerable = await findAnswerableSteps(questions, person, deps, deadline);
  const steps = new Map(tasks.map(({ id }, i) => [id, answerable[i] ?? []]));
  const mayAnswer = tasks.filter(({ id }) => steps.get(id)?.length !== 0);
  // Only of a task that the person may answer a part of does it count which part is open.
  const partly = mayAnswer.filter((task) => steps.get(task.id)?.length !== task.steps.length);
  const current = partly.length === 0 ? [] : await deps.findTasks(partly.map(({ id }) => id));
  const closed = current.filter((task) => {
    const isTheirs = listOpenSteps(task).some((step) => steps.get(task.id)?.includes(step));
    return task.state === 'pending' && !isTheirs && !task.answers.some(({ by }) => isSameRef(by, person));
  });
  const ids = new Set(mayAnswer.map(({ id }) => id));
  for (const { id } of closed) ids.delete(id);
  return ids;
}
