/** The tasks that a person may see: their own, those that they have answered, and those that they may answer now. */
import { findAnswerableSteps, isTaskUser } from '../govern/approvals/answerable-steps.js';
import { readTaskState } from '../govern/approvals/task-progress.js';
import type { TaskState } from '../model/approvals.js';
import { isSameRef, type EntityRef } from '../model/ids.js';
import type { Service } from '../service/service.js';
import type { StoredTask } from '../store/stored-task.js';
import { toApprovalJson, type ApprovalJson } from './approval-json.js';
import { askApproverGraph } from './approver-graph.js';

/** A task that its reader may see. */
export interface SeenTask {
  readonly task: StoredTask;
  /** The open steps that the reader may answer. */
  readonly answerable: readonly number[];
}

export class TaskReader {
  constructor(private readonly service: Service) {}

  /** @returns undefined where there is none, or none that the person may see @throws Fault */
  async find(id: string, person: EntityRef): Promise<SeenTask | undefined> {
    const task = await this.service.approvals.find(id);
    if (task === undefined) return undefined;
    const [seen] = await this.selectVisible([task], person);
    return seen;
  }

  /**
   * Tells who comes too late what has become of the task: the others have been faster, or it has ended.
   * @returns undefined where there is none, or none that the person could have answered
   * @throws Fault
   */
  async findMissed(id: string, person: EntityRef): Promise<TaskState | undefined> {
    const task = await this.service.approvals.find(id);
    if (task === undefined) return undefined;
    const [steps = []] = await this.findAnswerable([{ ...task, answers: [] }], person);
    return steps.length === 0 ? undefined : readTaskState(task, this.service.now());
  }

  /** @returns one result for each task, undefined for those that the person may not see @throws Fault */
  async selectVisible(tasks: readonly StoredTask[], person: EntityRef): Promise<(SeenTask | undefined)[]> {
    const now = this.service.now();
    const waiting = tasks.filter((task) => readTaskState(task, now) === 'pending');
    const steps = waiting.length === 0 ? [] : await this.findAnswerable(waiting, person);
    const answerable = new Map(waiting.map(({ id }, i) => [id, steps[i] ?? []]));
    return tasks.map((task) => {
      const open = answerable.get(task.id) ?? [];
      const hasAnswered = [...task.answers, ...(task.denied === undefined ? [] : [task.denied])].some(({ by }) =>
        isSameRef(by, person),
      );
      return open.length > 0 || isTaskUser(task, person) || hasAnswered ? { task, answerable: open } : undefined;
    });
  }

  toJson({ task, answerable }: SeenTask, now: Date): ApprovalJson {
    const { activePolicies, config } = this.service;
    return toApprovalJson(task, answerable, { now, rules: activePolicies.rules, terms: config.approvals });
  }

  private findAnswerable(tasks: readonly StoredTask[], person: EntityRef): ReturnType<typeof findAnswerableSteps> {
    return askApproverGraph(this.service, this.service.deadlineMs, (deps, deadline) =>
      findAnswerableSteps(tasks, person, deps, deadline),
    );
  }
}
