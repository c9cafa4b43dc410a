/**
 * The relationship graph as decisions and the API use it: the embedded SpiceDB and a SpiceDB server implement it. Ids are
 * raw everywhere; encoding them is the implementation's business.
 */
import type { EntityRef } from '../model/ids.js';
import type { CacheCountsByName } from '../telemetry/counted-cache.js';
import type { Relationship, RelationshipUpdate } from '../model/relationships.js';
import type { GraphSchema } from './schema/schema.js';
import type { EngineStats } from '../telemetry/engine-stats.js';
import type { CheckRequest, CheckAnswer, ReadConsistency } from '../model/checks.js';

/** The question on which resources of a type the subject has the permission. */
export interface ResourceLookup {
  readonly resourceType: string;
  readonly permission: string;
  readonly subject: EntityRef;
  /** Context for caveats. */
  readonly context?: Readonly<Record<string, unknown>> | undefined;
  /** The most that are looked for. */
  readonly limit?: number | undefined;
  /** The time limit, in milliseconds: in a graph with a cycle SpiceDB looks for half a minute. */
  readonly withinMs: number;
}

/** The result of a lookup or a read. */
export interface AtRevision {
  /** The revision that it is of, as a ZedToken; undefined where SpiceDB names none, since it found nothing. */
  readonly revision: string | undefined;
}

export interface ResourceLookupResult extends AtRevision {
  /**
   * Ids in ascending order of code points: all on which the permission is held, and more. For some SpiceDB says that it
   * depends on context where a check says yes without any, so only checks tell.
   */
  readonly ids: readonly string[];
  /** The number of results that were passed over, since other applications gave them ids that no question can name. */
  readonly foreign: number;
  /** False where the limit ended it: there may be more. */
  readonly complete: boolean;
}

/** The question which subjects of a type have the permission on the resource. */
export interface SubjectLookup {
  readonly resource: EntityRef;
  readonly permission: string;
  readonly subjectType: string;
  readonly context?: Readonly<Record<string, unknown>> | undefined;
  /** The time limit, in milliseconds. */
  readonly withinMs: number;
}

export interface SubjectLookupResult extends AtRevision {
  /** Ids in ascending order of code points: all that have the permission, and more, as with resources. */
  readonly ids: readonly string[];
  /** The number of subjects that were passed over, as resources are. */
  readonly foreign: number;
  /** Set where a wildcard grants it: all of the type may have it except these, and `ids` has only some of them. */
  readonly wildcardExclusions: readonly string[] | undefined;
}

export interface RelationshipList extends AtRevision {
  readonly relationships: readonly Relationship[];
}

export interface RelationshipFilter {
  readonly resourceType: string;
  readonly resourceId?: string | undefined;
  readonly relation?: string | undefined;
  readonly subjectType?: string | undefined;
  readonly subjectId?: string | undefined;
  /** Beside a type: only usersets of this relation; with the empty text, only subjects that are no usersets. */
  readonly subjectRelation?: string | undefined;
  /** Beside a type: only its wildcard. */
  readonly wildcard?: boolean | undefined;
}

export interface WriteCondition {
  /** Relationships of which none may be there, whatever its end or caveat; one that has expired is not there. */
  readonly absent: readonly Relationship[];
}

export interface RelationshipGraph {
  /**
   * An answer for each check, in order, and all of one revision. The engine's failure doesn't throw: it is the answer
   * `unknown`.
   * @throws BadRequest where the engine refuses the ZedToken
   */
  check(checks: readonly CheckRequest[], consistency: ReadConsistency): Promise<readonly CheckAnswer[]>;
  /** Finds the reason that `token` can't be used for `atLeast` here; undefined where it can. */
  tokenProblem(token: string): string | undefined;
  /** @throws Fault, `deadline_exceeded` where it takes too long; BadRequest where SpiceDB won't answer */
  lookupResources(lookup: ResourceLookup, consistency: ReadConsistency): Promise<ResourceLookupResult>;
  /** Throws as `lookupResources` does. */
  lookupSubjects(lookup: SubjectLookup, consistency: ReadConsistency): Promise<SubjectLookupResult>;
  /**
   * Writes all of the updates or none, durably.
   * @param by names the writer, for the journal or SpiceDB's transaction
   * @param condition what has to be so at that moment, or nothing is written
   * @returns the ZedToken from which on they hold
   * @throws BadRequest where SpiceDB refuses them, or the condition isn't met; Fault where it can't answer, `write_unconfirmed` where they may have been
   * made all the same
   */
  write(updates: readonly RelationshipUpdate[], by: string, condition?: WriteCondition): Promise<string>;
  /** Reads at most `limit` relationships, in a stable order. @throws Fault */
  read(filter: RelationshipFilter, limit: number, consistency: ReadConsistency): Promise<RelationshipList>;
  /** The calls that are under way. */
  stats(): EngineStats;
  close(): Promise<void>;
}

/** A graph as the service runs it: it reports counts, and one with another schema can follow it while it is in use. */
export interface GraphEngine extends RelationshipGraph {
  /** Counts for metrics. */
  counts(): GraphCounts;
  /**
   * Starts an engine with another schema on the same relationships. This one answers on, by its own schema, until it is
   * closed.
   * @param onReady is given the next engine once it can answer, and before anything is written to it alone: a caller that
   * switches to it then misses no write
   * @throws ConfigError where the schema, or what is stored, doesn't fit; Fault. Then nothing has changed
   */
  startSuccessor(schema: GraphSchema, onReady: (next: GraphEngine) => void): Promise<void>;
}

export interface GraphCounts extends QueueCounts {
  readonly caches: CacheCountsByName;
}

export interface QueueCounts {
  /** Checks that wait to be sent. */
  readonly waiting: number;
  /** Bulk checks that were sent. */
  readonly groups: number;
  /** Checks that were sent in them. */
  readonly members: number;
}

/** The filter that finds the relationship, and no other. */
export function toExactFilter({ resource, relation, subject, wildcard }: Relationship): RelationshipFilter {
  return {
    resourceType: resource.type,
    resourceId: resource.id,
    relation,
    subjectType: subject.type,
    ...(wildcard === true ? { wildcard } : { subjectId: subject.id }),
    subjectRelation: subject.relation ?? '',
  };
}

/** Whether one revision is asked for, and no freshness. */
export function isExactly(consistency: ReadConsistency): consistency is { readonly exactly: string } {
  return typeof consistency !== 'string' && 'exactly' in consistency;
}

/** The member of a request that carries its ZedToken. */
export const CONSISTENCY_PLACE = 'context.consistency.at_least';

/** SpiceDB's own limit on the updates of one write. */
export const MAX_UPDATES_PER_WRITE = 1000;
