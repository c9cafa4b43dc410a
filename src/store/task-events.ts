/** Tells others what becomes of a task, in the transaction that changes it. */
import type { SqlStatement } from './database/port.js';
import { partySql, tellOf } from './outbox.js';

/** `expired`: it was not answered in time. `use_approval` tells of uses, in the transaction of the decision's record. */
export type TaskEvent = 'approval.requested' | 'approval.decided' | 'approval.expired';

/**
 * Has a statement that changes tasks tell of each that it changes. The stream shows it to the task's user, and to the holders
 * of the permission that its first step asks for; those of further steps find it in their list.
 * @param statement begins with no `with`, and returns the rows of the tasks that it has changed
 */
export function tellOfTasks(statement: SqlStatement, event: TaskEvent, at: Date): SqlStatement {
  const permission = `coalesce(r.task->>'emergency', jsonb_path_query_first(r.task->'steps', '$[*].permission') #>> '{}')`;
  const resource = `r.task->'question'->'resource'`;
  return tellOf(statement, {
    event,
    at,
    ids: {
      approval: 'r.id::text',
      user: presentParty('r.user_type', 'r.user_id'),
      agent: presentParty('r.agent_type', 'r.agent_id'),
    },
    user: { type: `nullif(r.user_type, '')`, id: `nullif(r.user_id, '')` },
    holders: {
      permission,
      type: `case when ${permission} is not null then ${resource}->>'type' end`,
      id: `case when ${permission} is not null then ${resource}->>'id' end`,
    },
    // A yes to one step of several decides nothing yet.
    when: event === 'approval.decided' ? `r.state <> 'pending'` : 'true',
  });
}

function presentParty(type: string, id: string): string {
  return `case when ${type} <> '' then ${partySql(type, id)} end`;
}
