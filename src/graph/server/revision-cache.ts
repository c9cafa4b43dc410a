/**
 * The cache of a SpiceDB server's answers. Others write to the server, so a cached answer is used only at a revision that
 * SpiceDB has named: with each bulk of checks or, where the configuration says `bounded`, whenever the revision monitor asks.
 * The history of revisions tells whether anything that the answer depends on has been written since it was given.
 */
import type { GraphSchema } from '../schema/schema.js';
import { CountedCache, type CacheCountsByName } from '../../telemetry/counted-cache.js';
import { estimateAnswerBytes } from '../cache-size.js';
import { cacheKey, EXPIRY_MARGIN_MS, saysMore, servesCheck, toServedAnswer } from '../check-cache-key.js';
import type { CheckAnswer, CheckRequest } from '../../model/checks.js';
import { readHostClock } from '../../runtime/clock.js';
import type { RelationshipUpdate } from '../../model/relationships.js';
import { parsePostgresSnapshot } from './postgres-snapshot.js';
import { RevisionHistory, type FindChanges } from './revision-history.js';
import { identifiesWrites } from './zedtoken.js';

/** The time after an acknowledged write in which another replica may still give an answer from before it. */
export const STALENESS_BOUND_MS = 500;
/**
 * After so long without a revision the store may be another one: restored from a backup, or a standby that lacks the last
 * transactions. Then revisions and transactions are numbered anew, and what was cached may count among them as seen.
 */
const MAX_GAP_MS = 300;
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

interface CacheEntry {
  readonly answer: Extract<CheckAnswer, { result: 'yes' | 'no' }>;
  /** The last event of the revision that it was given at. */
  readonly givenAt: number;
}

export class RevisionCache {
  readonly history: RevisionHistory;
  private readonly answers = new CountedCache<string, CacheEntry>({
    maxSize: MAX_ANSWER_BYTES,
    sizeCalculation: ({ answer }, key) => estimateAnswerBytes(answer, key),
  });
  readonly caches: CacheCountsByName = { relationship_checks: this.answers };
  /** When SpiceDB was last asked for a revision that was the newest, by the monotonic clock. */
  private lastAskedAt = -Infinity;
  /** When a revision last was the newest. */
  private acceptedAt: ClockReading | undefined;
  /** The newest revision has everything that was acknowledged before this instant. */
  private confirmedAt: ClockReading | undefined;
  /** When the last write of this process ended. */
  private lastWriteAt = -Infinity;

  /** @param isBounded whether cached answers are used without asking for the newest revision */
  constructor(
    private readonly schema: GraphSchema,
    private readonly isBounded: boolean,
    findChanges: FindChanges,
  ) {
    this.history = new RevisionHistory(schema, findChanges);
  }

  /**
   * Takes note of the revision of a bulk of checks.
   * @param revision SpiceDB's newest, as a ZedToken
   * @param askedAt when it was asked for
   */
  observeRevision(revision: string, askedAt: ClockReading): void {
    // It may be a little older than the one that was confirmed; only PostgreSQL's revisions tell.
    if (!this.isBounded || parsePostgresSnapshot(revision) !== undefined) this.takeRevision(revision, askedAt);
  }

  /** @param revision SpiceDB's newest, as a ZedToken: it has everything that was acknowledged before `since` */
  confirmRevision(revision: string, since: ClockReading): void {
    this.takeRevision(revision, since);
    // One that may be older than a write of this process, or than what was confirmed before, confirms nothing.
    const notBefore = Math.max(this.lastWriteAt, this.confirmedAt?.monotonic ?? -Infinity);
    if (since.monotonic >= notBefore && this.history.lastEventOf(revision) !== undefined) this.confirmedAt = since;
  }

  private takeRevision(revision: string, askedAt: ClockReading): void {
    if (!identifiesWrites(revision)) return;
    // PostgreSQL's revisions tell which of two is older; of others the one that was asked for first may be.
    const notBefore = Math.max(this.lastWriteAt, this.lastAskedAt);
    if (askedAt.monotonic < notBefore && parsePostgresSnapshot(revision) === undefined) return;
    if (ageOf(this.acceptedAt) > MAX_GAP_MS) this.history.forget();
    this.history.advance(revision);
    if (this.history.newestRevision !== revision) {
      // One that was under way when the newest came may be older. One that was asked for later means another store, also
      // where it is a revision of the history: its transactions may be others.
      if (askedAt.monotonic < (this.acceptedAt?.monotonic ?? -Infinity)) return;
      this.history.forget();
      this.history.advance(revision);
    }
    this.acceptedAt = readClocks();
    this.lastAskedAt = Math.max(this.lastAskedAt, askedAt.monotonic);
  }

