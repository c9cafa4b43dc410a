/** Tells others what becomes of a task, in the transaction that changes it. */
import type { RowRecord } from './change-records.js';
import type { SqlStatement } from './database/port.js';
import { partySql, tellOf } from './outbox.js';

/** `expired`: it was not answered in time. `use_approval` tells of uses, in the transaction of the decision's record. */
export type TaskEvent = 'approval.requested' | 'approval.decided' | 'approval.expired';

/**
 * Has a statement that changes tasks tell of each that it changes. The stream shows it to the task's user, and to those who may
 * answer the task when it is shown (store/event-log.ts reads the task with it).
 * @param statement begins with no `with`, and returns the rows of the tasks that it has changed
 * @param recorded the record that each leaves, where it changes what is in force
 */
export function tellOfTasks(statement: SqlStatement, event: TaskEvent, at: Date, recorded?: RowRecord): SqlStatement {
  const told = {
    event,
    at,
    ids: {
      approval: 'r.id::text',
      user: presentParty('r.user_type', 'r.user_id'),
      agent: presentParty('r.agent_type', 'r.agent_id'),
    },
    user: { type: `nullif(r.user_type, '')`, id: `nullif(r.user_id, '')` },
    // A yes to one step of several decides nothing yet.
    when: event === 'approval.decided' ? `r.state <> 'pending'` : 'true',
  };
  return tellOf(statement, told, recorded);
}

function presentParty(type: string, id: string): string {
  return `case when ${type} <> '' then ${partySql(type, id)} end`;
}
