/** One deadline for a call with all that belongs to it: discovery, the credential, retries and their pauses. */
import { setTimeout as pause } from 'node:timers/promises';
import { RemitUnavailable } from './errors.js';

export interface CallOptions {
  /** Gives the call up. */
  readonly signal?: AbortSignal;
  /** Milliseconds for all of the call; absent: the client's. */
  readonly timeoutMs?: number;
}

export class CallDeadline {
  readonly signal: AbortSignal;
  private ends = 0;
  private timer: NodeJS.Timeout | undefined;
  private isHeld = false;
  private readonly timeout = new AbortController();

  /** @param given a signal that ends it earlier */
  constructor(
    private readonly timeoutMs: number,
    private readonly given?: AbortSignal,
  ) {
    const { signal } = this.timeout;
    this.signal = given === undefined ? signal : AbortSignal.any([signal, given]);
    this.restart();
  }

  /** Begins anew, where it is held to what is awaited next and not to the whole. */
  restart(): void {
    if (this.isHeld) return;
    clearTimeout(this.timer);
    this.ends = performance.now() + this.timeoutMs;
    this.timer = setTimeout(() => {
      this.timeout.abort();
    }, this.timeoutMs);
  }

  /** Stands still while others work, however long it takes. */
  hold(): void {
    this.isHeld = true;
    clearTimeout(this.timer);
  }

  release(): void {
    this.isHeld = false;
    this.restart();
  }

  get remainingMs(): number {
    return Math.max(0, this.ends - performance.now());
  }

  /** Must be called, so that no timer is left over. */
  end(): void {
    this.hold();
  }

  /** The error of a call that was ended by this. */
  toError(): RemitUnavailable {
    return new RemitUnavailable(this.given?.aborted === true ? 'aborted' : 'timeout');
  }

  /** Waits for what others may wait for as well, no longer than this. */
  async race<T>(work: Promise<T>): Promise<T> {
    // It may fail after this call was given up, and an error that is awaited nowhere ends the process.
    work.catch(() => undefined);
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
    await pause(ms, undefined, { signal: this.signal }).catch(() => {
      throw this.toError();
    });
  }
}
