/**
 * A SpiceDB server as {@link Relationships}: the one that a platform operates, through any number of replicas of Remit.
 * Others write to it, so what is kept here, if anything is, stands on its newest revision (newest.ts); and since it keeps
 * answers itself, a yes that can end by itself is believed only with the relationships that grant it (proofs.ts).
 */
import { LRUCache } from 'lru-cache';
import { randomBytes } from 'node:crypto';
import { v1 } from '@authzed/authzed-node';
import { BadRequest, ConfigError, Fault } from '../../model/faults.js';
import { type Relationship, type RelationshipUpdate } from '../../model/relationships.js';
import { relationshipKey } from '../relationship-text.js';
import type { GraphSchema } from '../schema/schema.js';
import type { EngineStats } from '../../telemetry/engine-stats.js';
import type { EngineCallListener } from '../../telemetry/engine-calls.js';
import * as api from '../spicedb-api.js';
import { Connection, retryUntilReady, type ServerAddress } from './connection.js';
import { RevisionMonitor, type RevisionMonitorOptions } from './revision-monitor.js';
import { summarizeDifferences } from './schema-monitor.js';
import { LookupLimiter } from '../lookup-limiter.js';
import { fromProtoRelationship, toProtoStruct, toProtoUpdate } from '../protobuf.js';
import { proveGrant, type SnapshotReader } from './grant-proof.js';
import {
  CONSISTENCY_PLACE,
  type GraphEngine,
  type GraphCounts,
  type ResourceLookupResult,
  type SubjectLookupResult,
  type RelationshipFilter,
  type ResourceLookup,
  type SubjectLookup,
} from '../port.js';
import { type CheckAnswer } from '../../model/checks.js';
import { type CheckRequest } from '../../model/checks.js';
import { type Consistency } from '../../model/checks.js';
import { CheckQueue } from '../check-queue.js';
import { toFailureAnswer, OUTAGE_ANSWER, readGrpcStatus, toGraphError } from '../errors.js';
import { compareServerSchema } from './schema-diff.js';
import { PathCache } from './path-cache.js';
import { ConcurrencyLimit } from '../../runtime/concurrency-limit.js';
import { withTimeout } from '../../runtime/timeout.js';
import { parseZedToken } from './zedtoken.js';

/** Checks of one call: a server works on those of one call side by side, and refuses more than ten thousand. */
const SERVER_BULK_SIZE = 500;
/** Calls with checks under way at once. */
const CONCURRENT_BULKS = 4;
/** Lookups of this replica. */
const SERVER_LOOKUP_LIMITS = { concurrent: 32, abandoned: 8 };

/** ZedTokens that are known to be good, and those that are older than SpiceDB remembers. */
const MAX_KNOWN_TOKENS = 10_000;

/** Each has up to a few reads under way. */
const CONCURRENT_PROOFS = 32;
/** Of a decision's time, what its explanation may take: an answer without its path is better than none. */
const EXPLANATION_TIME_SHARE = 0.4;

export interface GraphServerOptions extends ServerAddress, RevisionMonitorOptions {
  /** How long a decision may take: calls that one waits for take no longer. */
  readonly deadlineMs: number;
  /** How long a start waits for a SpiceDB that isn't there yet. */
  readonly startTimeoutMs?: number;
  readonly watch?: EngineCallListener | undefined;
}

export class ServerRelationships implements GraphEngine {
  private readonly queue: CheckQueue;
  private readonly lookupLimiter = new LookupLimiter(SERVER_LOOKUP_LIMITS);
  private readonly proofLimit = new ConcurrencyLimit(CONCURRENT_PROOFS);
  private readonly paths: PathCache;
  private readonly tokenStates = new LRUCache<string, 'good' | 'old'>({ max: MAX_KNOWN_TOKENS });
  private readonly monitor: RevisionMonitor;
  private readonly deadlineMs: number;
  /** By which its ZedTokens begin; undefined until one has been seen. */
  private datastore: string | undefined;

  private constructor(
    private readonly connection: Connection,
    private readonly schema: GraphSchema,
    private readonly options: GraphServerOptions,
  ) {
    const { deadlineMs } = options;
    this.deadlineMs = deadlineMs;
    this.monitor = new RevisionMonitor(connection, schema, options);
    this.paths = new PathCache(schema);
    this.queue = new CheckQueue(
      // Others write as well, so nobody joins a question that is under way.
      { checkBulk: (checks, consistency) => this.checkBulk(checks, consistency) },
      { bulkSize: SERVER_BULK_SIZE, concurrentBulks: CONCURRENT_BULKS, maxWaitMs: deadlineMs },
    );
  }

