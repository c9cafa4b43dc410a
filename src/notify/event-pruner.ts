/** Deletes old events in the background. */
import { repeat } from '../runtime/repeat.js';
import type { EventLog } from '../store/event-log.js';
import type { Log } from '../telemetry/log.js';
import { reportFailing } from '../telemetry/report-failing.js';

const PRUNE_MS = 60_000;

/** @returns what stops it, once a turn under way is done */
export function startPruning(events: Pick<EventLog, 'prune'>, now: () => Date, log: Log): () => Promise<void> {
  const prune = async (): Promise<void> => {
    while (await events.prune(now()));
  };
  return repeat(prune, {
    pauseMs: PRUNE_MS,
    onFailing: reportFailing(log, 'Old events can not be deleted', 'events_unpruned'),
  }).stop;
}
