/**
 * The cache of relationships that were read at a revision of a SpiceDB server: what a revision has never changes, it only
 * expires. The proofs of many decisions meet the same objects, such as the managers above them.
 */
import type { Relationship } from '../../model/relationships.js';
import { CountedCache, type CacheCountsByName } from '../../telemetry/counted-cache.js';
import { estimateReadBytes, MAX_CACHED_KEY_LENGTH } from '../cache-size.js';
import { EXPIRY_MARGIN_MS } from '../check-cache-key.js';
import type { SubjectRelationshipFilter } from '../protobuf.js';
import { readHostClock } from '../../runtime/clock.js';
import { identifiesWrites } from './zedtoken.js';

const MAX_READ_BYTES = 8 * 1024 * 1024;

interface CachedRead {
  readonly relationships: readonly Relationship[];
  /** When the first of them expires, in milliseconds since the epoch. */
  readonly endsAt: number;
}

export class ReadCache {
  private readonly reads = new CountedCache<string, CachedRead>({
    maxSize: MAX_READ_BYTES,
    sizeCalculation: ({ relationships }, key) => estimateReadBytes(relationships, key),
  });
  readonly caches: CacheCountsByName = { relationship_reads: this.reads };
  /** Reads that were sent, which an equal one joins. */
  private readonly underWay = new Map<string, Promise<readonly Relationship[]>>();

  /**
   * What `perform` reads, or has read before.
   * @param revision a ZedToken, of which the relationships are
   * @throws what `perform` throws
   */
  read(
    revision: string,
    filter: SubjectRelationshipFilter,
    limit: number,
    perform: () => Promise<readonly Relationship[]>,
  ): Promise<readonly Relationship[]> {
    const key = JSON.stringify([revision, filter, limit]);
    // Where a revision doesn't identify the writes, more may come into it.
    if (key.length > MAX_CACHED_KEY_LENGTH || !identifiesWrites(revision)) return perform();
    const cached = this.reads.get(key);
    if (cached !== undefined && readHostClock() < cached.endsAt - EXPIRY_MARGIN_MS)
      return Promise.resolve(cached.relationships);
    const joined = this.underWay.get(key);
    if (joined !== undefined) return joined;
    const reading = perform().then((relationships) => {
      const ends = relationships.map(({ expiresAt }) => (expiresAt === undefined ? Infinity : Date.parse(expiresAt)));
      this.reads.set(key, { relationships, endsAt: Math.min(Infinity, ...ends) });
      return relationships;
    });
    this.underWay.set(key, reading);
    const end = (): boolean => this.underWay.delete(key);
    reading.then(end, end);
    return reading;
  }
}
