/** The task that a request names by `context.task`, so that all that was asked for it can be found. */
import { isPlainName } from '../model/ids.js';
import type { Properties } from '../model/question.js';

/** A task that is put on record is a name; what else `context.task` is, policies alone know. */
export function recordTask({ task }: Properties): { readonly task?: string } {
  return typeof task === 'string' && isPlainName(task) ? { task } : {};
}
