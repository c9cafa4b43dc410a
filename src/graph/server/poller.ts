/** Something that is looked at again and again: often while somebody needs it, now and then while nobody does. */

/** Between two looks, in milliseconds. */
const BUSY_INTERVAL_MS = 100;
const IDLE_INTERVAL_MS = 1_000;

export class Poller {
  private requested = false;
  /** Undefined while it looks, and once it has ended. */
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  /** @param task is not called again before it is done. Never throws */
  constructor(private readonly task: () => Promise<void>) {
    void this.poll();
  }

  /** Somebody needs it: the next look is soon. */
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
