/**
 * The cache of a SpiceDB server's lookups. Like cached answers they are used only at a revision that SpiceDB has named,
 * and only where nothing has been written since that could add to them.
 */
import { CountedCache, type CacheCountsByName } from '../../telemetry/counted-cache.js';
import { estimateListBytes, MAX_CACHED_KEY_LENGTH } from '../cache-size.js';
import { lookupKey } from '../lookup-limiter.js';
import type { ResourceLookup, ResourceLookupResult, SubjectLookup, SubjectLookupResult } from '../port.js';
import type { GraphSchema } from '../schema/schema.js';
import type { RevisionHistory } from './revision-history.js';

const MAX_KEPT_LOOKUP_BYTES = 16 * 1024 * 1024;

type LookupResult = ResourceLookupResult | SubjectLookupResult;

interface CachedLookup {
  readonly result: LookupResult;
  /** The last event of the revision that it is of. */
  readonly givenAt: number;
}

export class LookupCache {
  private readonly lookups = new CountedCache<string, CachedLookup>({
    maxSize: MAX_KEPT_LOOKUP_BYTES,
    sizeCalculation: ({ result }, key) =>
      estimateListBytes([...result.ids, ...(('wildcardExclusions' in result && result.wildcardExclusions) || [])], key),
  });
  readonly caches: CacheCountsByName = { relationship_lookups: this.lookups };

  constructor(
    private readonly schema: GraphSchema,
    private readonly history: RevisionHistory,
  ) {}

  /** Whether there is one that may still hold: a newer revision tells. */
  has(method: string, lookup: ResourceLookup | SubjectLookup): boolean {
    const cached = this.lookups.peek(lookupKey(method, lookup));
    return cached !== undefined && cached.givenAt >= this.lastChangeOf(lookup);
  }

  /** A cached result that is the result at the revision, too. */
  get(method: string, lookup: ResourceLookup | SubjectLookup, revision: string): LookupResult | undefined {
    const askedAt = this.history.lastEventOf(revision);
    if (askedAt === undefined) return undefined;
    const lastChange = this.lastChangeOf(lookup);
    const cached = this.lookups.getValid(
      lookupKey(method, lookup),
      ({ givenAt }) => Math.min(givenAt, askedAt) >= lastChange,
    );
    return cached === undefined ? undefined : { ...cached.result, revision };
  }

  set(method: string, lookup: ResourceLookup | SubjectLookup, result: LookupResult): void {
    const key = lookupKey(method, lookup);
    const givenAt = result.revision === undefined ? undefined : this.history.lastEventOf(result.revision);
    if (givenAt === undefined || givenAt < this.lastChangeOf(lookup)) return;
    if (key.length <= MAX_CACHED_KEY_LENGTH && this.isLasting(lookup)) this.lookups.set(key, { result, givenAt });
  }

  /**
   * Whether only a write can add to it. What an expiration takes away may stay in it: a lookup has all that hold the
   * permission, and more.
   */
  private isLasting(lookup: ResourceLookup | SubjectLookup): boolean {
    const type = 'subject' in lookup ? lookup.resourceType : lookup.resource.type;
    const { reachability } = this.schema;
    return (
      !reachability.canGainByExpiration(type, lookup.permission) && !reachability.reachesCaveat(type, lookup.permission)
    );
  }

  private lastChangeOf(lookup: ResourceLookup | SubjectLookup): number {
    const { effects } = this.history;
    return 'subject' in lookup
      ? effects.lastForSubject(lookup.resourceType, lookup.permission, lookup.subject)
      : effects.lastForAnySubject(lookup.resource.type, lookup.permission);
  }
}
