/**
 * Lookups with a SpiceDB server: cached ones where SpiceDB's newest revision says that they still hold, and a limited number
 * under way.
 */
import type { v1 } from '@authzed/authzed-node';
import type { ReadConsistency } from '../../model/checks.js';
import { toGraphError } from '../errors.js';
import { LookupLimiter } from '../lookup-limiter.js';
import {
  isExactly,
  type ResourceLookup,
  type ResourceLookupResult,
  type SubjectLookup,
  type SubjectLookupResult,
} from '../port.js';
import type { GraphSchema } from '../schema/schema.js';
import * as api from '../spicedb-api.js';
import type { Connection } from './connection.js';
import { LookupCache } from './lookup-cache.js';
import { readClocks, type RevisionCache } from './revision-cache.js';

/** Lookups of this replica. */
const SERVER_LOOKUP_LIMITS = { concurrent: 32, abandoned: 8 };

interface LookupsOptions {
  readonly endpoint: string;
  readonly log?: ((message: string) => void) | undefined;
}

/** The consistency that its methods take is one that SpiceDB can be asked with. They throw as those of the port do. */
export class ServerLookups {
  private readonly limiter = new LookupLimiter(SERVER_LOOKUP_LIMITS);
  private readonly cache: LookupCache;
  private hasReportedForeignIds = false;

  constructor(
    private readonly connection: Connection,
    schema: GraphSchema,
    private readonly revisions: RevisionCache,
    private readonly options: LookupsOptions,
  ) {
    this.cache = new LookupCache(schema, revisions.history);
  }

  get caches(): LookupCache['caches'] {
    return this.cache.caches;
  }

  lookupResources(lookup: ResourceLookup, consistency: ReadConsistency): Promise<ResourceLookupResult> {
    return this.lookUp('lookupResources', lookup, consistency, (at) =>
      api.lookupResources(this.connection, lookup, at),
    );
  }

  lookupSubjects(lookup: SubjectLookup, consistency: ReadConsistency): Promise<SubjectLookupResult> {
    return this.lookUp('lookupSubjects', lookup, consistency, (at) => api.lookupSubjects(this.connection, lookup, at));
  }

  private async lookUp<T extends ResourceLookupResult | SubjectLookupResult>(
    method: string,
    lookup: ResourceLookup | SubjectLookup,
    consistency: ReadConsistency,
    perform: (at: v1.Consistency) => Promise<T>,
  ): Promise<T> {
    const lookUpAt = async (at: ReadConsistency): Promise<T> => {
      const cached = isExactly(at) ? this.cache.get(method, lookup, at.exactly) : undefined;
      if (cached !== undefined) return cached as T;
      const askedAt = readClocks();
      const found = await this.limiter.run(method, lookup, () => perform(api.toProtoConsistency(at)));
      // One that has found nothing names no revision.
      const result = isExactly(at) ? { ...found, revision: at.exactly } : found;
      if (at === 'full' && result.revision !== undefined) this.revisions.observeRevision(result.revision, askedAt);
      this.cache.set(method, lookup, result);
      return result;
    };
    // Whether what is cached still holds only SpiceDB's newest revision tells.
    const isCached = !isExactly(consistency) && this.cache.has(method, lookup);
    let result = await lookUpAt(isCached ? await this.findNewestRevision(consistency) : consistency);
    // What is asked next must be of the revision at which there is nothing.
    if (result.revision === undefined) result = await lookUpAt(await this.findNewestRevision(consistency));
    if (result.foreign > 0) this.reportForeignIds('subjectType' in lookup ? lookup.subjectType : lookup.resourceType);
    return result;
  }

  /** The revision that SpiceDB chooses for the freshness. @throws Fault */
  private async findNewestRevision(consistency: ReadConsistency): Promise<ReadConsistency> {
    try {
      const askedAt = readClocks();
      const request = api.toBulkRequest([], api.toProtoConsistency(consistency), false);
      const { checkedAt } = await this.connection.checkBulkPermissions(request);
      if (checkedAt === undefined) return consistency;
      if (consistency === 'full') this.revisions.observeRevision(checkedAt.token, askedAt);
      return { exactly: checkedAt.token };
    } catch (error) {
      throw toGraphError(error);
    }
  }

  /** Logs it once: the relationships of the type tell which ids they are. */
  private reportForeignIds(type: string): void {
    if (this.hasReportedForeignIds) return;
    this.hasReportedForeignIds = true;
    this.options.log?.(
      `SpiceDB at ${this.options.endpoint} has ids of "${type}" that aren't encoded as Remit encodes them; searches pass ` +
        `them over. GET /v1/relationships shows them as "encoded_id".`,
    );
  }
}