  /** Takes note that SpiceDB could not answer: its store may be another one when it answers again. */
  noteOutage(): void {
    this.history.forget();
  }

  /** The revision of what is cached; undefined where nothing is. */
  get cachedRevision(): string | undefined {
    return this.history.newestRevision;
  }

  /**
   * Writes through `perform`. Until a look at SpiceDB that began afterwards, the newest revision isn't known.
   * @param perform returns the ZedToken from which on the updates hold
   * @throws what `perform` throws
   */
  async write(updates: readonly RelationshipUpdate[], perform: () => Promise<string>): Promise<string> {
    try {
      return await this.history.write(updates, perform);
    } finally {
      this.lastWriteAt = performance.now();
      this.confirmedAt = undefined;
    }
  }

  /** The newest revision; undefined where it isn't known, or no longer. */
  newestRevision(): string | undefined {
    return ageOf(this.confirmedAt) <= STALENESS_BOUND_MS ? this.history.newestRevision : undefined;
  }

  /** A cached answer that is the answer at the revision, too. */
  getAnswer(check: CheckRequest, revision: string): CheckAnswer | undefined {
    const key = cacheKey(check, this.schema);
    const entry = key === undefined ? undefined : this.answers.getValid(key, this.isValidAt(check, revision));
    return entry === undefined ? undefined : { ...toServedAnswer(entry.answer, check), revision };
  }

  /** Whether there is such an answer. */
  hasAnswer(check: CheckRequest, revision: string): boolean {
    const key = cacheKey(check, this.schema);
    const entry = key === undefined ? undefined : this.answers.peek(key);
    return entry !== undefined && this.isValidAt(check, revision)(entry);
  }

  /** An entry that isn't valid may become so again: once it is known that what was written has not touched it. */
  private isValidAt(check: CheckRequest, revision: string): (entry: CacheEntry) => boolean {
    const askedAt = this.history.lastEventOf(revision);
    const lastChange = this.lastChangeOf(check);
    return ({ answer, givenAt }) => {
      if (!servesCheck(answer, check)) return false;
      if (askedAt === undefined || Math.min(givenAt, askedAt) < lastChange) return false;
      const until = answer.result === 'yes' ? answer.until : undefined;
      return until === undefined || Date.parse(until) - EXPIRY_MARGIN_MS > readHostClock();
    };
  }

  setAnswer(check: CheckRequest, answer: CheckAnswer): void {
    const { type } = check.resource;
    const key = cacheKey(check, this.schema);
    if (key === undefined || (answer.result !== 'yes' && answer.result !== 'no')) return;
    const givenAt = this.history.lastEventOf(answer.revision);
    if (givenAt === undefined || givenAt < this.lastChangeOf(check)) return;
    // A yes says when it ends; when an expiration ends a no isn't known (`a - banned`).
    if (answer.result === 'no' && this.schema.reachability.reachesExpiration(type, check.permission)) return;
    const kept = omitUnfoundPath(answer);
    const former = this.answers.peek(key);
    if (saysMore(former?.answer, kept) && this.hasAnswer(check, answer.revision)) return;
    this.answers.set(key, { answer: kept, givenAt });
  }

  private lastChangeOf({ resource, permission, subject }: CheckRequest): number {
    return this.history.effects.lastForSubject(resource.type, permission, subject);
  }
}

/** Leaves out a path that wasn't found in time: the next time it may be. */
function omitUnfoundPath(answer: CacheEntry['answer']): CacheEntry['answer'] {
  if (answer.result !== 'yes' || answer.path === undefined || answer.path.length > 0) return answer;
  const { path: _path, ...plain } = answer;
  return plain;
}

/** Returns the milliseconds since the instant; Infinity for one that has never come. */
function ageOf(instant: ClockReading | undefined): number {
  if (instant === undefined) return Infinity;
  const { monotonic, wall } = readClocks();
  return Math.max(monotonic - instant.monotonic, wall - instant.wall);
}
