/**
 * Holds a task against the rules in force when it is answered: a yes gives a right only as the action's `@elevation` says now,
 * to a user who may ask for it now.
 */
import type { GraphSnapshot } from '../../graph/snapshot.js';
import { Fault } from '../../model/faults.js';
import type { Rules } from '../../policy/load.js';
import type { StoredTask } from '../../store/stored-task.js';

/** The reason for which a task can't be answered as it was asked. */
export type OutdatedTask = 'rules_changed' | 'condition_lost';

/** @returns undefined where it can be. @throws Fault where it can't be told */
export async function findOutdated(
  { steps, emergency, question, user }: Pick<StoredTask, 'steps' | 'emergency' | 'question' | 'user'>,
  { rules, graph }: { readonly rules: Pick<Rules, 'vocabulary'>; readonly graph: Pick<GraphSnapshot, 'check'> },
): Promise<OutdatedTask | undefined> {
  const { type, id } = question.resource;
  const action = rules.vocabulary.find(question.action.name, type)?.action;
  if (action === undefined || (emergency !== undefined && action.emergency !== emergency)) return 'rules_changed';
  for (const step of steps) {
    if (step.kind !== 'elevation') continue;
    const { elevation } = action;
    const isSame =
      elevation?.by === step.permission && elevation.relation === step.relation && elevation.seconds === step.seconds;
    if (!isSame || user === undefined) return 'rules_changed';
    const check = { resource: { type, id }, permission: elevation.condition, subject: user };
    const [answer] = await graph.check([check]);
    if (answer?.result === 'unknown') throw new Fault(answer.fault);
    if (answer?.result !== 'yes') return 'condition_lost';
  }
  return undefined;
}
