/** Runs a task again and again: often while its result is needed, seldom otherwise. The revision monitor polls by it. */

/** Pauses between two runs. */
const BUSY_INTERVAL_MS = 100;
const IDLE_INTERVAL_MS = 1_000;

export class Poller {
  private requested = false;
  /** Undefined while the task runs, and once the poller is stopped. */
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  /** @param task is not called again before it is done; must not throw */
  constructor(private readonly task: () => Promise<void>) {
    void this.poll();
  }

  /** Has the next run soon: its result is needed. */
  requestPoll(): void {
    const isIdle = !this.requested && this.timer !== undefined;
    this.requested = true;
    if (!isIdle) return;
    clearTimeout(this.timer);
    this.scheduleNext();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private async poll(): Promise<void> {
    this.timer = undefined;
    this.requested = false;
    await this.task();
    this.scheduleNext();
  }

  private scheduleNext(): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => void this.poll(), this.requested ? BUSY_INTERVAL_MS : IDLE_INTERVAL_MS);
    this.timer.unref();
  }
}
