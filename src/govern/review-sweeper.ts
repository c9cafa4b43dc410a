/** Tells of reviews that are overdue, and counts those that are open. */
import { repeat, type RepeatedWork } from '../runtime/repeat.js';
import type { ReviewStore } from '../store/reviews.js';
import type { Log } from '../telemetry/log.js';
import { reportFailing } from '../telemetry/report-failing.js';

const REVIEW_SWEEP_MS = 15_000;

export class ReviewSweeper {
  /** The numbers as of the last sweep. */
  counts: { readonly open: number; readonly overdue: number } = { open: 0, overdue: 0 };

  constructor(
    private readonly reviews: Pick<ReviewStore, 'tellOverdue' | 'count'>,
    private readonly now: () => Date,
  ) {}

  /** @throws Fault */
  async sweep(): Promise<void> {
    while (await this.reviews.tellOverdue(this.now()));
    this.counts = await this.reviews.count(this.now());
  }

  /** Begins with a sweep. */
  start(log: Log): RepeatedWork {
    return repeat(() => this.sweep(), {
      pauseMs: REVIEW_SWEEP_MS,
      onFailing: reportFailing(log, 'It can not be told which reviews are overdue', 'reviews_untold'),
    });
  }
}
