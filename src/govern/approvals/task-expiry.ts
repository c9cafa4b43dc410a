/** Ends tasks that were not answered in time, in the background: that is told, though no caller comes by. */
import { repeat } from '../../runtime/repeat.js';
import type { Database } from '../../store/database/port.js';
import { expireTasks } from '../../store/expire-tasks.js';
import type { Log } from '../../telemetry/log.js';
import { reportFailing } from '../../telemetry/report-failing.js';

const EXPIRY_SWEEP_MS = 5_000;

/** Begins with a sweep. @returns what stops it, once a sweep under way is done */
export function startExpiringTasks(
  { database, now }: { readonly database: Database; readonly now: () => Date },
  log: Log,
): () => Promise<void> {
  const sweep = async (): Promise<void> => {
    while (await expireTasks(database, now()));
  };
  return repeat(sweep, {
    pauseMs: EXPIRY_SWEEP_MS,
    onFailing: reportFailing(log, 'Tasks that nobody answered in time can not be ended', 'tasks_unexpired'),
  }).stop;
}
