/**
 * The queue of checks on their way to SpiceDB, one in each engine. Checks that come while others are being sent are sent
 * together, and equal ones once. The checks of one call get answers of one revision: where the call names it, a share of
 * each call is sent in turn, so that a long list doesn't hold up a short one; where it doesn't, they all go in one bulk,
 * whose revision SpiceDB chooses.
 */
import { checkKey } from './relationship-text.js';
import { ConcurrencyLimit } from '../runtime/concurrency-limit.js';
import { currentSpan, withLinks, type ActiveSpan } from '../telemetry/active-span.js';
import { isExactly, type QueueCounts } from './port.js';
import type { CheckAnswer, CheckRequest, ReadConsistency } from '../model/checks.js';

/** Checks beyond this are answered `unknown` at once; those of a small call still get in up to twice that. */
const MAX_QUEUED_CHECKS = 20_000;
/** Checks that one call sends before the next call's turn. */
const FAIR_SHARE = 15;

export interface BulkChecker {
  /** Sends the checks together; an answer for each, in order and of one revision. Never throws, nor do the answers. */
  checkBulk(
    checks: readonly CheckRequest[],
    consistency: ReadConsistency,
  ): Promise<readonly (CheckAnswer | Promise<CheckAnswer>)[]>;
  /**
   * A number that changes when an answer of one revision may, as at an expiration: an equal check joins one that is under
   * way until then. Absent where that isn't known; then a check joins only one of its own bulk.
   */
  readonly generation?: () => number;
}

export interface CheckQueueLimits {
  /** Checks of one bulk. */
  readonly bulkSize: number;
  /** Bulks under way at once. */
  readonly concurrentBulks: number;
  /** The time in milliseconds that a caller waits for an answer. */
  readonly maxWaitMs?: number;
}

interface QueuedCheck {
  readonly key: string;
  readonly check: CheckRequest;
  /** When its caller stops waiting, by `performance.now()`. */
  readonly deadline: number;
  /** The span of its caller, where that is traced. */
  readonly span: ActiveSpan | undefined;
  readonly answer: Promise<CheckAnswer>;
  readonly resolve: (answer: CheckAnswer | Promise<CheckAnswer>) => void;
}

/** The checks that wait for a bulk of one consistency, by the call that brought them. */
interface ConsistencyQueue {
  readonly consistency: ReadConsistency;
  readonly calls: QueuedCheck[][];
}

/** Checks that are sent together, each once, with everything that waits for its answer. */
type CheckBulk = Map<string, { readonly check: CheckRequest; readonly waiting: QueuedCheck[] }>;

export class CheckQueue {
  /** A queue for each consistency, by its text: a bulk has only one. */
  private readonly queues = new Map<string, ConsistencyQueue>();
  /** The answers of checks that were sent, which an equal check may join. */
  private readonly underWay = new Map<string, Promise<CheckAnswer>>();
  private waiting = 0;
  private readonly bulks: ConcurrencyLimit;
  private groups = 0;
  private members = 0;

  constructor(
    private readonly checker: BulkChecker,
    private readonly limits: CheckQueueLimits,
  ) {
    this.bulks = new ConcurrencyLimit(limits.concurrentBulks);
  }

  /**
   * An answer for each check, in order. Never throws.
   * @param checks no more than fit in one bulk where the consistency names no revision
   */
  check(checks: readonly CheckRequest[], consistency: ReadConsistency): Promise<readonly CheckAnswer[]> {
    const capacity = checks.length < FAIR_SHARE ? 2 * MAX_QUEUED_CHECKS : MAX_QUEUED_CHECKS;
    if (this.waiting + checks.length > capacity) return Promise.resolve(checks.map(() => OVERLOADED_ANSWER));
    const call: QueuedCheck[] = [];
    const consistencyKey = JSON.stringify(consistency);
    const answers = checks.map((check) => this.enqueue(check, consistency, consistencyKey, call));
    if (call.length > 0) {
      const queue = this.queues.get(consistencyKey) ?? { consistency, calls: [] };
      this.queues.set(consistencyKey, queue);
      queue.calls.push(call);
      this.drain();
    }
    return Promise.all(answers);
  }

