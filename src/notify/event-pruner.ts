/** Deletes in the background what is no longer kept: events that people are told of or policies ask about, and values of records. */
import { repeat } from '../runtime/repeat.js';
import type { EventLog } from '../store/event-log.js';
import type { Log } from '../telemetry/log.js';
import { reportFailing } from '../telemetry/report-failing.js';

const PRUNE_MS = 60_000;

/** @returns what stops it, once a turn under way is done */
export function startPruning(
  stores: readonly Pick<EventLog, 'prune'>[],
  now: () => Date,
  log: Log,
): () => Promise<void> {
  const prune = async (): Promise<void> => {
    for (const store of stores) while (await store.prune(now()));
  };
  return repeat(prune, {
    pauseMs: PRUNE_MS,
    onFailing: reportFailing(log, 'Old events and values can not be deleted', 'events_unpruned'),
  }).stop;
}
