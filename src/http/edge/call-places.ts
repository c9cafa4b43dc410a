/**
 * The few places for calls that mustn't slow decisions: each caller has a fair share of them, and each call the time of a
 * decision.
 */
import type { FastifyRequest } from 'fastify';
import { Deadline } from '../../runtime/deadline.js';
import { FairLimit } from '../../runtime/fair-limit.js';

export class CallPlaces {
  private readonly places: FairLimit;

  /** @param count the calls at one time */
  constructor(
    count: number,
    private readonly deadlineMs: number,
  ) {
    this.places = new FairLimit(count);
  }

  /**
   * Asks the database in one of the places.
   * @param rests whether the place stays taken for as long again: the longer calls take beside decisions, the fewer are made
   * @throws Fault
   */
  async run<T>(
    { callerGroups = [] }: Pick<FastifyRequest, 'callerGroups'>,
    ask: () => Promise<T>,
    { rests = false } = {},
  ): Promise<T> {
    await this.places.waitForRoom(callerGroups, 1, this.deadlineMs);
    // The place is held until the database is done, even where the answer isn't waited for any longer.
    const startedAt = performance.now();
    const release = (): void => {
      this.places.release(callerGroups, 1);
    };
    const answer = ask().finally(() => {
      if (rests) setTimeout(release, performance.now() - startedAt).unref();
      else release();
    });
    return Deadline.run(this.deadlineMs, (deadline) => deadline.race(answer));
  }
}
