/** Rules for trying calls to a SpiceDB server again. The connection tries within the time limit of the call. */
import { isAborted, isUnsent, readGrpcStatus } from '../errors.js';

export interface RetryPolicy {
  /** The pause before the next attempt, in milliseconds, before it is varied at random. */
  readonly pauseMs: (attempt: number) => number;
  /** @param attempt the number of the one that failed, from 1. @param elapsedMs since the first began */
  readonly canRetry: (error: unknown, attempt: number, elapsedMs: number) => boolean;
}

const MAX_READ_ATTEMPTS = 3;
const READ_PAUSE_MS = 40;
const MIN_WRITE_PAUSE_MS = 20;
const MAX_WRITE_PAUSE_MS = 500;
/** The time that a write waits for a server that is away: as long as a breaker takes to see that a busy one isn't. */
const UNSENT_PATIENCE_MS = 1_500;

/** A read may be made any number of times. */
export const READ_RETRIES: RetryPolicy = {
  pauseMs: (attempt) => attempt * READ_PAUSE_MS,
  canRetry: (error, attempt) => attempt < MAX_READ_ATTEMPTS && readGrpcStatus(error).code === 'UNAVAILABLE',
};

/**
 * A write is made again only where it is known that it wasn't made: its transaction was aborted, or it was never sent. So a
 * `create` that meets its relationship after a retry met another writer's. One whose answer was lost may have been made.
 */
export const WRITE_RETRIES: RetryPolicy = {
  pauseMs: (attempt) => Math.min(MAX_WRITE_PAUSE_MS, MIN_WRITE_PAUSE_MS * 2 ** (attempt - 1)),
  canRetry: (error, _attempt, elapsedMs) => isAborted(error) || (isUnsent(error) && elapsedMs < UNSENT_PATIENCE_MS),
};

/** The pause, varied so that calls that failed together don't meet again. */
export function jitterPause(ms: number): number {
  return ms * (0.5 + Math.random());
}
