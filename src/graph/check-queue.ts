/**
 * The queue of checks on their way to SpiceDB, one in each engine. Checks that come while others are being sent are sent
 * together, a share of each call in turn, so that a long list doesn't hold up a short one; equal checks are sent once.
 */
import { checkKey } from './relationship-text.js';
import { ConcurrencyLimit } from '../runtime/concurrency-limit.js';
import { currentSpan, withLinks, type ActiveSpan } from '../telemetry/active-span.js';
import type { QueueCounts } from './port.js';
import type { CheckAnswer, CheckRequest, Consistency } from '../model/checks.js';

/** Checks beyond this are answered `unknown` at once; those of a small call still get in up to twice that. */
const MAX_QUEUED_CHECKS = 20_000;
/** Checks that one call sends before the next call's turn. */
const FAIR_SHARE = 15;

export interface BulkChecker {
  /** Sends the checks together; an answer for each, in order. Never throws, nor do the answers. */
  checkBulk(
    checks: readonly CheckRequest[],
    consistency: Consistency,
  ): Promise<readonly (CheckAnswer | Promise<CheckAnswer>)[]>;
  /**
   * The number of writes so far, or the like: an equal check may join one that is under way until it changes. Absent where
   * other processes write as well; then a check joins only one that still waits.
   */
  readonly generation?: () => number;
}

export interface CheckQueueLimits {
  /** Checks of one bulk. */
  readonly bulkSize: number;
  /** Bulks under way at once. */
  readonly concurrentBulks: number;
  /** How long a caller waits for an answer, in milliseconds. */
  readonly maxWaitMs?: number;
}

interface QueuedCheck {
  readonly key: string;
  readonly check: CheckRequest;
  /** When its last caller stops waiting, by `performance.now()`. */
  deadline: number;
  /** The call that brought it last. */
  call: readonly QueuedCheck[];
  sent: boolean;
  /** The span of its first caller, where that is traced. */
  readonly span: ActiveSpan | undefined;
  readonly answer: Promise<CheckAnswer>;
  readonly resolve: (answer: CheckAnswer | Promise<CheckAnswer>) => void;
}

/** The checks that wait for a bulk of one consistency, by the call that brought them. */
interface ConsistencyQueue {
  readonly consistency: Consistency;
  readonly calls: QueuedCheck[][];
}

export class CheckQueue {
  /** A queue for each consistency, by its ZedToken: a bulk has only one. */
  private readonly queues = new Map<string, ConsistencyQueue>();
  /** The checks that an equal one may join. */
  private readonly joinable = new Map<string, QueuedCheck>();
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

  /** An answer for each check, in order. Never throws. */
  check(checks: readonly CheckRequest[], consistency: Consistency): Promise<readonly CheckAnswer[]> {
    const consistencyKey = consistency === 'full' ? '' : consistency.atLeast;
    const callChecks: QueuedCheck[] = [];
    const answers = Promise.all(checks.map((check) => this.enqueue(check, consistencyKey, callChecks)));
    if (callChecks.length > 0) {
      const queue = this.queues.get(consistencyKey) ?? { consistency, calls: [] };
      this.queues.set(consistencyKey, queue);
      queue.calls.push(callChecks);
      this.drain();
    }
    return answers;
  }

  counts(): QueueCounts {
    const { waiting, groups, members } = this;
    return { waiting, groups, members };
  }

  /** @param callChecks the list of the call, to which what has to be sent is added */
  private enqueue(check: CheckRequest, consistencyKey: string, callChecks: QueuedCheck[]): Promise<CheckAnswer> {
    const deadline = performance.now() + (this.limits.maxWaitMs ?? Infinity);
    const generation = this.checker.generation?.();
    const key = JSON.stringify([consistencyKey, generation, checkKey(check), check.explain ?? false, check.context]);
    const existing = this.joinable.get(key);
    if (existing !== undefined) {
      existing.deadline = deadline;
      // It is sent in the turn of whichever call comes first.
      if (!existing.sent && existing.call !== callChecks) callChecks.push(existing);
      existing.call = callChecks;
      return existing.answer;
    }
    const capacity = callChecks.length < FAIR_SHARE ? 2 * MAX_QUEUED_CHECKS : MAX_QUEUED_CHECKS;
    if (this.waiting >= capacity) return Promise.resolve({ result: 'unknown', fault: 'overloaded' });
    let resolve: QueuedCheck['resolve'] = () => undefined;
    const answer = new Promise<CheckAnswer>((r) => (resolve = r));
    const queued: QueuedCheck = {
      key,
      check,
      deadline,
      call: callChecks,
      sent: false,
      span: currentSpan(),
      answer,
      resolve,
    };
    this.joinable.set(key, queued);
    this.waiting += 1;
    callChecks.push(queued);
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
    if (bulk.length === 0) return;
    const checks = bulk.map(({ check }) => check);
    this.groups += 1;
    this.members += bulk.length;
    const answers = await withLinks(
      bulk.map(({ span }) => span),
      () => this.checker.checkBulk(checks, queue.consistency),
    );
    for (const [i, { key, resolve }] of bulk.entries()) {
      if (this.checker.generation !== undefined) this.joinable.delete(key);
      resolve(answers[i] ?? { result: 'unknown', fault: 'relationships_unavailable' });
    }
  }

  /** Takes a share of each call in turn, until the bulk is full. */
  private takeBulk({ calls }: ConsistencyQueue): QueuedCheck[] {
    const now = performance.now();
    const bulk: QueuedCheck[] = [];
    for (let call = calls.shift(); call !== undefined; call = calls.shift()) {
      const fairShare = call.splice(0, Math.min(FAIR_SHARE, this.limits.bulkSize - bulk.length));
      for (const queued of fairShare) {
        // It went in the turn of another call that brought an equal one.
        if (queued.sent) continue;
        queued.sent = true;
        this.waiting -= 1;
        if (this.checker.generation === undefined || queued.deadline <= now) this.joinable.delete(queued.key);
        if (queued.deadline > now) bulk.push(queued);
        else queued.resolve({ result: 'unknown', fault: 'deadline_exceeded' });
      }
      if (call.length > 0) calls.push(call);
      if (bulk.length === this.limits.bulkSize) break;
    }
    return bulk;
  }
}
