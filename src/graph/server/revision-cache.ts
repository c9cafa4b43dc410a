/**
 * The cache of a SpiceDB server's answers at its newest revision. Others write to the server, so a cached answer is used
 * only where SpiceDB names that revision as its newest: with each bulk of checks or, where the configuration says
 * `bounded`, whenever the revision monitor asks. Where an answer was given at that revision, nothing has been written since.
 */
import type { GraphSchema } from '../schema/schema.js';
import { CountedCache, type CacheCountsByName } from '../../telemetry/counted-cache.js';
import { estimateAnswerBytes } from '../cache-size.js';
import { cacheKey } from '../check-cache-key.js';
import { EXPIRY_MARGIN_MS } from '../check-cache-key.js';
import type { CheckAnswer, CheckRequest } from '../../model/checks.js';
import { readHostClock } from '../../runtime/clock.js';
import { identifiesWrites } from './zedtoken.js';

/** How long after a write was acknowledged another replica may still give an answer from before it. */
export const STALENESS_BOUND_MS = 500;
/** After so long without a confirmation the store may have been restored from a backup, and give revisions anew. */
const MAX_GAP_MS = 5_000;
const MAX_ANSWER_BYTES = 24 * 1024 * 1024;

/** An instant by both clocks: the monotonic one stops while the machine sleeps, the wall clock can be set. */
export interface ClockReading {
  readonly monotonic: number;
  readonly wall: number;
}

export function readClocks(): ClockReading {
  // eslint-disable-next-line no-restricted-syntax -- an age, whatever clock decisions are given
  return { monotonic: performance.now(), wall: Date.now() };
}

export class RevisionCache {
  private readonly answers = new CountedCache<string, CheckAnswer>({
    maxSize: MAX_ANSWER_BYTES,
    sizeCalculation: estimateAnswerBytes,
  });
  readonly caches: CacheCountsByName = { relationship_checks: this.answers };
  private revision: string | undefined;
  /** The revision has everything that was acknowledged before this instant. */
  private confirmedAt: ClockReading | undefined;
  /** When the last write of this process ended. */
  private lastWriteAt = -Infinity;

  constructor(private readonly schema: GraphSchema) {}

  /** @param revision SpiceDB's newest, as a ZedToken: it has everything that was acknowledged before `since` */
  confirmRevision(revision: string, since: ClockReading): void {
    // One that may be older than a write of this process, or than the one that is known, can't be confirmed.
    const notBefore = Math.max(this.lastWriteAt, this.confirmedAt?.monotonic ?? -Infinity);
    if (since.monotonic < notBefore || !identifiesWrites(revision)) return;
    if (revision !== this.revision || this.age() > MAX_GAP_MS) this.answers.clear();
    this.revision = revision;
    this.confirmedAt = since;
  }

  /** The revision of everything that is cached; undefined where nothing is. */
  get cachedRevision(): string | undefined {
    return this.revision;
  }

  /** Drops everything; to be called after every write of this process, however it ended. */
  clear(): void {
    this.lastWriteAt = performance.now();
    this.revision = undefined;
    this.confirmedAt = undefined;
    this.answers.clear();
  }

  /** The newest revision; undefined where it isn't known, or no longer. */
  newestRevision(): string | undefined {
    return this.age() <= STALENESS_BOUND_MS ? this.revision : undefined;
  }

  /** An answer that is cached of the revision. */
  getAnswer(check: CheckRequest, revision: string): CheckAnswer | undefined {
    const key = revision === this.revision ? cacheKey(check, this.schema) : undefined;
    const answer = key === undefined ? undefined : this.answers.get(key);
    const until = answer?.result === 'yes' ? answer.until : undefined;
    return until !== undefined && Date.parse(until) - EXPIRY_MARGIN_MS <= readHostClock() ? undefined : answer;
  }

  setAnswer(check: CheckRequest, answer: CheckAnswer): void {
    const { type } = check.resource;
    const key = cacheKey(check, this.schema);
    if (key === undefined || (answer.result !== 'yes' && answer.result !== 'no')) return;
    if (answer.revision !== this.revision) return;
    // A yes says when it ends; when an expiration ends a no isn't known (`a - banned`).
    if (answer.result === 'no' && this.schema.reachability.reachesExpiration(type, check.permission)) return;
    // Its path wasn't found in time; the next time it may be.
    if (answer.result === 'yes' && check.explain === true && (answer.path ?? []).length === 0) return;
    this.answers.set(key, answer);
  }

  /** How long ago the revision was confirmed to be the newest, in milliseconds. */
  private age(): number {
    if (this.confirmedAt === undefined) return Infinity;
    const { monotonic, wall } = readClocks();
    return Math.max(monotonic - this.confirmedAt.monotonic, wall - this.confirmedAt.wall);
  }
}
