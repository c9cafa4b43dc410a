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

/** The classes that were found, and the marks by which others that have come since are told. */
export interface AskedClasses {
  readonly classes: readonly AskedClass[];
  readonly marks: readonly string[];
}

/** The most that are held against one that is asked for: those that wait, and those that were denied last. */
const MAX_ASKED_CLASSES = 200;

const MARK = `t.id || ' ' || t.state`;
const selectClasses = (columns: string, pair: string, deniedSince: string): string =>
  `select ${columns} from approval_tasks t
   where (t.user_type, t.user_id, t.agent_type, t.agent_id) = (${pair}) and t.task ? 'details'
     and (t.state = 'pending' or (t.state = 'denied' and t.decided > ${deniedSince}::timestamptz))
   order by t.state = 'pending' desc, t.decided desc, t.id limit ${MAX_ASKED_CLASSES}`;

/** Finds the classes of a pair that wait, by whichever client, and those that were denied since. @throws Fault */
export async function findAskedClasses(
  database: Pick<Database, 'run'>,
  { user, agent }: Pick<ApprovalRequester, 'user' | 'agent'>,
  deniedSince: Date,
): Promise<AskedClasses> {
  const [rows = []] = await database.run([
    {
      sql: selectClasses(`${MARK} as mark, t.state, t.task`, '$1, $2, $3, $4', '$5'),
      params: [user?.type ?? '', user?.id ?? '', agent?.type ?? '', agent?.id ?? '', deniedSince.toISOString()],
    },
  ]);
  return {
    marks: rows.map(({ mark }) => String(mark)),
    classes: rows.map(({ state, task }) => ({
      isDenied: state === 'denied',
      details: (task as AskedTask).details ?? [],
    })),
  };
}

/** Whether a class of the pair of the row `a` waits, or was denied since `$2`, that it doesn't know. */
export const HAS_UNKNOWN_CLASS = `(a.known is not null and exists (select from (
  ${selectClasses(`${MARK} as mark`, 'a.user_type, a.user_id, a.agent_type, a.agent_id', '$2')}) s where not a.known ? s.mark))`;
