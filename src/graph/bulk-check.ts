/**
 * Bulk checks over any client of SpiceDB, for both engines: one bad item denies none of its neighbours, and all answers
 * are of one revision.
 */
import { v1 } from '@authzed/authzed-node';
import type { CheckRequest } from '../model/checks.js';
import {
  isInvalidRequest,
  isTooLarge,
  mayBeOneItem,
  OUTAGE_ANSWER,
  toFailureAnswer,
  type AnswerWithoutRevision,
} from './errors.js';
import { atExactSnapshot, toBulkRequest, type CheckTrace, type SpiceDBClient } from './spicedb-api.js';

export interface TracedAnswer {
  readonly answer: AnswerWithoutRevision;
  /** Set where tracing was asked for. */
  readonly trace?: CheckTrace | undefined;
}

/** The answers of one bulk, all of one revision. */
export interface BulkAnswers {
  readonly answers: readonly TracedAnswer[];
  /** The revision, as a ZedToken; undefined where SpiceDB has answered nothing. */
  readonly checkedAt: string | undefined;
}

/** Calls that may fail, for one bulk, with what isn't clearly the request's fault. */
const MAX_DIVIDED_FAILURES = 24;

/**
 * One bulk call. A bulk that is refused is asked again in halves, and an item that fails is asked again alone: one bad
 * item must not deny its neighbours. What is asked again is asked at the revision of the first answer. After an outage
 * nothing is asked again.
 */
export function checkBulk(
  client: SpiceDBClient,
  checks: readonly CheckRequest[],
  consistency: v1.Consistency,
  withTracing = false,
): Promise<BulkAnswers> {
  return new BulkDivision(client, withTracing).check(checks, consistency);
}

class BulkDivision {
  private failures = 0;

  constructor(
    private readonly client: SpiceDBClient,
    private readonly withTracing: boolean,
  ) {}

  async check(checks: readonly CheckRequest[], consistency: v1.Consistency): Promise<BulkAnswers> {
    try {
      const request = toBulkRequest(checks, consistency, this.withTracing);
      const { pairs, checkedAt } = await this.client.checkBulkPermissions(request);
      const revision = checkedAt?.token;
      const later = revision === undefined ? consistency : atExactSnapshot(revision);
      const answers = await Promise.all(
        checks.map(async (check, i) => {
          const pair = pairs[i];
          if (pair?.response.oneofKind !== 'error' || checks.length === 1) return toTracedAnswer(pair);
          return (await this.check([check], later)).answers[0] ?? { answer: OUTAGE_ANSWER };
        }),
      );
      return { answers, checkedAt: revision };
    } catch (error) {
      if (checks.length <= 1 || !this.isDivisible(error))
        return { answers: checks.map(() => ({ answer: toFailureAnswer(error) })), checkedAt: undefined };
      const half = Math.ceil(checks.length / 2);
      const first = await this.check(checks.slice(0, half), consistency);
      const later = first.checkedAt === undefined ? consistency : atExactSnapshot(first.checkedAt);
      const second = await this.check(checks.slice(half), later);
      return { answers: [...first.answers, ...second.answers], checkedAt: first.checkedAt ?? second.checkedAt };
    }
  }

  /** Whether one item may be at fault: whatever the code says, unless the engine is away or has no time left. */
  private isDivisible(error: unknown): boolean {
    if (isInvalidRequest(error) || isTooLarge(error)) return true;
    if (!mayBeOneItem(error)) return false;
    this.failures += 1;
    return this.failures <= MAX_DIVIDED_FAILURES;
  }
}

function toTracedAnswer(pair: v1.CheckBulkPermissionsPair | undefined): TracedAnswer {
  if (pair === undefined) return { answer: OUTAGE_ANSWER };
  const { response } = pair;
  if (response.oneofKind === 'error') return { answer: toFailureAnswer(response.error) };
  if (response.oneofKind !== 'item') return { answer: OUTAGE_ANSWER };
  const { permissionship, partialCaveatInfo, debugTrace } = response.item;
  switch (permissionship) {
    case v1.CheckPermissionResponse_Permissionship.HAS_PERMISSION:
      return { answer: { result: 'yes' }, trace: debugTrace?.check };
    case v1.CheckPermissionResponse_Permissionship.CONDITIONAL_PERMISSION:
      return { answer: { result: 'conditional', missing: partialCaveatInfo?.missingRequiredContext ?? [] } };
    case v1.CheckPermissionResponse_Permissionship.NO_PERMISSION:
      return { answer: { result: 'no' } };
    default:
      return { answer: OUTAGE_ANSWER };
  }
}
