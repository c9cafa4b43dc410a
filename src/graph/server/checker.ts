/**
 * Bulk checks with a SpiceDB server. The server caches what it has worked out past the expiration of relationships that
 * it came from, so a yes that can expire is believed only with a proof; a yes that can't is given its path where one is
 * wanted and can be found in time.
 */
import type { CheckAnswer, CheckRequest, ReadConsistency } from '../../model/checks.js';
import type { CacheCountsByName } from '../../telemetry/counted-cache.js';
import { ConcurrencyLimit } from '../../runtime/concurrency-limit.js';
import { withTimeout } from '../../runtime/timeout.js';
import type { BulkChecker } from '../check-queue.js';
import { OUTAGE_ANSWER, toFailureAnswer } from '../errors.js';
import { isExactly } from '../port.js';
import { relationshipKey } from '../relationship-text.js';
import type { GraphSchema } from '../schema/schema.js';
import { checkBulk, type TracedAnswer } from '../bulk-check.js';
import { toProtoConsistency, type SpiceDBClient } from '../spicedb-api.js';
import { proveGrant } from './grant-proof.js';
import { PathCache } from './path-cache.js';
import { ReadCache } from './read-cache.js';
import { readClocks, type RevisionCache } from './revision-cache.js';
import { createSnapshotReader, type SnapshotReader } from './snapshot-reader.js';

/** Each proof has up to a few reads under way. */
const CONCURRENT_PROOFS = 32;
/** The share of a decision's time that its explanation may take: an answer without its path is better than none. */
const EXPLANATION_TIME_SHARE = 0.4;

const UNPROVABLE_ANSWER: CheckAnswer = {
  result: 'unanswerable',
  message:
    'whether what grants it has ended can not be told: a caveat, a subtraction or too many relationships are on the way',
};

/** The answers of checks, some of which wait for a proof; none throws. */
type Answers = Map<CheckRequest, Promise<CheckAnswer>>;

export interface ServerCheckerOptions {
  /** The time in milliseconds that a decision may take. */
  readonly deadlineMs: number;
  /** Is given each revision, as a ZedToken, that SpiceDB has answered at. */
  readonly onRevision: (revision: string) => void;
}

export class ServerChecker implements BulkChecker {
  private readonly proofLimit = new ConcurrencyLimit(CONCURRENT_PROOFS);
  private readonly paths: PathCache;
  private readonly reads: ReadCache;

  constructor(
    private readonly client: SpiceDBClient,
    private readonly schema: GraphSchema,
    private readonly cache: RevisionCache,
    private readonly options: ServerCheckerOptions,
  ) {
    this.paths = new PathCache(schema);
    this.reads = new ReadCache(cache.history);
  }

  get caches(): CacheCountsByName {
    return { ...this.cache.caches, ...this.reads.caches };
  }

  /**
   * An answer each, in order, all of one revision. One that needs a proof comes once it has one; the others don't wait for
   * it.
   */
  async checkBulk(checks: readonly CheckRequest[], consistency: ReadConsistency): Promise<Promise<CheckAnswer>[]> {
    const answers = isExactly(consistency)
      ? await this.checkExactly(checks, consistency.exactly)
      : await this.checkNewest(checks, consistency);
    return checks.map((check) => answers.get(check) ?? Promise.resolve(OUTAGE_ANSWER));
  }

  /** Asks SpiceDB for nothing but its newest revision where all is cached: that tells whether the cache still holds. */
  private async checkNewest(checks: readonly CheckRequest[], consistency: ReadConsistency): Promise<Answers> {
    const cachedRevision = consistency === 'full' ? this.cache.cachedRevision : undefined;
    const isCached = (check: CheckRequest): boolean =>
      cachedRevision !== undefined && this.cache.hasAnswer(check, cachedRevision);
    const [cached, uncached] = partition(checks, isCached);
    const { answers, revision } = await this.askSpiceDB(uncached, consistency);
    if (cached.length === 0) return answers;
    // SpiceDB has failed, and says so of each check.
    if (revision === undefined) return new Map([...answers, ...(await this.askSpiceDB(cached, consistency)).answers]);
    // Something may have been written since: what is still cached holds at the revision, too.
    const atRevision = cached.map((check) => [check, this.cache.getAnswer(check, revision)] as const);
    for (const [check, answer] of atRevision) if (answer !== undefined) answers.set(check, Promise.resolve(answer));
    const changed = cached.filter((check) => !answers.has(check));
    return changed.length === 0 ? answers : new Map([...answers, ...(await this.checkExactly(changed, revision))]);
  }

  private async checkExactly(checks: readonly CheckRequest[], revision: string): Promise<Answers> {
    const answers: Answers = new Map();
    // Where the revision is known already, reading says in one call what a check would leave open.
    for (const check of checks) if (this.isReadDirectly(check)) answers.set(check, this.readGrant(check, revision));
    const others = checks.filter((check) => !answers.has(check));
    if (others.length === 0) return this.cacheAnswers(answers);
    return new Map([...this.cacheAnswers(answers), ...(await this.askSpiceDB(others, { exactly: revision })).answers]);
  }