  counts(): QueueCounts {
    const { waiting, groups, members } = this;
    return { waiting, groups, members };
  }

  /** @param call the list of the call, to which what has to be sent is added */
  private enqueue(
    check: CheckRequest,
    consistency: ReadConsistency,
    consistencyKey: string,
    call: QueuedCheck[],
  ): Promise<CheckAnswer> {
    const generation = isExactly(consistency) ? this.checker.generation?.() : undefined;
    const key = JSON.stringify([consistencyKey, generation, checkKey(check), check.explain ?? false, check.context]);
    const underWay = this.underWay.get(key);
    if (underWay !== undefined) return underWay;
    const deadline = performance.now() + (this.limits.maxWaitMs ?? Infinity);
    let resolve: QueuedCheck['resolve'] = () => undefined;
    const answer = new Promise<CheckAnswer>((r) => (resolve = r));
    call.push({ key, check, deadline, span: currentSpan(), answer, resolve });
    this.waiting += 1;
    return answer;
  }

  private drain(): void {
    if (this.waiting === 0 || !this.bulks.tryAcquire()) return;
    // One turn of the loop lets the checks of decisions that arrived together travel together.
    setImmediate(() => {
      void this.send().finally(() => {
        this.bulks.release();
        this.drain();
      });
      this.drain();
    });
  }

  private async send(): Promise<void> {
    const [consistencyKey, queue] = this.queues.entries().next().value ?? [];
    if (consistencyKey === undefined || queue === undefined) return;
    const bulk = this.takeBulk(queue);
    // The other queues have their turn before the rest of this one.
    this.queues.delete(consistencyKey);
    if (queue.calls.length > 0) this.queues.set(consistencyKey, queue);
    if (bulk.size === 0) return;
    const items = [...bulk.values()];
    this.groups += 1;
    this.members += items.length;
    const answers = await withLinks(
      items.flatMap((item) => item.waiting.map(({ span }) => span)),
      () => this.checker.checkBulk(items.map(({ check }) => check), queue.consistency), // prettier-ignore
    );
    for (const [i, item] of items.entries()) for (const { resolve } of item.waiting) resolve(answers[i] ?? UNANSWERED);
  }

  /** Takes a share of each call in turn, or whole calls, until the bulk is full. */
  private takeBulk({ consistency, calls }: ConsistencyQueue): CheckBulk {
    const now = performance.now();
    const bulk: CheckBulk = new Map();
    for (let call = calls.shift(); call !== undefined; call = calls.shift()) {
      const room = this.limits.bulkSize - bulk.size;
      const isWhole = !isExactly(consistency);
      if (isWhole && call.length > room && bulk.size > 0) {
        calls.unshift(call);
        break;
      }
      for (const queued of call.splice(0, isWhole ? call.length : Math.min(FAIR_SHARE, room))) {
        this.waiting -= 1;
        if (queued.deadline <= now) queued.resolve({ result: 'unknown', fault: 'deadline_exceeded' });
        else if (isWhole || this.checker.generation === undefined) addToBulk(bulk, queued);
        else this.addOrJoin(bulk, queued);
      }
      if (call.length > 0) calls.push(call);
      if (bulk.size >= this.limits.bulkSize) break;
    }
    return bulk;
  }

  private addOrJoin(bulk: CheckBulk, queued: QueuedCheck): void {
    const { key, answer } = queued;
    const underWay = this.underWay.get(key);
    if (underWay !== undefined) {
      queued.resolve(underWay);
      return;
    }
    this.underWay.set(key, answer);
    void answer.then(() => this.underWay.delete(key));
    addToBulk(bulk, queued);
  }
}

const OVERLOADED_ANSWER: CheckAnswer = { result: 'unknown', fault: 'overloaded' };
const UNANSWERED: CheckAnswer = { result: 'unknown', fault: 'relationships_unavailable' };

function addToBulk(bulk: CheckBulk, queued: QueuedCheck): void {
  const item = bulk.get(queued.key);
  if (item === undefined) bulk.set(queued.key, { check: queued.check, waiting: [queued] });
  else item.waiting.push(queued);
}
