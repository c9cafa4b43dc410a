/** Logging the outages of a database: one line when it stops answering and one when it answers again. */
import type { Log } from '../../telemetry/log.js';

/** The least time between two lines, so that a database that comes and goes doesn't fill the log. */
const LOG_INTERVAL_MS = 10_000;

export class OutageLog {
  private isOut = false;
  private quietUntil = 0;

  /** @param place the database's address, for the line */
  constructor(
    private readonly place: string,
    private readonly log: Log,
  ) {}

  /** Logs a change. @param trouble the reason of an outage; undefined where the database has answered */
  report(trouble: string | undefined): void {
    const isOut = trouble !== undefined;
    const now = performance.now();
    if (this.isOut === isOut || (isOut && now < this.quietUntil)) return;
    this.isOut = isOut;
    this.quietUntil = now + LOG_INTERVAL_MS;
    this.log(`${this.place}: ${isOut ? `can't answer: ${trouble}` : 'answers again'}`, {
      event: isOut ? 'engine_away' : 'engine_back',
      engine: 'database',
      place: this.place,
    });
  }
}
