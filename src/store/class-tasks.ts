/** The classes of questions that agents have asked for lately, so that another spelling of one is known for the same. */
import type { AuthorizationDetail } from '../model/acting.js';
import type { ApprovalRequester } from '../model/approvals.js';
import type { AskedTask } from './stored-task.js';
import type { Database } from './database/port.js';

/** A class that waits, or was denied. */
export interface AskedClass {
  readonly isDenied: boolean;
  /** The class as it was asked for, before any answer has narrowed it. */
  readonly details: readonly AuthorizationDetail[];
}

/** The most that are held against one that is asked for: those that wait, and those that were denied last. */
const MAX_ASKED_CLASSES = 200;

/** Finds the classes of a pair that wait, by whichever client, and those that were denied since. @throws Fault */
export async function findAskedClasses(
  database: Pick<Database, 'run'>,
  { user, agent }: Pick<ApprovalRequester, 'user' | 'agent'>,
  deniedSince: Date,
): Promise<readonly AskedClass[]> {
  const [rows = []] = await database.run([
    {
      sql: `select t.state, t.task from approval_tasks t
            where t.user_type = $1 and t.user_id = $2 and t.agent_type = $3 and t.agent_id = $4 and t.task ? 'details'
              and (t.state = 'pending' or (t.state = 'denied' and t.decided > $5::timestamptz))
            order by t.state = 'pending' desc, t.decided desc limit ${MAX_ASKED_CLASSES}`,
      params: [user?.type ?? '', user?.id ?? '', agent?.type ?? '', agent?.id ?? '', deniedSince.toISOString()],
    },
  ]);
  return rows.map(({ state, task }) => ({
    isDenied: state === 'denied',
    details: (task as AskedTask).details ?? [],
  }));
}