  /**
   * Connects, and holds the server's schema against the file's; writes nothing.
   * @throws ConfigError where they differ, or the server refuses key or certificate; Fault where it doesn't answer
   */
  static async start(
    schema: GraphSchema,
    { startTimeoutMs, ...options }: GraphServerOptions,
  ): Promise<ServerRelationships> {
    const connection = new Connection(options, options.deadlineMs, options.watch);
    try {
      const { differences, readAt } = await retryUntilReady(
        () => compareServerSchema(connection, schema),
        options,
        startTimeoutMs,
      );
      const summary = summarizeDifferences(differences);
      if (summary !== undefined)
        throw new ConfigError(
          `differs from the schema of SpiceDB at ${options.endpoint}, which "remit migrate" changes: ${summary}`,
          schema.file,
        );
      connection.enableBreaker(schema.definitionNames()[0] ?? '', options.log ?? (() => undefined));
      const engine = new ServerRelationships(connection, schema, options);
      engine.noteDatastore(readAt);
      return engine;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  async check(checks: readonly CheckRequest[], consistency: Consistency): Promise<readonly CheckAnswer[]> {
    const resolved = await this.resolveConsistency(consistency).catch((error: unknown) => {
      if (error instanceof BadRequest) throw error;
      return toFailureAnswer(error) as CheckAnswer;
    });
    if (resolved !== 'full' && 'result' in resolved) return checks.map(() => resolved);
    const checkUncached = (open: readonly CheckRequest[]): Promise<readonly CheckAnswer[]> =>
      this.queue.check(open, resolved);
    // Who names a ZedToken has a write in mind that may be newer than what is kept.
    return resolved === 'full' ? this.monitor.checkCached(checks, checkUncached) : checkUncached(checks);
  }

  tokenProblem(token: string): string | undefined {
    const parsed = parseZedToken(token);
    if (parsed === undefined || (this.datastore !== undefined && parsed.datastore !== this.datastore))
      return 'is not a ZedToken of this deployment';
    return undefined;
  }

  async lookupResources(lookup: ResourceLookup, consistency: Consistency): Promise<ResourceLookupResult> {
    const resolved = toProtoConsistency(await this.resolveConsistency(consistency));
    return this.lookupLimiter.run('lookupResources', lookup, () =>
      api.lookupResources(this.connection, lookup, resolved),
    );
  }

  async lookupSubjects(lookup: SubjectLookup, consistency: Consistency): Promise<SubjectLookupResult> {
    const resolved = toProtoConsistency(await this.resolveConsistency(consistency));
    return this.lookupLimiter.run('lookupSubjects', lookup, () =>
      api.lookupSubjects(this.connection, lookup, resolved),
    );
  }

  /** Who wrote is in the metadata of SpiceDB's transaction, which its Watch tells. */
  async write(updates: readonly RelationshipUpdate[], by: string): Promise<string> {
    const request = v1.WriteRelationshipsRequest.create({
      updates: updates.map(toProtoUpdate),
      optionalTransactionMetadata: toProtoStruct({ written_by: by }),
    });
    const { writtenAt } = await this.connection
      .writeRelationships(request)
      .catch((error: unknown) => {
        throw toGraphError(error, 'updates');
      })
      .finally(() => this.monitor.invalidate());
    if (writtenAt === undefined) throw new Fault('relationships_unavailable', 'a write without a ZedToken');
    this.noteDatastore(writtenAt.token);
    this.tokenStates.set(writtenAt.token, 'good');
    return writtenAt.token;
  }

  async read(filter: RelationshipFilter, limit: number): Promise<readonly Relationship[]> {
    this.monitor.assertSchemaFits();
    const relationships = await api
      .readRelationships(this.connection, filter, limit, api.FULLY_CONSISTENT)
      .catch(throwGraphError);
    return relationships.map(fromProtoRelationship);
  }

  /** Writes nothing to the server: it has to have that schema. */
  async startSuccessor(schema: GraphSchema, onReady: (next: GraphEngine) => void): Promise<void> {
    onReady(await ServerRelationships.start(schema, this.options));
  }

  stats(): EngineStats {
    return this.connection.stats();
  }

  counts(): GraphCounts {
    return { caches: this.monitor.caches, ...this.queue.counts() };
  }

  close(): Promise<void> {
    this.monitor.stop();
    this.connection.close();
    return Promise.resolve();
  }

  /**
   * The consistency to ask with. SpiceDB takes any revision at its word, also one that is yet to come; so a token that
   * isn't known is shown to it as an exact snapshot, which it looks at.
   * @throws BadRequest where it is none of SpiceDB's, Fault
   */
  private async resolveConsistency(consistency: Consistency): Promise<Consistency> {
    this.monitor.assertSchemaFits();
    if (consistency === 'full') return consistency;
    const token = consistency.atLeast;
    const problem = this.tokenProblem(token);
    if (problem !== undefined) throw new BadRequest(problem, CONSISTENCY_PLACE);
    const state = this.tokenStates.get(token) ?? (await this.probeToken(token));
    this.tokenStates.set(token, state);
    // Older than SpiceDB remembers: now is fresher than that.
    return state === 'old' ? 'full' : consistency;
  }

  private async probeToken(token: string): Promise<'good' | 'old'> {
    const [resourceType = ''] = this.schema.definitionNames();
    const request = v1.ReadRelationshipsRequest.create({
      consistency: api.atExactSnapshot(token),
      relationshipFilter: { resourceType },
      optionalLimit: 1,
    });
    try {
      await this.connection.readRelationships(request);
      return 'good';
    } catch (error) {
      const { code, text } = readGrpcStatus(error);
      if (code === 'OUT_OF_RANGE' && /expired|stale/i.test(text)) return 'old';
      if (code === 'OUT_OF_RANGE') throw new BadRequest('is a ZedToken of the future', CONSISTENCY_PLACE);
      if (code === 'INVALID_ARGUMENT') throw new BadRequest('is not a ZedToken of this deployment', CONSISTENCY_PLACE);
      throw toGraphError(error);
    }
  }

  /** What needs a proof is answered once it has one; the others don't wait for it. */
  private async checkBulk(checks: readonly CheckRequest[], consistency: Consistency): Promise<Promise<CheckAnswer>[]> {
    const resolved = toProtoConsistency(consistency);
    const directAnswers = new Map(
      checks.filter((c) => this.isReadDirectly(c)).map((check) => [check, this.readGrant(check, resolved)]),
    );
    const otherChecks = checks.filter((check) => !directAnswers.has(check));
    const answers = new Map<CheckRequest, Promise<CheckAnswer>>(directAnswers);
    for (const [i, answer] of (await this.checkNow(otherChecks, resolved)).entries())
      answers.set(otherChecks[i] as CheckRequest, answer);
    return checks.map(async (check) => {
      const answer = (await answers.get(check)) ?? OUTAGE_ANSWER;
      this.monitor.cacheAnswer(check, answer);
      return answer;
    });
  }

  private async checkNow(
    checks: readonly CheckRequest[],
    consistency: v1.Consistency,
  ): Promise<Promise<CheckAnswer>[]> {
    if (checks.length === 0) return [];
    const cachedPaths = checks.map((check) => (check.explain === true ? this.paths.get(check) : undefined));
    const steps = [...new Map(cachedPaths.flatMap((r) => [...(r?.steps ?? [])]))];
    const allChecks = [...checks, ...steps.map(([, step]) => step)];
    const { answers, at: checkedAt } = await api.checkBulk(this.connection, allChecks, consistency);
    const heldKeys = new Set(
      steps.flatMap(([key], i) => (answers[checks.length + i]?.answer.result === 'yes' ? [key] : [])),
    );
    return checks.map((check, i) => {
      const { path, steps: needed } = cachedPaths[i] ?? {};
      const isPathIntact = needed !== undefined && [...needed.keys()].every((key) => heldKeys.has(key));
      return this.concludeAnswer(check, answers[i], checkedAt, isPathIntact ? path : undefined);
    });
  }

  /** What can end by itself and is one relationship: reading that says in one call what a check would leave open. */
  private isReadDirectly({ resource: { type }, permission }: CheckRequest): boolean {
    return (
      this.schema.reachability.reachesExpiration(type, permission) && this.schema.isDirectRelation(type, permission)
    );
  }

  /** Never throws. */
  private async readGrant(check: CheckRequest, consistency: v1.Consistency): Promise<CheckAnswer> {
    try {
      const grant = await this.proofLimit.run(() => api.readDirectRelationship(this.connection, check, consistency));
      // Of what isn't there SpiceDB doesn't say when that was so; a check does.
      if (grant === undefined) {
        const [answer] = await this.checkNow([check], consistency);
        return (await answer) ?? OUTAGE_ANSWER;
      }
      this.noteDatastore(grant.readAt);
      const { expiresAt, ...relationship } = fromProtoRelationship(grant.relationship);
      return {
        result: 'yes',
        revision: grant.readAt,
        ...(check.explain === true ? { path: [relationshipKey(relationship)] } : {}),
        ...(expiresAt === undefined ? {} : { until: new Date(expiresAt).toISOString() }),
      };
    } catch (error) {
      return toFailureAnswer(error) as CheckAnswer;
    }
  }

  /** @param path that was told before and is still there */
  private async concludeAnswer(
    check: CheckRequest,
    tracedAnswer: api.TracedAnswer | undefined,
    revision: string | undefined,
    path: readonly string[] | undefined,
  ): Promise<CheckAnswer> {
    const answer = tracedAnswer?.answer ?? OUTAGE_ANSWER;
    if (answer.result === 'unknown' || answer.result === 'unanswerable') return answer;
    if (revision === undefined) return OUTAGE_ANSWER;
    this.noteDatastore(revision);
    if (answer.result !== 'yes') return { ...answer, revision };
    const { type } = check.resource;
    const canExpire = this.schema.reachability.reachesExpiration(type, check.permission);
    if (!canExpire && check.explain !== true) return { ...answer, revision };
    if (canExpire) return this.proveAnswer(check, revision);
    return path === undefined ? this.explainAnswer(check, revision) : { result: 'yes', revision, path };
  }

  /** A yes that can end by itself, with what grants it in hand. Never throws. */
  private async proveAnswer(check: CheckRequest, revision: string): Promise<CheckAnswer> {
    if (this.schema.reachability.hasHiddenExpiration(check.resource.type, check.permission)) return UNPROVABLE_ANSWER;
    const until = performance.now() + this.deadlineMs;
    try {
      const proof = await this.proofLimit.run(() =>
        proveGrant(check, this.schema, this.createSnapshotReader(revision), { checkCaveats: true, deadline: until }),
      );
      if (proof.kind === 'none') return { result: 'no', revision };
      if (proof.kind === 'unsure')
        return performance.now() > until ? { result: 'unknown', fault: 'deadline_exceeded' } : UNPROVABLE_ANSWER;
      return {
        result: 'yes',
        revision,
        ...(check.explain === true ? { path: proof.path ?? [] } : {}),
        ...(proof.until === undefined ? {} : { until: proof.until }),
      };
    } catch (error) {
      return toFailureAnswer(error) as CheckAnswer;
    }
  }

  /** A yes that only a write ends, with its path where that can be told in time. Never throws. */
  private async explainAnswer(check: CheckRequest, revision: string): Promise<CheckAnswer> {
    const ms = this.deadlineMs * EXPLANATION_TIME_SHARE;
    const until = performance.now() + ms;
    const pathPromise = this.proofLimit
      .run(
        () =>
          proveGrant(check, this.schema, this.createSnapshotReader(revision), { checkCaveats: false, deadline: until }),
        { priority: 'low' },
      )
      .then((proof) => (proof.kind === 'proved' ? (proof.path ?? []) : []))
      .catch((): readonly string[] => []);
    void pathPromise.then((path) => this.paths.set(check, path));
    return { result: 'yes', revision, path: await withTimeout(pathPromise, ms, () => []) };
  }

  /** All at the revision of the answer that is looked into. */
  private createSnapshotReader(revision: string): SnapshotReader {
    const { connection } = this;
    const snapshot = api.atExactSnapshot(revision);
    const checkAtSnapshot = async (checks: readonly CheckRequest[]): Promise<readonly boolean[]> => {
      const { answers } = await api.checkBulk(connection, checks, snapshot);
      for (const { answer } of answers) if (answer.result === 'unknown') throw new Fault(answer.fault);
      return answers.map(({ answer }) => answer.result === 'yes');
    };
    return {
      readRelationships: async (filter, limit) =>
        (await api.readRelationships(connection, filter, limit, snapshot)).map(fromProtoRelationship),
      checkPermissions: checkAtSnapshot,
      // Asked together with an object that nobody knows, a check is none that SpiceDB has kept.
      checkUncached: async (check) => {
        const unknown = { type: check.resource.type, id: randomBytes(12).toString('hex') };
        return (await checkAtSnapshot([check, { ...check, resource: unknown }]))[0] === true;
      },
    };
  }

  /** Remembers of which datastore its tokens are: another one behind the same endpoint has others. */
  private noteDatastore(token: string | undefined): void {
    const parsed = token === undefined ? undefined : parseZedToken(token);
    if (parsed !== undefined) this.datastore = parsed.datastore;
  }
}

const UNPROVABLE_ANSWER: CheckAnswer = {
  result: 'unanswerable',
  message:
    'whether what grants it has ended can not be told: a caveat, a subtraction or too many relationships are on the way',
};

function toProtoConsistency(consistency: Consistency): v1.Consistency {
  return consistency === 'full' ? api.FULLY_CONSISTENT : api.atLeastAsFresh(consistency.atLeast);
}

function throwGraphError(error: unknown): never {
  throw toGraphError(error);
}
