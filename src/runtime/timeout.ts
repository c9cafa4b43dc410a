/**
 * Waiting for a promise with a limit of time. Everything that gives up waiting (deadlines, shutdown, closing an engine,
 * sending traces) does it here.
 */

export interface TimeoutOptions {
  /** Ends the wait early, as if the time were up. */
  readonly signal?: AbortSignal | undefined;
  /** Whether the process may end while the time still runs. */
  readonly unref?: boolean | undefined;
}

/** A limit of time that any number of promises can be held to. */
export class Timeout<L> {
  private readonly late: Promise<L>;
  private readonly timer: NodeJS.Timeout;
  private readonly stopListening: () => void;

  /**
   * @param ms from now
   * @param onTimeout makes the result once the time is up; the waits reject with what it throws
   */
  constructor(ms: number, onTimeout: () => L, { signal, unref = false }: TimeoutOptions = {}) {
    let expire: () => void = () => undefined;
    this.late = new Promise<L>((resolve, reject) => {
      expire = () => {
        try {
          resolve(onTimeout());
        } catch (error) {
          reject(error instanceof Error ? error : new TypeError('onTimeout threw no error', { cause: error }));
        }
      };
    });
    // Without a wait under way an expired timeout is no error.
    this.late.catch(() => undefined);
    this.timer = setTimeout(expire, ms);
    if (unref) this.timer.unref();
    signal?.addEventListener('abort', expire, { once: true });
    if (signal?.aborted === true) expire();
    this.stopListening = () => signal?.removeEventListener('abort', expire);
  }

  /** Waits for `work`, but no longer than the time lasts. The work itself is not ended. */
  race<T>(work: Promise<T>): Promise<T | L> {
    return Promise.race([work, this.late]);
  }

  /** Stops the timer; waits that are under way are no longer limited. */
  clear(): void {
    clearTimeout(this.timer);
    this.stopListening();
  }
}

/**
 * Waits for `work` for at most `ms` milliseconds. The work itself is not ended.
 * @param onTimeout makes the result instead, or throws
 */
export async function withTimeout<T, L>(
  work: Promise<T>,
  ms: number,
  onTimeout: () => L,
  options: TimeoutOptions = {},
): Promise<T | L> {
  const timeout = new Timeout(ms, onTimeout, options);
  try {
    return await timeout.race(work);
  } finally {
    timeout.clear();
  }
}
