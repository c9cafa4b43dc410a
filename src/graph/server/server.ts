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
import type { Graph } from '../schema/schema.js';
import type { EngineStats } from '../../telemetry/engine-stats.js';
import type { WatchCalls } from '../../telemetry/calls.js';
import * as calls from '../spicedb-api.js';
import { Connection, patiently, type ServerAddress } from './connection.js';
import { Current, type CurrentOptions } from './revision-monitor.js';
import { summary } from './schema-monitor.js';
import { Lookups } from '../lookup-limiter.js';
import { fromRelationship, struct, toUpdate } from '../protobuf.js';
import { prove, type Reading } from './grant-proof.js';
import {
  CONSISTENCY_PLACE,
  type Engine,
  type GraphCounts,
  type FoundResources,
  type FoundSubjects,
  type RelationshipFilter,
  type ResourceLookup,
  type SubjectLookup,
} from '../port.js';
import { type CheckAnswer } from '../../model/checks.js';
import { type AskedCheck } from '../../model/checks.js';
import { type Consistency } from '../../model/checks.js';
import { CheckQueue } from '../check-queue.js';
import { failure, OUTAGE, refusalOf, refused } from '../errors.js';
import { differences } from './schema-diff.js';
import { RememberedPaths } from './path-cache.js';
import { Turns } from '../../runtime/concurrency-limit.js';
import { readZedToken } from './zedtoken.js';

/** Checks of one call: a server works on those of one call side by side, and refuses more than ten thousand. */
const MAX_BULK = 500;
/** Calls with checks under way at once. */
const BULKS_AT_ONCE = 4;
/** Lookups of this replica. */
const LOOKUPS = { atOnce: 32, abandoned: 8 };

/** ZedTokens that are known to be good, and those that are older than SpiceDB remembers. */
const KNOWN_TOKENS = 10_000;

/** Each has up to a few reads under way. */
const PROOFS_AT_ONCE = 32;
/** Of a decision's time, what its explanation may take: an answer without its path is better than none. */
const EXPLAINING = 0.4;

export interface ServerOptions extends ServerAddress, CurrentOptions {
  /** How long a decision may take: calls that one waits for take no longer. */
  readonly deadlineMs: number;
  /** How long a start waits for a SpiceDB that isn't there yet. */
  readonly patienceMs?: number;
  readonly watch?: WatchCalls | undefined;
}

export class ServerRelationships implements Engine {
  private readonly queue: CheckQueue;
  private readonly lookups = new Lookups(LOOKUPS);
  private readonly proving = new Turns(PROOFS_AT_ONCE);
  private readonly paths: RememberedPaths;
  private readonly tokens = new LRUCache<string, 'good' | 'old'>({ max: KNOWN_TOKENS });
  private readonly current: Current;
  private readonly deadlineMs: number;
  /** By which its ZedTokens begin; undefined until one has been seen. */
  private datastore: string | undefined;

  private constructor(
    private readonly connection: Connection,
    private readonly graph: Graph,
    private readonly options: ServerOptions,
  ) {
    const { deadlineMs } = options;
    this.deadlineMs = deadlineMs;
    this.current = new Current(connection, graph, options);
    this.paths = new RememberedPaths(graph);
    this.queue = new CheckQueue(
      // Others write as well, so nobody joins a question that is under way.
      { together: (checks, consistency) => this.ask(checks, consistency) },
      { bulk: MAX_BULK, atOnce: BULKS_AT_ONCE, waitMs: deadlineMs },
    );
  }

