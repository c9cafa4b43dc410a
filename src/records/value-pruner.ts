/** Deletes the values of records that are no longer kept, in the background. */
import { repeat } from '../runtime/repeat.js';
import type { RecordValues } from '../store/record-values.js';
import type { Log } from '../telemetry/log.js';
import { reportFailing } from '../telemetry/report-failing.js';

const PRUNE_VALUES_MS = 60_000;

/** @returns what stops it, once a turn under way is done */
export function startPruningValues(
  values: Pick<RecordValues, 'prune'>,
  now: () => Date,
  log: Log,
): () => Promise<void> {
  const prune = async (): Promise<void> => {
    while (await values.prune(now()));
  };
  return repeat(prune, {
    pauseMs: PRUNE_VALUES_MS,
    onFailing: reportFailing(log, 'Values of old records can not be deleted', 'values_unpruned'),
  }).stop;
}
