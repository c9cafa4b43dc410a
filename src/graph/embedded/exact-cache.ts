/**
 * The embedded engine's cache of answers, reads and lookups. Each stays exactly as long as it is true: until the next
 * write, and until the next expiration of any relationship. All writes pass through this process, so it knows of both.
 */
import { CountedCache, type CacheCountsByName } from '../../telemetry/counted-cache.js';
import type { Relationship, RelationshipUpdate } from '../../model/relationships.js';
import { relationshipKey } from '../relationship-text.js';
import type { GraphSchema } from '../schema/schema.js';
import type { CheckAnswer, CheckRequest } from '../../model/checks.js';
import { cacheKey, EXPIRY_MARGIN_MS } from '../check-cache-key.js';
import { estimateAnswerBytes, estimateListBytes, estimateReadBytes } from '../cache-size.js';

const MAX_ANSWER_BYTES = 24 * 1024 * 1024;
const MAX_READ_BYTES = 4 * 1024 * 1024;
/** Relationships of one read; a longer read is not cached. */
const MAX_CACHED_READ_LENGTH = 100;
const MAX_LOOKUP_BYTES = 16 * 1024 * 1024;

/** How far SpiceDB's reading of the clock may be from Remit's, in one process. */
const CLOCK_SLACK_MS = 5;

/** The clock that SpiceDB reads, whatever clock decisions are given. */
export function readHostClock(): number {
  // eslint-disable-next-line no-restricted-syntax -- as above
  return Date.now();
}

/** The part that the results of all lookups have in common. */
interface LookupIds {
  readonly ids: readonly string[];
}

export class EmbeddedCache {
  private readonly answers = new CountedCache<string, CheckAnswer>({
    maxSize: MAX_ANSWER_BYTES,
    sizeCalculation: estimateAnswerBytes,
  });
  private readonly reads = new CountedCache<string, readonly Relationship[]>({
    maxSize: MAX_READ_BYTES,
    sizeCalculation: estimateReadBytes,
  });
  private readonly lookups = new CountedCache<string, LookupIds>({
    maxSize: MAX_LOOKUP_BYTES,
    sizeCalculation: ({ ids }, key) => estimateListBytes(ids, key),
  });
  readonly caches: CacheCountsByName = {
    relationship_checks: this.answers,
    relationship_reads: this.reads,
    relationship_lookups: this.lookups,
  };
  /** The expirations of relationships by their keys, in milliseconds since the epoch. */
  private readonly expirations = new Map<string, number>();
  /** The next expiration: until then, and until the next write, nothing changes. Undefined: to be looked for. */
  private nextExpiration: number | undefined;
  /** The last expiration that has passed and is tracked no longer. */
  private lastExpiration = -Infinity;
  private current = 0;

  constructor(private readonly schema: GraphSchema) {}

  /** A number that each write and each expiration raises: an answer that was asked for before isn't cached. */
  get generation(): number {
    this.dropExpired();
    return this.current;
  }

  cacheKey(check: CheckRequest): string | undefined {
    return cacheKey(check, this.schema);
  }

  getAnswer(key: string): CheckAnswer | undefined {
    this.dropExpired();
    return this.answers.get(key);
  }

  setAnswer(key: string, answer: CheckAnswer, generation: number): void {
    // A question that SpiceDB refuses it refuses for as long as the graph is the same.
    const isLasting = answer.result === 'yes' || answer.result === 'no' || answer.result === 'unanswerable';
    if (isLasting && generation === this.current) this.answers.set(key, answer);
  }

  getRead(key: string): readonly Relationship[] | undefined {
    this.dropExpired();
    return this.reads.get(key);
  }

  setRead(key: string, relationships: readonly Relationship[], generation: number): void {
    if (relationships.length <= MAX_CACHED_READ_LENGTH && generation === this.current)
      this.reads.set(key, relationships);
  }

  getLookup(key: string): LookupIds | undefined {
    this.dropExpired();
    return this.lookups.get(key);
  }

  setLookup(key: string, result: LookupIds, generation: number): void {
    if (generation === this.current) this.lookups.set(key, result);
  }

  /** Drops everything; to be called with every new revision. */
  clear(): void {
    this.current += 1;
    this.answers.clear();
    this.reads.clear();
    this.lookups.clear();
  }

  /** Takes note of when the written relationships expire. */
  trackExpirations(updates: readonly RelationshipUpdate[]): void {
    for (const { operation, relationship } of updates) {
      const key = relationshipKey(relationship);
      if (operation === 'delete' || relationship.expiresAt === undefined) this.expirations.delete(key);
      else this.expirations.set(key, Date.parse(relationship.expiresAt));
    }
    this.nextExpiration = undefined;
  }

  /**
   * When a yes may end without a write, RFC 3339: at the expiration of its one relationship or, where it has a longer path,
   * at the next expiration of any. Undefined where it can't.
   */
  validUntil(check: CheckRequest): string | undefined {
    if (!this.schema.reachability.isVolatile(check.resource.type, check.permission)) return undefined;
    this.dropExpired();
    const ownExpiration = this.expirations.get(
      relationshipKey({ resource: check.resource, relation: check.permission, subject: check.subject }),
    );
    const expiration = ownExpiration ?? this.nextExpiration ?? Infinity;
    return expiration === Infinity ? undefined : new Date(expiration).toISOString();
  }

  /** Whether a relationship has expired since the instant, or is about to: answers may then be from before and after. */
  hasExpiredSince(instant: number): boolean {
    this.dropExpired();
    const next = this.nextExpiration ?? Infinity;
    return next <= readHostClock() + CLOCK_SLACK_MS || this.lastExpiration >= instant - CLOCK_SLACK_MS;
  }

  /** Drops everything where a relationship has expired since, or is about to. */
  private dropExpired(): void {
    const now = readHostClock();
    if (this.nextExpiration !== undefined && now < this.nextExpiration - EXPIRY_MARGIN_MS) return;
    this.clear();
    let earliest = Infinity;
    for (const [key, expiration] of this.expirations) {
      if (expiration + EXPIRY_MARGIN_MS < now) {
        this.expirations.delete(key);
        this.lastExpiration = Math.max(this.lastExpiration, expiration);
      } else if (expiration < earliest) earliest = expiration;
    }
    this.nextExpiration = earliest;
  }
}
