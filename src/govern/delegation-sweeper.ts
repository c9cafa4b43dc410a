/**
 * Sweeps up in the background after what is kept in the database and in the graph (delegations, elevations): what a process
 * left over that died in between, what the graph couldn't take, and what has ended by itself.
 */
import { repeat } from '../runtime/repeat.js';
import type { Log } from '../telemetry/log.js';
import { reportFailing } from '../telemetry/report-failing.js';

/** A replica may have died: others look for what it left. */
const SHARED_INTERVAL_MS = 5_000;
/** The one process on its database only looks for its own failures, and for what ends. */
const EXCLUSIVE_INTERVAL_MS = 15_000;

/** Begins with a sweep. @returns what stops it, once a sweep under way is done */
export function startSweeping(
  keeper: { readonly sweep: () => Promise<void> },
  {
    exclusive,
    log,
    about,
  }: { readonly exclusive: boolean; readonly log: Log; readonly about: 'Delegations' | 'Elevations' },
): () => Promise<void> {
  return repeat(() => keeper.sweep(), {
    pauseMs: exclusive ? EXCLUSIVE_INTERVAL_MS : SHARED_INTERVAL_MS,
    onFailing: reportFailing(log, `${about} can not be brought to the graph`, `${about.toLowerCase()}_unsettled`),
  }).stop;
}
