/** Counts the tasks of approvals that wait for people, for the metrics. */
import { repeat, type RepeatedWork } from '../../runtime/repeat.js';
import type { ApprovalStore } from '../../store/approvals.js';
import type { Log } from '../../telemetry/log.js';
import { reportFailing } from '../../telemetry/report-failing.js';

const APPROVAL_COUNT_MS = 15_000;

export class WaitingApprovals {
  /** The number as of the last count. */
  waiting = 0;

  constructor(
    private readonly approvals: Pick<ApprovalStore, 'countWaiting'>,
    private readonly now: () => Date,
  ) {}

  /** @throws Fault */
  async count(): Promise<void> {
    this.waiting = await this.approvals.countWaiting(this.now());
  }

  /** Begins with a count. */
  start(log: Log): RepeatedWork {
    return repeat(() => this.count(), {
      pauseMs: APPROVAL_COUNT_MS,
      onFailing: reportFailing(log, 'It can not be told how many approvals wait', 'approvals_uncounted'),
    });
  }
}
