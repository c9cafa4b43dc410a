/**
 * The embedded engine's cache of answers, reads and lookups. Each stays exactly as long as it is true: until a write that
 * can change it, and until the next expiration of any relationship. All writes pass through this process, so it knows of
 * both.
 */
import { CountedCache, type CacheCountsByName } from '../../telemetry/counted-cache.js';
import { readHostClock } from '../../runtime/clock.js';
import type { Relationship, RelationshipUpdate } from '../../model/relationships.js';
import { relationshipKey } from '../relationship-text.js';
import type { GraphSchema } from '../schema/schema.js';
import type { CheckAnswer, CheckRequest } from '../../model/checks.js';
import { cacheKey, EXPIRY_MARGIN_MS, saysMore, servesCheck, toServedAnswer } from '../check-cache-key.js';
import { estimateAnswerBytes, estimateListBytes, estimateReadBytes } from '../cache-size.js';
import type { RelationshipFilter, ResourceLookup, SubjectLookup } from '../port.js';
import { WriteEffects } from '../write-effects.js';

const MAX_EXACT_ANSWER_BYTES = 24 * 1024 * 1024;
const MAX_EXACT_READ_BYTES = 4 * 1024 * 1024;
/** Relationships of one read; a longer read is not cached. */
const MAX_CACHED_READ_LENGTH = 100;
const MAX_LOOKUP_BYTES = 16 * 1024 * 1024;

/** Longer than a decision asks at one revision. */
const REVISION_LIFE_MS = 60_000;
/** The most that SpiceDB's reading of the clock may differ from Remit's, in one process. */
const CLOCK_SLACK_MS = 5;

/** The part that the results of all lookups have in common. */
interface LookupIds {
  readonly ids: readonly string[];
}

interface ExactAnswer<V> {
  readonly value: V;
  /** The number of the last write or expiration when it was asked for. */
  readonly askedAt: number;
}

export class EmbeddedCache {
  private readonly answers = new CountedCache<string, ExactAnswer<CheckAnswer>>({
    maxSize: MAX_EXACT_ANSWER_BYTES,
    sizeCalculation: ({ value }, key) => estimateAnswerBytes(value, key),
  });
  private readonly reads = new CountedCache<string, ExactAnswer<readonly Relationship[]>>({
    maxSize: MAX_EXACT_READ_BYTES,
    sizeCalculation: ({ value }, key) => estimateReadBytes(value, key),
  });
  private readonly lookups = new CountedCache<string, ExactAnswer<LookupIds>>({
    maxSize: MAX_LOOKUP_BYTES,
    sizeCalculation: ({ value }, key) => estimateListBytes(value.ids, key),
  });
  readonly caches: CacheCountsByName = {
    relationship_checks: this.answers,
    relationship_reads: this.reads,
    relationship_lookups: this.lookups,
  };
  private readonly effects: WriteEffects;
  /** The expirations of relationships by their keys, in milliseconds since the epoch. */
  private readonly expirations = new Map<string, number>();
  /**
   * Expirations that a write took back or replaced: at a revision before it they still count. Only those that such a
   * revision may be asked past.
   */
  private readonly formerExpirations = new Set<number>();
  /** The next expiration, or an instant before it: until then, and until the next write, nothing changes. */
  private nextExpiration = Infinity;
  /** The next expiration of what the newest revision has; undefined: to be looked for. */
  private nextAtHead: number | undefined;
  /** The last expiration that has passed and is tracked no longer. */
  private lastExpiration = -Infinity;

  constructor(private readonly schema: GraphSchema) {
    this.effects = new WriteEffects(schema);
  }

  /** The number of the last write or expiration, to be taken when something is asked that may be cached. */
  get now(): number {
    this.dropExpired();
    return this.effects.now;
  }

  cacheKey(check: CheckRequest): string | undefined {
    return cacheKey(check, this.schema);
  }

  getAnswer(check: CheckRequest, key: string): CheckAnswer | undefined {
    const answer = this.get(
      this.answers,
      key,
      () => this.lastChangeOf(check),
      (value) => servesCheck(value, check),
    );
    return answer === undefined ? undefined : toServedAnswer(answer, check);
  }

  /** @param askedAt when it was asked, as {@link now} said */
  setAnswer(check: CheckRequest, key: string, answer: CheckAnswer, askedAt: number): void {
    // A question that SpiceDB refuses it refuses for as long as the graph is the same.
    const isLasting = answer.result === 'yes' || answer.result === 'no' || answer.result === 'unanswerable';
    const lastChange = this.lastChangeOf(check);
    if (!isLasting || lastChange > askedAt) return;
    const former = this.answers.peek(key);
    if (former !== undefined && former.askedAt >= lastChange && saysMore(former.value, answer)) return;
    this.answers.set(key, { value: answer, askedAt });
  }

  getRead({ resourceType }: RelationshipFilter, key: string): readonly Relationship[] | undefined {
    return this.get(this.reads, key, () => this.effects.lastForRelationships(resourceType));
  }

  setRead(
    { resourceType }: RelationshipFilter,
    key: string,
    relationships: readonly Relationship[],
    askedAt: number,
  ): void {
    if (relationships.length <= MAX_CACHED_READ_LENGTH && this.effects.lastForRelationships(resourceType) <= askedAt)
      this.reads.set(key, { value: relationships, askedAt });
  }

