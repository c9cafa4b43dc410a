/**
 * What a SpiceDB server has answered at its newest revision, kept for as long as that is known to be the newest. Others
 * write to a server, so it is asked for its newest revision again and again; where that is the one that an answer was
 * given at, nothing has been written since.
 */
import type { Graph } from '../schema/schema.js';
import { CountedCache, type Caches } from '../../telemetry/counted-cache.js';
import { EXPIRY_MARGIN_MS, keyOf } from '../embedded/cache.js';
import type { CheckAnswer } from '../../model/checks.js';
import type { AskedCheck } from '../../model/checks.js';
import { tellsOfWrites } from './zedtoken.js';

/** How long after a write was acknowledged an answer from before it may still be given, by another replica. */
export const BOUND_MS = 500;
/** Without a look for so long, a store may have been put back to what it was, and give revisions anew. */
const LAPSE_MS = 5_000;
const KEPT_ANSWERS = 50_000;

/** An instant by both clocks: one stops while the machine sleeps, the other one is set. */
export interface Instant {
  readonly monotonic: number;
  readonly wall: number;
}

export function instant(): Instant {
  // eslint-disable-next-line no-restricted-syntax -- how long ago something was, whatever clock decisions are given
  return { monotonic: performance.now(), wall: Date.now() };
}

export class Newest {
  private readonly answers = new CountedCache<string, CheckAnswer>({ max: KEPT_ANSWERS });
  readonly caches: Caches = { relationship_checks: this.answers };
  private revision: string | undefined;
  /** All that was acknowledged before then is in that revision. */
  private since: Instant | undefined;
  /** When the last write of this process ended. */
  private written = -Infinity;

  constructor(private readonly graph: Graph) {}

  /** SpiceDB's newest revision, as a ZedToken, in which all is that was acknowledged before `since`. */
  seen(revision: string, since: Instant): void {
    // What this process has written is in no revision that may be from before it.
    if (since.monotonic < this.written || !tellsOfWrites(revision)) return;
    if (revision !== this.revision || this.age() > LAPSE_MS) this.answers.clear();
    this.revision = revision;
    this.since = since;
  }

  /** To be called after every write of this process, however it ended. */
  forget(): void {
    this.written = performance.now();
    this.revision = undefined;
    this.since = undefined;
    this.answers.clear();
  }

  answer(check: AskedCheck): CheckAnswer | undefined {
    const key = this.age() <= BOUND_MS ? keyOf(check, this.graph) : undefined;
    const answer = key === undefined ? undefined : this.answers.get(key);
    const ends = answer?.result === 'yes' ? answer.until : undefined;
    // eslint-disable-next-line no-restricted-syntax -- SpiceDB reads the host's clock, whatever clock decisions are given
    return ends !== undefined && Date.parse(ends) - EXPIRY_MARGIN_MS <= Date.now() ? undefined : answer;
  }

  keep(check: AskedCheck, answer: CheckAnswer): void {
    const { type } = check.resource;
    const key = keyOf(check, this.graph);
    if (key === undefined || (answer.result !== 'yes' && answer.result !== 'no')) return;
    if (answer.revision !== this.revision) return;
    // A yes says when it ends; nobody knows of a no that an expiration ends (`a - banned`).
    if (answer.result === 'no' && this.graph.reach.reachesExpiration(type, check.permission)) return;
    // What grants it couldn't be told in time, and may be the next time.
    if (answer.result === 'yes' && check.explain === true && (answer.path ?? []).length === 0) return;
    this.answers.set(key, answer);
  }

  /** How long ago it was still known to be the newest, in milliseconds. */
  private age(): number {
    if (this.since === undefined) return Infinity;
    const { monotonic, wall } = instant();
    return Math.max(monotonic - this.since.monotonic, wall - this.since.wall);
  }
}