  /**
   * Connects, and holds the server's schema against the file's; writes nothing.
   * @throws ConfigError where they differ, or the server refuses key or certificate; Fault where it doesn't answer
   */
  static async start(graph: Graph, { patienceMs, ...options }: ServerOptions): Promise<ServerRelationships> {
    const connection = new Connection(options, options.deadlineMs, options.watch);
    try {
      const { found, readAt } = await patiently(() => differences(connection, graph), options, patienceMs);
      const differs = summary(found);
      if (differs !== undefined)
        throw new ConfigError(
          `differs from the schema of SpiceDB at ${options.endpoint}, which "remit migrate" changes: ${differs}`,
          graph.file,
        );
      connection.guard(graph.definitionNames()[0] ?? '', options.log ?? (() => undefined));
      const engine = new ServerRelationships(connection, graph, options);
      engine.note(readAt);
      return engine;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  async check(checks: readonly AskedCheck[], consistency: Consistency): Promise<readonly CheckAnswer[]> {
    const settled = await this.settled(consistency).catch((error: unknown) => {
      if (error instanceof BadRequest) throw error;
      return failure(error) as CheckAnswer;
    });
    if (settled !== 'full' && 'result' in settled) return checks.map(() => settled);
    const ask = (open: readonly AskedCheck[]): Promise<readonly CheckAnswer[]> => this.queue.ask(open, settled);
    // Who names a ZedToken has a write in mind that may be newer than what is kept.
    return settled === 'full' ? this.current.answers(checks, ask) : ask(checks);
  }

  tokenProblem(token: string): string | undefined {
    const read = readZedToken(token);
    if (read === undefined || (this.datastore !== undefined && read.datastore !== this.datastore))
      return 'is not a ZedToken of this deployment';
    return undefined;
  }

  async lookupResources(lookup: ResourceLookup, consistency: Consistency): Promise<FoundResources> {
    const at = consistencyOf(await this.settled(consistency));
    return this.lookups.ask('lookupResources', lookup, () => calls.lookupResources(this.connection, lookup, at));
  }

  async lookupSubjects(lookup: SubjectLookup, consistency: Consistency): Promise<FoundSubjects> {
    const at = consistencyOf(await this.settled(consistency));
    return this.lookups.ask('lookupSubjects', lookup, () => calls.lookupSubjects(this.connection, lookup, at));
  }

  /** Who wrote is in the metadata of SpiceDB's transaction, which its Watch tells. */
  async write(updates: readonly RelationshipUpdate[], by: string): Promise<string> {
    const request = v1.WriteRelationshipsRequest.create({
      updates: updates.map(toUpdate),
      optionalTransactionMetadata: struct({ written_by: by }),
    });
    const { writtenAt } = await this.connection
      .writeRelationships(request)
      .catch((error: unknown) => {
        throw refused(error, 'updates');
      })
      .finally(() => this.current.written());
    if (writtenAt === undefined) throw new Fault('relationships_unavailable', 'a write without a ZedToken');
    this.note(writtenAt.token);
    this.tokens.set(writtenAt.token, 'good');
    return writtenAt.token;
  }

  async read(filter: RelationshipFilter, limit: number): Promise<readonly Relationship[]> {
    this.current.fits();
    const found = await calls.rows(this.connection, filter, limit, calls.NOW).catch(refuse);
    return found.map(fromRelationship);
  }

  /** Writes nothing to the server: it has to have that schema. */
  async succeed(graph: Graph, take: (next: Engine) => void): Promise<void> {
    take(await ServerRelationships.start(graph, this.options));
  }

  stats(): EngineStats {
    return this.connection.stats();
  }

  counts(): GraphCounts {
    return { caches: this.current.caches, ...this.queue.counts() };
  }

  close(): Promise<void> {
    this.current.end();
    this.connection.close();
    return Promise.resolve();
  }

  /**
   * The consistency to ask with. SpiceDB takes any revision at its word, also one that is yet to come; so a token that
   * isn't known is shown to it as an exact snapshot, which it looks at.
   * @throws BadRequest where it is none of SpiceDB's, Fault
   */
  private async settled(consistency: Consistency): Promise<Consistency> {
    this.current.fits();
    if (consistency === 'full') return consistency;
    const token = consistency.atLeast;
    const problem = this.tokenProblem(token);
    if (problem !== undefined) throw new BadRequest(problem, CONSISTENCY_PLACE);
    const known = this.tokens.get(token) ?? (await this.probe(token));
    this.tokens.set(token, known);
    // Older than SpiceDB remembers: now is fresher than that.
    return known === 'old' ? 'full' : consistency;
  }

  private async probe(token: string): Promise<'good' | 'old'> {
    const [resourceType = ''] = this.graph.definitionNames();
    const request = v1.ReadRelationshipsRequest.create({
      consistency: calls.exactly(token),
      relationshipFilter: { resourceType },
      optionalLimit: 1,
    });
    try {
      await this.connection.readRelationships(request);
      return 'good';
    } catch (error) {
      const { code, text } = refusalOf(error);
      if (code === 'OUT_OF_RANGE' && /expired|stale/i.test(text)) return 'old';
      if (code === 'OUT_OF_RANGE') throw new BadRequest('is a ZedToken of the future', CONSISTENCY_PLACE);
      if (code === 'INVALID_ARGUMENT') throw new BadRequest('is not a ZedToken of this deployment', CONSISTENCY_PLACE);
      throw refused(error);
    }
  }

  /** What needs a proof is answered once it has one; the others don't wait for it. */
  private async ask(checks: readonly AskedCheck[], consistency: Consistency): Promise<Promise<CheckAnswer>[]> {
    const at = consistencyOf(consistency);
    const read = new Map(checks.filter((c) => this.isRead(c)).map((check) => [check, this.granted(check, at)]));
    const asked = checks.filter((check) => !read.has(check));
    const answered = new Map<AskedCheck, Promise<CheckAnswer>>(read);
    for (const [i, answer] of (await this.checked(asked, at)).entries()) answered.set(asked[i] as AskedCheck, answer);
    return checks.map(async (check) => {
      const answer = (await answered.get(check)) ?? OUTAGE;
      this.current.keep(check, answer);
      return answer;
    });
  }

  private async checked(checks: readonly AskedCheck[], consistency: v1.Consistency): Promise<Promise<CheckAnswer>[]> {
    if (checks.length === 0) return [];
    const remembered = checks.map((check) => (check.explain === true ? this.paths.of(check) : undefined));
    const steps = [...new Map(remembered.flatMap((r) => [...(r?.steps ?? [])]))];
    const all = [...checks, ...steps.map(([, step]) => step)];
    const { answers, at } = await calls.checkTogether(this.connection, all, consistency);
    const there = new Set(
      steps.flatMap(([key], i) => (answers[checks.length + i]?.answer.result === 'yes' ? [key] : [])),
    );
    return checks.map((check, i) => {
      const { path, steps: needed } = remembered[i] ?? {};
      const holds = needed !== undefined && [...needed.keys()].every((key) => there.has(key));
      return this.conclude(check, answers[i], at, holds ? path : undefined);
    });
  }

  /** What can end by itself and is one relationship: reading that says in one call what a check would leave open. */
  private isRead({ resource: { type }, permission }: AskedCheck): boolean {
    return this.graph.reach.reachesExpiration(type, permission) && this.graph.isDirect(type, permission);
  }

  /** Never throws. */
  private async granted(check: AskedCheck, consistency: v1.Consistency): Promise<CheckAnswer> {
    try {
      const found = await this.proving.take('needed', () => calls.direct(this.connection, check, consistency));
      // Of what isn't there SpiceDB doesn't say when that was so; a check does.
      if (found === undefined) {
        const [answer] = await this.checked([check], consistency);
        return (await answer) ?? OUTAGE;
      }
      this.note(found.at);
      const { expiresAt, ...relationship } = fromRelationship(found.relationship);
      return {
        result: 'yes',
        revision: found.at,
        ...(check.explain === true ? { path: [relationshipKey(relationship)] } : {}),
        ...(expiresAt === undefined ? {} : { until: new Date(expiresAt).toISOString() }),
      };
    } catch (error) {
      return failure(error) as CheckAnswer;
    }
  }

  /** @param path that was told before and is still there */
  private async conclude(
    check: AskedCheck,
    answered: calls.Answered | undefined,
    revision: string | undefined,
    path: readonly string[] | undefined,
  ): Promise<CheckAnswer> {
    const answer = answered?.answer ?? OUTAGE;
    if (answer.result === 'unknown' || answer.result === 'unanswerable') return answer;
    if (revision === undefined) return OUTAGE;
    this.note(revision);
    if (answer.result !== 'yes') return { ...answer, revision };
    const { type } = check.resource;
    const ends = this.graph.reach.reachesExpiration(type, check.permission);
    if (!ends && check.explain !== true) return { ...answer, revision };
    if (ends) return this.believed(check, revision);
    return path === undefined ? this.explained(check, revision) : { result: 'yes', revision, path };
  }

  /** A yes that can end by itself, with what grants it in hand. Never throws. */
  private async believed(check: AskedCheck, revision: string): Promise<CheckAnswer> {
    if (this.graph.reach.endsUnseen(check.resource.type, check.permission)) return untold;
    const until = performance.now() + this.deadlineMs;
    try {
      const proof = await this.proving.take('needed', () =>
        prove(check, this.graph, this.reading(revision), { caveated: true, until }),
      );
      if (proof.kind === 'none') return { result: 'no', revision };
      if (proof.kind === 'unsure')
        return performance.now() > until ? { result: 'unknown', fault: 'deadline_exceeded' } : untold;
      return {
        result: 'yes',
        revision,
        ...(check.explain === true ? { path: proof.path ?? [] } : {}),
        ...(proof.until === undefined ? {} : { until: proof.until }),
      };
    } catch (error) {
      return failure(error) as CheckAnswer;
    }
  }

  /** A yes that only a write ends, with its path where that can be told in time. Never throws. */
  private async explained(check: AskedCheck, revision: string): Promise<CheckAnswer> {
    const ms = this.deadlineMs * EXPLAINING;
    const until = performance.now() + ms;
    const path = this.proving
      .take('wanted', () => prove(check, this.graph, this.reading(revision), { caveated: false, until }))
      .then((proof) => (proof.kind === 'proved' ? (proof.path ?? []) : []))
      .catch((): readonly string[] => []);
    void path.then((told) => this.paths.keep(check, told));
    return { result: 'yes', revision, path: await within(ms, path, []) };
  }

  /** All at the revision of the answer that is looked into. */
  private reading(revision: string): Reading {
    const { connection } = this;
    const at = calls.exactly(revision);
    const ask = async (checks: readonly AskedCheck[]): Promise<readonly boolean[]> => {
      const { answers } = await calls.checkTogether(connection, checks, at);
      for (const { answer } of answers) if (answer.result === 'unknown') throw new Fault(answer.fault);
      return answers.map(({ answer }) => answer.result === 'yes');
    };
    return {
      rows: async (filter, limit) => (await calls.rows(connection, filter, limit, at)).map(fromRelationship),
      holds: ask,
      // Asked together with an object that nobody knows, a check is none that SpiceDB has kept.
      holdsNow: async (check) => {
        const unknown = { type: check.resource.type, id: randomBytes(12).toString('hex') };
        return (await ask([check, { ...check, resource: unknown }]))[0] === true;
      },
    };
  }

  /** Remembers of which datastore its tokens are: another one behind the same endpoint has others. */
  private note(token: string | undefined): void {
    const read = token === undefined ? undefined : readZedToken(token);
    if (read !== undefined) this.datastore = read.datastore;
  }
}

const untold: CheckAnswer = {
  result: 'unanswerable',
  message:
    'whether what grants it has ended can not be told: a caveat, a subtraction or too many relationships are on the way',
};

/** What comes of the work in so much time, otherwise `instead`. */
async function within<T>(ms: number, work: Promise<T>, instead: T): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<T>((resolve) => {
    timer = setTimeout(() => resolve(instead), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

function consistencyOf(consistency: Consistency): v1.Consistency {
  return consistency === 'full' ? calls.NOW : calls.atLeast(consistency.atLeast);
}

function refuse(error: unknown): never {
  throw refused(error);
}