  /**
   * The checks in one call, and with them one for each relationship of the paths that were found for them before: a path
   * that is still there need not be looked for again. Without checks it asks for the revision.
   */
  private async askSpiceDB(
    checks: readonly CheckRequest[],
    consistency: ReadConsistency,
  ): Promise<{ readonly answers: Answers; readonly revision: string | undefined }> {
    const cachedPaths = checks.map((check) => (check.explain === true ? this.paths.get(check) : undefined));
    const steps = new Map(cachedPaths.flatMap((cached) => [...(cached?.steps ?? [])]));
    const allChecks = [...checks, ...steps.values()];
    const askedAt = readClocks();
    const { answers, checkedAt } = await checkBulk(this.client, allChecks, toProtoConsistency(consistency));
    const revision = isExactly(consistency) ? consistency.exactly : checkedAt;
    if (checkedAt !== undefined) this.options.onRevision(checkedAt);
    if (checkedAt === undefined && answers.every(({ answer }) => answer.result === 'unknown')) this.cache.noteOutage();
    else if (consistency === 'full' && revision !== undefined) this.cache.observeRevision(revision, askedAt);
    const stepAnswers = answers.slice(checks.length);
    const heldSteps = new Set([...steps.keys()].filter((_, i) => stepAnswers[i]?.answer.result === 'yes'));
    const concluded = checks.map((check, i) => {
      const cached = cachedPaths[i];
      const isIntact = cached !== undefined && [...cached.steps.keys()].every((key) => heldSteps.has(key));
      const answer = this.concludeAnswer(check, answers[i], revision, isIntact ? cached.path : undefined);
      return [check, answer] as const;
    });
    return { answers: this.cacheAnswers(new Map(concluded)), revision };
  }

  private readAt(revision: string): SnapshotReader {
    return createSnapshotReader(this.client, revision, this.reads);
  }

  private cacheAnswers(answers: Answers): Answers {
    for (const [check, answer] of answers) void answer.then((result) => this.cache.setAnswer(check, result));
    return answers;
  }

  /** Whether it can expire and is one relationship. */
  private isReadDirectly({ resource: { type }, permission }: CheckRequest): boolean {
    return (
      this.schema.reachability.reachesExpiration(type, permission) && this.schema.isDirectRelation(type, permission)
    );
  }

  /** Reads the one relationship that a check is about. Never throws. */
  private async readGrant(check: CheckRequest, revision: string): Promise<CheckAnswer> {
    try {
      const filter = {
        resourceType: check.resource.type,
        resourceId: check.resource.id,
        relation: check.permission,
        subjectType: check.subject.type,
        subjectId: check.subject.id,
        subjectRelation: '',
      };
      const reader = this.readAt(revision);
      const [granting] = await this.proofLimit.run(() => reader.readRelationships(filter, 1));
      if (granting === undefined) return { result: 'no', revision };
      const { expiresAt, ...relationship } = granting;
      return {
        result: 'yes',
        revision,
        ...(check.explain === true ? { path: [relationshipKey(relationship)] } : {}),
        ...(expiresAt === undefined ? {} : { until: new Date(expiresAt).toISOString() }),
      };
    } catch (error) {
      return toFailureAnswer(error) as CheckAnswer;
    }
  }

  /** @param path one that was found before and is still there */
  private async concludeAnswer(
    check: CheckRequest,
    tracedAnswer: TracedAnswer | undefined,
    revision: string | undefined,
    path: readonly string[] | undefined,
  ): Promise<CheckAnswer> {
    const answer = tracedAnswer?.answer ?? OUTAGE_ANSWER;
    if (answer.result === 'unknown' || answer.result === 'unanswerable') return answer;
    if (revision === undefined) return OUTAGE_ANSWER;
    const { reachability } = this.schema;
    if (answer.result === 'no' && reachability.canGainByExpiration(check.resource.type, check.permission))
      return { ...answer, revision, mayBeLate: true };
    if (answer.result !== 'yes') return { ...answer, revision };
    if (this.isReadDirectly(check)) return this.readGrant(check, revision);
    if (reachability.reachesExpiration(check.resource.type, check.permission)) return this.proveAnswer(check, revision);
    if (check.explain !== true) return { ...answer, revision };
    return path === undefined ? this.explainAnswer(check, revision) : { result: 'yes', revision, path };
  }

  /** The answer to a check that SpiceDB says yes to, where that can expire: yes only with a proof. Never throws. */
  private async proveAnswer(check: CheckRequest, revision: string): Promise<CheckAnswer> {
    if (this.schema.reachability.hasHiddenExpiration(check.resource.type, check.permission)) return UNPROVABLE_ANSWER;
    const deadline = performance.now() + this.options.deadlineMs;
    const reader = this.readAt(revision);
    try {
      const proof = await this.proofLimit.run(() =>
        proveGrant(check, this.schema, reader, { checkCaveats: true, deadline }),
      );
      if (proof.kind === 'none') return { result: 'no', revision };
      if (proof.kind === 'unsure')
        return performance.now() > deadline ? { result: 'unknown', fault: 'deadline_exceeded' } : UNPROVABLE_ANSWER;
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

  /** A yes that only a write ends, with its path where that is found in time; otherwise an empty path. Never throws. */
  private async explainAnswer(check: CheckRequest, revision: string): Promise<CheckAnswer> {
    const ms = this.options.deadlineMs * EXPLANATION_TIME_SHARE;
    const deadline = performance.now() + ms;
    const path = this.findPath(check, revision, deadline).catch((): readonly string[] => []);
    // Also a path that comes too late for this answer serves the next one.
    void path.then((steps) => this.paths.set(check, steps));
    return { result: 'yes', revision, path: await withTimeout(path, ms, () => []) };
  }

  private async findPath(check: CheckRequest, revision: string, deadline: number): Promise<readonly string[]> {
    const reader = this.readAt(revision);
    const proof = await this.proofLimit.run(
      () => proveGrant(check, this.schema, reader, { checkCaveats: false, deadline }),
      { priority: 'low' },
    );
    return proof.kind === 'proved' ? (proof.path ?? []) : [];
  }
}

function partition<T>(items: readonly T[], belongs: (item: T) => boolean): [T[], T[]] {
  const [first, second]: [T[], T[]] = [[], []];
  for (const item of items) (belongs(item) ? first : second).push(item);
  return [first, second];
}