  getLookup(lookup: ResourceLookup | SubjectLookup, key: string): LookupIds | undefined {
    return this.get(this.lookups, key, () => this.lastChangeOfLookup(lookup));
  }

  setLookup(lookup: ResourceLookup | SubjectLookup, key: string, result: LookupIds, askedAt: number): void {
    if (this.lastChangeOfLookup(lookup) <= askedAt) this.lookups.set(key, { value: result, askedAt });
  }

  /** Drops what the updates may change; to be called with every new revision. */
  noteWrite(updates: readonly RelationshipUpdate[]): void {
    this.dropExpired();
    this.effects.noteWrite(updates.map(({ relationship }) => relationship));
    for (const { operation, relationship } of updates) {
      const key = relationshipKey(relationship);
      const former = this.expirations.get(key);
      if (former !== undefined && former < readHostClock() + REVISION_LIFE_MS) this.formerExpirations.add(former);
      this.expirations.delete(key);
      if (former === this.nextAtHead) this.nextAtHead = undefined;
      if (operation === 'delete' || relationship.expiresAt === undefined) continue;
      const expiration = Date.parse(relationship.expiresAt);
      this.expirations.set(key, expiration);
      this.nextExpiration = Math.min(this.nextExpiration, expiration);
      if (this.nextAtHead !== undefined) this.nextAtHead = Math.min(this.nextAtHead, expiration);
    }
  }

  /** Drops everything. */
  clear(): void {
    this.effects.noteChangeOfAll();
    this.answers.clear();
    this.reads.clear();
    this.lookups.clear();
  }

  /**
   * When a yes may end without a write, RFC 3339: at the expiration of its one relationship or, where it may have another,
   * at the next expiration of any. Undefined where it can't.
   * @param isHead whether the answer is of the newest revision: a later write may have moved an expiration
   */
  validUntil(check: CheckRequest, isHead: boolean): string | undefined {
    if (!this.schema.reachability.isVolatile(check.resource.type, check.permission)) return undefined;
    this.dropExpired();
    // Elsewhere another relationship may be the one that grants: to a userset, or where a caveat of its own doesn't hold.
    const ownExpiration = this.schema.isDirectRelation(check.resource.type, check.permission)
      ? this.expirations.get(
          relationshipKey({ resource: check.resource, relation: check.permission, subject: check.subject }),
        )
      : undefined;
    const expiration = isHead
      ? (ownExpiration ?? this.findNextAtHead())
      : Math.min(ownExpiration ?? Infinity, this.nextExpiration);
    return expiration === Infinity ? undefined : new Date(expiration).toISOString();
  }

  /** The next expiration of what the newest revision has. */
  private findNextAtHead(): number {
    if (this.nextAtHead !== undefined) return this.nextAtHead;
    let next = Infinity;
    for (const expiration of this.expirations.values()) next = Math.min(next, expiration);
    this.nextAtHead = next;
    return next;
  }

  /** Whether a relationship has expired since the instant, or is about to: answers may then be from before and after. */
  hasExpiredSince(instant: number): boolean {
    this.dropExpired();
    return this.nextExpiration <= readHostClock() + CLOCK_SLACK_MS || this.lastExpiration >= instant - CLOCK_SLACK_MS;
  }

  private get<V>(
    cache: CountedCache<string, ExactAnswer<V>>,
    key: string,
    lastChange: () => number,
    isOfUse: (value: V) => boolean = () => true,
  ): V | undefined {
    this.dropExpired();
    const entry = cache.peek(key);
    if (entry !== undefined && entry.askedAt < lastChange()) cache.delete(key);
    return cache.getValid(key, ({ value }) => isOfUse(value))?.value;
  }

  private lastChangeOf({ resource, permission, subject }: CheckRequest): number {
    return this.effects.lastForSubject(resource.type, permission, subject);
  }

  private lastChangeOfLookup(lookup: ResourceLookup | SubjectLookup): number {
    return 'subject' in lookup
      ? this.effects.lastForSubject(lookup.resourceType, lookup.permission, lookup.subject)
      : this.effects.lastForAnySubject(lookup.resource.type, lookup.permission);
  }

  /** Drops everything where a relationship has expired since, or is about to. */
  private dropExpired(): void {
    const now = readHostClock();
    if (now < this.nextExpiration - EXPIRY_MARGIN_MS) return;
    this.clear();
    this.nextAtHead = undefined;
    this.nextExpiration = Infinity;
    for (const [key, expiration] of this.expirations) {
      if (expiration + EXPIRY_MARGIN_MS < now) {
        this.expirations.delete(key);
        this.lastExpiration = Math.max(this.lastExpiration, expiration);
      } else this.nextExpiration = Math.min(this.nextExpiration, expiration);
    }
    for (const expiration of this.formerExpirations) {
      if (expiration + EXPIRY_MARGIN_MS < now) {
        this.formerExpirations.delete(expiration);
        this.lastExpiration = Math.max(this.lastExpiration, expiration);
      } else this.nextExpiration = Math.min(this.nextExpiration, expiration);
    }
  }
}
