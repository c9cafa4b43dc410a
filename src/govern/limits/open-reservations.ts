/** Counts the decisions that hold something of a limit of which it isn't known yet whether it was used, for the metrics. */
import { repeat, type RepeatedWork } from '../../runtime/repeat.js';
import type { LimitStore } from '../../store/limits.js';
import type { Log } from '../../telemetry/log.js';
import { reportFailing } from '../../telemetry/report-failing.js';

const COUNT_INTERVAL_MS = 15_000;

export class OpenReservations {
  /** The number as of the last count. */
  open = 0;

  constructor(
    private readonly limits: Pick<LimitStore, 'countOpen'>,
    private readonly settleAfterMs: number,
    private readonly now: () => Date,
  ) {}

  /** @throws Fault */
  async count(): Promise<void> {
    this.open = await this.limits.countOpen(this.now().getTime() - this.settleAfterMs);
  }

  /** Begins with a count. */
  start(log: Log): RepeatedWork {
    return repeat(() => this.count(), {
      pauseMs: COUNT_INTERVAL_MS,
      onFailing: reportFailing(log, 'It can not be told how much of limits is reserved', 'reservations_uncounted'),
    });
  }
}
