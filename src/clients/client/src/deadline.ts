/** One deadline for a call with all that belongs to it: discovery, the credential, retries and their pauses. */
import { RemitUnavailable } from './errors.js';

export interface CallOptions {
  /** Gives the call up. */
  readonly signal?: AbortSignal;
  /** Milliseconds for all of the call; absent: the client's. */
  readonly timeoutMs?: number;
}

export class CallDeadline {
  readonly signal: AbortSignal;
  private readonly ends: number;
  private readonly given: AbortSignal | undefined;
  private readonly timer: NodeJS.Timeout;

  constructor({ signal, timeoutMs = 0 }: CallOptions) {
    const timeout = new AbortController();
    this.ends = performance.now() + timeoutMs;
    this.timer = setTimeout(() => {
      timeout.abort();
    }, timeoutMs);
    this.given = signal;
    this.signal = signal === undefined ? timeout.signal : AbortSignal.any([timeout.signal, signal]);
  }

  get remainingMs(): number {
    return Math.max(0, this.ends - performance.now());
  }

  /** Must be called, so that no timer is left over. */
  end(): void {
    clearTimeout(this.timer);
  }

  /** The error of a call that was ended by this. */
  toError(): RemitUnavailable {
    return new RemitUnavailable(this.given?.aborted === true ? 'aborted' : 'timeout');
  }

  /** Waits for what others may wait for as well, no longer than this. */
  async race<T>(work: Promise<T>): Promise<T> {
    if (this.signal.aborted) throw this.toError();
    let stop = (): void => undefined;
    const ended = new Promise<never>((_resolve, reject) => {
      stop = (): void => {
        reject(this.toError());
      };
      this.signal.addEventListener('abort', stop, { once: true });
    });
    try {
      return await Promise.race([work, ended]);
    } finally {
      this.signal.removeEventListener('abort', stop);
    }
  }

  async pause(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    try {
      await this.race(
        new Promise<void>((resolve) => {
          timer = setTimeout(resolve, ms);
        }),
      );
    } finally {
      clearTimeout(timer);
    }
  }
}
