/** The words in which people read what a task is for. */
import type { Rules } from '../policy/load.js';
import type { ApprovedQuestion } from '../store/stored-task.js';

/** The title of the action as the schema has it; its name where the schema has it no more. */
export function findTaskTitle({ action, resource }: ApprovedQuestion, { vocabulary }: Rules): string {
  return vocabulary.find(action.name, resource.type)?.action.title ?? action.name;
}
