/** A number that is counted again and again, for the metrics: to count it for each reading would let strangers load the database. */
import { repeat, type RepeatedWork } from '../runtime/repeat.js';
import type { Log } from './log.js';
import { reportFailing } from './report-failing.js';

const COUNT_INTERVAL_MS = 15_000;

export class RepeatedCount {
  /** The number as of the last count. */
  latest = 0;

  /** @param failing the text and the event of the log where it can't be counted */
  constructor(
    private readonly read: () => Promise<number>,
    private readonly failing: readonly [text: string, event: string],
  ) {}

  /** @throws Fault */
  async count(): Promise<void> {
    this.latest = await this.read();
  }

  /** Begins with a count. */
  start(log: Log): RepeatedWork {
    return repeat(() => this.count(), {
      pauseMs: COUNT_INTERVAL_MS,
      onFailing: reportFailing(log, ...this.failing),
    });
  }
}
