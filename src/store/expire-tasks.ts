/** Ends the tasks that were not answered in time, and deletes those that are kept no longer. */
import type { Database, SqlStatement } from './database/port.js';
import { tellOfTasks } from './task-events.js';

/** Tasks that are past their time and go with each request. */
const PRUNED_AT_ONCE = 100;
/** Tasks that expire at once. */
const EXPIRED_AT_ONCE = 100;

/** Ends tasks that were not answered in time. @returns whether there may be more @throws Fault */
export async function expireTasks(database: Database, now: Date): Promise<boolean> {
  const [rows = []] = await database.run([expireTasksStatement(now)]);
  return rows.length === EXPIRED_AT_ONCE;
}

export function expireTasksStatement(now: Date): SqlStatement {
  return tellOfTasks(
    {
      sql: `update approval_tasks t set state = 'expired', decided = expires where id in (select id from approval_tasks
              where state = 'pending' and expires <= $1::timestamptz order by id limit ${EXPIRED_AT_ONCE}
              for update skip locked) returning t.*`,
      params: [now.toISOString()],
    },
    'approval.expired',
    now,
  );
}

export function pruneTasksStatement(now: Date): SqlStatement {
  return {
    sql: `delete from approval_tasks where id in (select id from approval_tasks where kept_until <= $1::timestamptz
            and state <> 'pending' and grant_state in ('none', 'deleted') order by kept_until limit ${PRUNED_AT_ONCE}
            for update skip locked)`,
    params: [now.toISOString()],
  };
}
