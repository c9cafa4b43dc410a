/**
 * The cache of relationships that were read from a SpiceDB server, for as long as nothing was written to objects of their
 * type. The proofs of many decisions meet the same objects, such as the managers above them.
 */
import type { Relationship } from '../../model/relationships.js';
import { CountedCache, type CacheCountsByName } from '../../telemetry/counted-cache.js';
import { estimateReadBytes, MAX_CACHED_KEY_LENGTH } from '../cache-size.js';
import { EXPIRY_MARGIN_MS } from '../check-cache-key.js';
import type { RelationshipFilter } from '../port.js';
import { readHostClock } from '../../runtime/clock.js';
import type { RevisionHistory } from './revision-history.js';

const MAX_READ_BYTES = 8 * 1024 * 1024;

interface CachedRead {
  readonly relationships: readonly Relationship[];
  /** The last event of the revision that they were read at. */
  readonly readAt: number;
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

  constructor(private readonly history: RevisionHistory) {}

  /**
   * Returns what `perform` reads, or has read before.
   * @param revision the ZedToken that the relationships are read at
   * @throws what `perform` throws
   */
  read(
    revision: string,
    filter: RelationshipFilter,
    limit: number,
    perform: () => Promise<readonly Relationship[]>,
  ): Promise<readonly Relationship[]> {
    const key = JSON.stringify([filter, limit]);
    const readAt = this.history.lastEventOf(revision);
    if (key.length > MAX_CACHED_KEY_LENGTH || readAt === undefined) return perform();
    const cached = this.get(key, filter, readAt);
    if (cached !== undefined) return Promise.resolve(cached.relationships);
    const joinKey = `${revision} ${key}`;
    const joined = this.underWay.get(joinKey);
    if (joined !== undefined) return joined;
    const reading = perform().then((relationships) => {
      const ends = relationships.map(({ expiresAt }) => (expiresAt === undefined ? Infinity : Date.parse(expiresAt)));
      if (this.lastChangeOf(filter) <= readAt)
        this.reads.set(key, { relationships, readAt, endsAt: Math.min(Infinity, ...ends) });
      return relationships;
    });
    this.underWay.set(joinKey, reading);
    const end = (): boolean => this.underWay.delete(joinKey);
    reading.then(end, end);
    return reading;
  }

  private get(key: string, filter: RelationshipFilter, readAt: number): CachedRead | undefined {
    const lastChange = this.lastChangeOf(filter);
    return this.reads.getValid(
      key,
      (read) => Math.min(read.readAt, readAt) >= lastChange && read.endsAt - EXPIRY_MARGIN_MS > readHostClock(),
    );
  }

  private lastChangeOf({ resourceType }: RelationshipFilter): number {
    return this.history.effects.lastForRelationships(resourceType);
  }
}
