/**
 * What a SpiceDB server has answered at its newest revision, kept for as long as that is known to be the newest. Others
 * write to a server, so it is asked for its newest revision again and again; where that is the one that an answer was
 * given at, nothing has been written since.
 */
import type { GraphSchema } from '../schema/schema.js';
import { CountedCache, type CacheCountsByName } from '../../telemetry/counted-cache.js';
import { EXPIRY_MARGIN_MS, cacheKey } from '../embedded/cache.js';
import type { CheckAnswer } from '../../model/checks.js';
import type { CheckRequest } from '../../model/checks.js';
import { identifiesWrites } from './zedtoken.js';

/** How long after a write was acknowledged an answer from before it may still be given, by another replica. */
export const STALENESS_BOUND_MS = 500;
/** Without a look for so long, a store may have been put back to what it was, and give revisions anew. */
const MAX_GAP_MS = 5_000;
const MAX_REVISION_ANSWERS = 50_000;

/** An instant by both clocks: one stops while the machine sleeps, the other one is set. */
export interface ClockReading {
  readonly monotonic: number;
  readonly wall: number;
}

export function readClocks(): ClockReading {
  // eslint-disable-next-line no-restricted-syntax -- how long ago something was, whatever clock decisions are given
  return { monotonic: performance.now(), wall: Date.now() };
}

export class RevisionCache {
  private readonly answers = new CountedCache<string, CheckAnswer>({ max: MAX_REVISION_ANSWERS });
  readonly caches: CacheCountsByName = { relationship_checks: this.answers };
  private revision: string | undefined;
  /** All that was acknowledged before then is in that revision. */
  private confirmedAt: ClockReading | undefined;
  /** When the last write of this process ended. */
  private lastWriteAt = -Infinity;

  constructor(private readonly schema: GraphSchema) {}

  /** SpiceDB's newest revision, as a ZedToken, in which all is that was acknowledged before `since`. */
  confirmRevision(revision: string, since: ClockReading): void {
    // What this process has written is in no revision that may be from before it.
    if (since.monotonic < this.lastWriteAt || !identifiesWrites(revision)) return;
    if (revision !== this.revision || this.age() > MAX_GAP_MS) this.answers.clear();
    this.revision = revision;
    this.confirmedAt = since;
  }

  /** To be called after every write of this process, however it ended. */
  clear(): void {
    this.lastWriteAt = performance.now();
    this.revision = undefined;
    this.confirmedAt = undefined;
    this.answers.clear();
  }

  getAnswer(check: CheckRequest): CheckAnswer | undefined {
    const key = this.age() <= STALENESS_BOUND_MS ? cacheKey(check, this.schema) : undefined;
    const answer = key === undefined ? undefined : this.answers.get(key);
    const until = answer?.result === 'yes' ? answer.until : undefined;
    // eslint-disable-next-line no-restricted-syntax -- SpiceDB reads the host's clock, whatever clock decisions are given
    return until !== undefined && Date.parse(until) - EXPIRY_MARGIN_MS <= Date.now() ? undefined : answer;
  }

  setAnswer(check: CheckRequest, answer: CheckAnswer): void {
    const { type } = check.resource;
    const key = cacheKey(check, this.schema);
    if (key === undefined || (answer.result !== 'yes' && answer.result !== 'no')) return;
    if (answer.revision !== this.revision) return;
    // A yes says when it ends; nobody knows of a no that an expiration ends (`a - banned`).
    if (answer.result === 'no' && this.schema.reachability.reachesExpiration(type, check.permission)) return;
    // What grants it couldn't be told in time, and may be the next time.
    if (answer.result === 'yes' && check.explain === true && (answer.path ?? []).length === 0) return;
    this.answers.set(key, answer);
  }

  /** How long ago it was still known to be the newest, in milliseconds. */
  private age(): number {
    if (this.confirmedAt === undefined) return Infinity;
    const { monotonic, wall } = readClocks();
    return Math.max(monotonic - this.confirmedAt.monotonic, wall - this.confirmedAt.wall);
  }
}
