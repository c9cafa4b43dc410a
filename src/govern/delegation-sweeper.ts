/**
 * Sweeps up in the background after what is kept in the database and in the graph (delegations, elevations): what a process
 * left over that died in between, what the graph couldn't take, and what has ended by itself.
 */
import { Fault, BadRequest } from '../model/faults.js';
import type { Log } from '../telemetry/log.js';

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
  let failing = false;
  let sweep: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  const next = (): void => {
    sweep = keeper
      .sweep()
      .then(() => {
        failing = false;
      })
      .catch((error: unknown) => {
        if (!(error instanceof Fault || error instanceof BadRequest)) throw error;
        if (!failing)
          log(`${about} can not be brought to the graph: ${error.message}. It is tried again.`, {
            event: `${about.toLowerCase()}_unsettled`,
          });
        failing = true;
      })
      .finally(() => {
        if (!isStopped) timer = setTimeout(next, exclusive ? EXCLUSIVE_INTERVAL_MS : SHARED_INTERVAL_MS).unref();
      });
  };
  next();
  return () => {
    isStopped = true;
    clearTimeout(timer);
    return sweep;
  };
}
