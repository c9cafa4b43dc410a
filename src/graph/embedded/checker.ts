/** Checks with the embedded SpiceDB: from the cache where it has them, and else in bulks, one at a time. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CheckAnswer, CheckRequest, ReadConsistency } from '../../model/checks.js';
import { readHostClock } from '../../runtime/clock.js';
import type { EngineWorker } from '../../runtime/worker-thread.js';
import { checkThroughCache } from '../cached-checks.js';
import { CheckQueue } from '../check-queue.js';
import { EXPIRED_REVISION_ANSWER, OUTAGE_ANSWER, type AnswerWithoutRevision } from '../errors.js';
import { isExactly, type QueueCounts } from '../port.js';
import type { GraphSchema } from '../schema/schema.js';
import type { EmbeddedCache } from './exact-cache.js';
import type { EmbeddedRevision, EmbeddedRevisions } from './revisions.js';

/** Checks that go to SpiceDB in one call; those that come meanwhile form the next call. */
const EMBEDDED_BULK_SIZE = 150;
/** The most times that checks are asked while relationships expire one after the other. */
const MAX_EXPIRY_ATTEMPTS = 5;
/** Longer than the clocks differ. */
const EXPIRY_PAUSE_MS = 20;

export class EmbeddedChecker {
  private readonly queue: CheckQueue;

  constructor(
    private readonly worker: EngineWorker,
    private readonly schema: GraphSchema,
    private readonly revisions: EmbeddedRevisions,
    private readonly cache: EmbeddedCache,
  ) {
    this.queue = new CheckQueue(
      {
        checkBulk: (checks, consistency) => this.checkBulk(checks, consistency),
        generation: () => this.cache.now,
      },
      { bulkSize: EMBEDDED_BULK_SIZE, concurrentBulks: 1 },
    );
  }

  /**
   * Every check is of the newest revision, which is at least as fresh as any token of this store, unless an older one is
   * asked for.
   */
  async check(checks: readonly CheckRequest[], consistency: ReadConsistency): Promise<readonly CheckAnswer[]> {
    const revision = this.revisions.find(consistency);
    // Cached answers stay true without the engine, but no permission could be taken back while it is gone.
    if (!this.worker.alive) return checks.map(() => OUTAGE_ANSWER);
    if (revision === undefined) return checks.map(() => EXPIRED_REVISION_ANSWER);
    const answers = await this.checkBetweenExpirations(revision, checks);
    // SpiceDB gives up a revision a day after it was written, unless it is the newest: then a write takes it away.
    const mayBeStale = revision !== this.revisions.head && !isExactly(consistency);
    return mayBeStale && answers.some(({ result }) => result === 'unknown')
      ? this.checkBetweenExpirations(this.revisions.head, checks)
      : answers;
  }

  /**
   * SpiceDB reads the clock for each check by itself, so where a relationship expires meanwhile one answer may be from
   * before and another from after it. Then all of them are asked again, and none is taken from the cache.
   */
  private async checkBetweenExpirations(
    revision: EmbeddedRevision,
    checks: readonly CheckRequest[],
  ): Promise<readonly CheckAnswer[]> {
    const canExpire = checks.some(({ resource, permission }) =>
      this.schema.reachability.reachesExpiration(resource.type, permission),
    );
    for (let attempt = 1; attempt <= MAX_EXPIRY_ATTEMPTS; attempt += 1) {
      const begunAt = readHostClock();
      const answers = await this.checkAt(revision, checks, attempt === 1);
      if (!canExpire || !this.cache.hasExpiredSince(begunAt)) return answers;
      await sleep(EXPIRY_PAUSE_MS);
    }
    return checks.map(() => OUTAGE_ANSWER);
  }

  private checkAt(
    revision: EmbeddedRevision,
    checks: readonly CheckRequest[],
    useCache: boolean,
  ): Promise<readonly CheckAnswer[]> {
    const getCached = (check: CheckRequest): CheckAnswer | undefined => {
      const key = useCache && revision === this.revisions.head ? this.cache.cacheKey(check) : undefined;
      const answer = key === undefined ? undefined : this.cache.getAnswer(check, key);
      // It was given at an earlier revision, and nothing that it depends on has changed since.
      return answer !== undefined && 'revision' in answer ? { ...answer, revision: revision.token } : answer;
    };
    return checkThroughCache(checks, getCached, (uncached) => this.queue.check(uncached, { exactly: revision.token }));
  }

  private async checkBulk(
    checks: readonly CheckRequest[],
    consistency: ReadConsistency,
  ): Promise<readonly CheckAnswer[]> {
    const revision = this.revisions.find(consistency);
    if (revision === undefined) return checks.map(() => EXPIRED_REVISION_ANSWER);
    const isHead = revision === this.revisions.head;
    const askedAt = this.cache.now;
    // What ends an answer is looked up before it is asked for: meanwhile that may have passed, and be forgotten.
    const ends = checks.map((check) => this.cache.validUntil(check, isHead));
    const answers = await this.worker
      .call<AnswerWithoutRevision[]>('check', { checks, revision: revision.snapshot })
      .catch((): AnswerWithoutRevision[] => []);
    return checks.map((check, i) => {
      const until = answers[i]?.result === 'yes' ? ends[i] : undefined;
      const answer = {
        revision: revision.token,
        ...(answers[i] ?? OUTAGE_ANSWER),
        ...(until === undefined ? {} : { until }),
      } as CheckAnswer;
      const key = isHead ? this.cache.cacheKey(check) : undefined;
      if (key !== undefined) this.cache.setAnswer(check, key, answer, askedAt);
      return answer;
    });
  }

  queueCounts(): QueueCounts {
    return this.queue.counts();
  }
}
