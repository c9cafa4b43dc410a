/**
 * Checks on their way to SpiceDB. Those that come while others are being sent travel together, each call's in turn, so
 * that a long list holds up nobody who asks little; and of many that ask the same, one asks for all.
 */
import { checkKey } from './relationship-text.js';
import { ConcurrencyLimit } from '../runtime/concurrency-limit.js';
import { currentSpan, withLinks, type ActiveSpan } from '../telemetry/active-span.js';
import type { QueueCounts } from './port.js';
import type { CheckAnswer } from '../model/checks.js';
import type { CheckRequest } from '../model/checks.js';
import type { Consistency } from '../model/checks.js';

/** Checks waiting beyond this are answered as unknown at once; the few of a small call still get in up to twice that. */
const MAX_QUEUED_CHECKS = 20_000;
/** Checks of one call before the next call's turn. */
const FAIR_SHARE = 15;

export interface BulkChecker {
  /** Sends them together; an answer each, in order. Never throws, nor do the answers. */
  checkBulk(
    checks: readonly CheckRequest[],
    consistency: Consistency,
  ): Promise<readonly (CheckAnswer | Promise<CheckAnswer>)[]>;
  /**
   * Another one after each write: a question that is under way may be joined until then. Left out where nobody here
   * knows of all writes; then only what still waits is joined.
   */
  readonly generation?: () => number;
}

export interface CheckQueueLimits {
  /** Checks that are sent together. */
  readonly bulkSize: number;
  /** Bulks under way at once. */
  readonly concurrentBulks: number;
  /** How long somebody waits for an answer, in milliseconds. */
  readonly maxWaitMs?: number;
}

interface QueuedCheck {
  readonly key: string;
  readonly check: CheckRequest;
  /** Until then somebody waits for it, by `performance.now()`. */
  deadline: number;
  /** The call that asked for it last. */
  call: readonly QueuedCheck[];
  sent: boolean;
  /** Who asked for it first, where that is traced. */
  readonly trace: ActiveSpan | undefined;
  readonly answer: Promise<CheckAnswer>;
  readonly resolve: (answer: CheckAnswer | Promise<CheckAnswer>) => void;
}

/** The checks that wait for a bulk of this consistency, by the call that brought them. */
interface ConsistencyQueue {
  readonly consistency: Consistency;
  readonly calls: QueuedCheck[][];
}

export class CheckQueue {
  /** A bulk has one consistency. */
  private readonly queues = new Map<string, ConsistencyQueue>();
  /** What may be joined by who asks the same. */
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

  /** An answer each, in order. Never throws. */
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

  /** @param callChecks takes what has to be sent */
  private enqueue(check: CheckRequest, consistencyKey: string, callChecks: QueuedCheck[]): Promise<CheckAnswer> {
    const deadline = performance.now() + (this.limits.maxWaitMs ?? Infinity);
    const generation = this.checker.generation?.();
    const key = JSON.stringify([consistencyKey, generation, checkKey(check), check.explain ?? false, check.context]);
    const existing = this.joinable.get(key);
    if (existing !== undefined) {
      existing.deadline = deadline;
      // In whoever's turn comes first.
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
      trace: currentSpan(),
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
    // The others have their turn before what is left of this one.
    this.queues.delete(consistencyKey);
    if (queue.calls.length > 0) this.queues.set(consistencyKey, queue);
    if (bulk.length === 0) return;
    const checks = bulk.map(({ check }) => check);
    this.groups += 1;
    this.members += bulk.length;
    const answers = await withLinks(
      bulk.map(({ trace: asker }) => asker),
      () => this.checker.checkBulk(checks, queue.consistency),
    );
    for (const [i, { key, resolve }] of bulk.entries()) {
      if (this.checker.generation !== undefined) this.joinable.delete(key);
      resolve(answers[i] ?? { result: 'unknown', fault: 'relationships_unavailable' });
    }
  }

  /** A share of each call in turn, until there are enough. */
  private takeBulk({ calls }: ConsistencyQueue): QueuedCheck[] {
    const now = performance.now();
    const bulk: QueuedCheck[] = [];
    for (let call = calls.shift(); call !== undefined; call = calls.shift()) {
      const fairShare = call.splice(0, Math.min(FAIR_SHARE, this.limits.bulkSize - bulk.length));
      for (const queued of fairShare) {
        // Another call that asked the same had its turn before.
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
