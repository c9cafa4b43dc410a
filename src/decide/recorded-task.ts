/** The task that a request names by `context.task`, so that all that was asked for it can be found. */
import type { Properties } from '../model/question.js';

/** The longest task that is put on record, in characters. */
const MAX_TASK_LENGTH = 256;

/** A task is a text that an index can hold; what else `context.task` is, policies alone know. */
export function recordTask({ task }: Properties): { readonly task?: string } {
  return typeof task === 'string' && task !== '' && task.length <= MAX_TASK_LENGTH ? { task } : {};
}
