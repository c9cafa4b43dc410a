/** The relationship graph as Remit sees it. Ids are raw everywhere; encoding is the implementation's business. */
import type { EntityRef } from '../model/ids.js';
import type { CacheCountsByName } from '../telemetry/counted-cache.js';
import type { Relationship, RelationshipUpdate } from '../model/relationships.js';
import type { GraphSchema } from './schema/schema.js';
import type { EngineStats } from '../telemetry/engine-stats.js';
import type { CheckRequest, CheckAnswer, Consistency } from '../model/checks.js';

/** On what of a type does the subject hold the permission? */
export interface ResourceLookup {
  readonly resourceType: string;
  readonly permission: string;
  readonly subject: EntityRef;
  /** For caveats. */
  readonly context?: Readonly<Record<string, unknown>> | undefined;
  /** How many to look for at most. */
  readonly limit?: number | undefined;
  /** How long, in milliseconds: in a graph that goes in a circle SpiceDB looks for half a minute. */
  readonly withinMs: number;
}

export interface ResourceLookupResult {
  /**
   * In ascending order of code points: all on which it is held, and more. Of some SpiceDB says that it depends on
   * context where a check says yes without any, so only checks tell.
   */
  readonly ids: readonly string[];
  /** False where the limit ended it: there may be more. */
  readonly complete: boolean;
}

/** Who of a type holds the permission on the resource? */
export interface SubjectLookup {
  readonly resource: EntityRef;
  readonly permission: string;
  readonly subjectType: string;
  readonly context?: Readonly<Record<string, unknown>> | undefined;
  /** How long, in milliseconds. */
  readonly withinMs: number;
}

export interface SubjectLookupResult {
  /** In ascending order of code points: all who hold it, and more, as with resources. */
  readonly ids: readonly string[];
  /** Everybody of the type may hold it, those aside; the ids are then only some of them. */
  readonly wildcardExclusions: readonly string[] | undefined;
}

export interface RelationshipFilter {
  readonly resourceType: string;
  readonly resourceId?: string | undefined;
  readonly relation?: string | undefined;
  readonly subjectType?: string | undefined;
  readonly subjectId?: string | undefined;
}

export interface RelationshipGraph {
  /**
   * One answer a check, in order. Never throws for the engine's failure: that is the answer `unknown`.
   * @throws BadRequest where the engine refuses the ZedToken
   */
  check(checks: readonly CheckRequest[], consistency: Consistency): Promise<readonly CheckAnswer[]>;
  /** Why `token` can't be used for `atLeast` here; undefined if it can. */
  tokenProblem(token: string): string | undefined;
  /** @throws Fault, `deadline_exceeded` where it takes too long; BadRequest where SpiceDB won't answer */
  lookupResources(lookup: ResourceLookup, consistency: Consistency): Promise<ResourceLookupResult>;
  /** @throws as lookupResources */
  lookupSubjects(lookup: SubjectLookup, consistency: Consistency): Promise<SubjectLookupResult>;
  /**
   * All of the updates or none; the ZedToken from which on they hold. Durable when it resolves.
   * @throws BadRequest where SpiceDB refuses them, Fault where it can't answer
   */
  write(updates: readonly RelationshipUpdate[], by: string): Promise<string>;
  /** At most `limit` relationships, in a stable order. @throws Fault */
  read(filter: RelationshipFilter, limit: number): Promise<readonly Relationship[]>;
  /** What is under way. */
  stats(): EngineStats;
  close(): Promise<void>;
}

/** What an implementation counts by itself, for metrics. */
export interface Counted {
  counts(): GraphCounts;
}

/** An engine that one by another schema can follow while it is in use, on the same relationships. */
export interface Succeeded {
  /**
   * @param onReady is told the next one when it can answer, and before anything is written to it alone: whoever asks what
   * is in force from then on misses no write. This one answers on, by its own schema, until it is closed
   * @throws ConfigError where the schema, or what is stored, doesn't fit; Fault. Then all is as it was
   */
  startSuccessor(schema: GraphSchema, onReady: (next: GraphEngine) => void): Promise<void>;
}

export type GraphEngine = RelationshipGraph & Counted & Succeeded;

export interface GraphCounts extends QueueCounts {
  readonly caches: CacheCountsByName;
}

/** Of checks on their way: those that wait, and how many went in how many bulk checks. */
export interface QueueCounts {
  readonly waiting: number;
  readonly groups: number;
  readonly members: number;
}

/** Where a request says its ZedToken. */
export const CONSISTENCY_PLACE = 'context.consistency.at_least';

/** SpiceDB's own limit on one write. */
export const MAX_UPDATES_PER_WRITE = 1000;
