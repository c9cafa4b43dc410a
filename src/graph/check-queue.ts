/**
 * Checks on their way to SpiceDB. Those that come while others are being sent travel together, each call's in turn, so
 * that a long list holds up nobody who asks little; and of many that ask the same, one asks for all.
 */
import { checkKey } from './relationship-text.js';
import { here, onBehalfOf, type Trace } from '../telemetry/trace.js';
import type { QueueCounts } from './port.js';
import type { CheckAnswer } from '../model/checks.js';
import type { AskedCheck } from '../model/checks.js';
import type { Consistency } from '../model/checks.js';

/** Checks waiting beyond this are answered as unknown at once; the few of a small call still get in up to twice that. */
const MAX_WAITING = 20_000;
/** Checks of one call before the next call's turn. */
const SHARE = 15;

export interface Asking {
  /** Sends them together; an answer each, in order. Never throws, nor do the answers. */
  together(
    checks: readonly AskedCheck[],
    consistency: Consistency,
  ): Promise<readonly (CheckAnswer | Promise<CheckAnswer>)[]>;
  /**
   * Another one after each write: a question that is under way may be joined until then. Left out where nobody here
   * knows of all writes; then only what still waits is joined.
   */
  readonly generation?: () => number;
}

export interface Bounds {
  /** Checks that are sent together. */
  readonly bulk: number;
  /** Bulks under way at once. */
  readonly atOnce: number;
  /** How long somebody waits for an answer, in milliseconds. */
  readonly waitMs?: number;
}

interface Waiting {
  readonly key: string;
  readonly check: AskedCheck;
  /** Until then somebody waits for it, by `performance.now()`. */
  until: number;
  /** The call that asked for it last. */
  call: readonly Waiting[];
  sent: boolean;
  /** Who asked for it first, where that is traced. */
  readonly asker: Trace | undefined;
  readonly answer: Promise<CheckAnswer>;
  readonly resolve: (answer: CheckAnswer | Promise<CheckAnswer>) => void;
}

/** The checks that wait for a bulk of this consistency, by the call that brought them. */
interface Line {
  readonly consistency: Consistency;
  readonly calls: Waiting[][];
}

export class CheckQueue {
  /** A bulk has one consistency. */
  private readonly lines = new Map<string, Line>();
  /** What may be joined by who asks the same. */
  private readonly open = new Map<string, Waiting>();
  private waiting = 0;
  private active = 0;
  private groups = 0;
  private members = 0;

  constructor(
    private readonly asking: Asking,
    private readonly bounds: Bounds,
  ) {}

  /** An answer each, in order. Never throws. */
  ask(checks: readonly AskedCheck[], consistency: Consistency): Promise<readonly CheckAnswer[]> {
    const at = consistency === 'full' ? '' : consistency.atLeast;
    const call: Waiting[] = [];
    const answers = Promise.all(checks.map((check) => this.enter(check, at, call)));
    if (call.length > 0) {
      const line = this.lines.get(at) ?? { consistency, calls: [] };
      this.lines.set(at, line);
      line.calls.push(call);
      this.pump();
    }
    return answers;
  }

  counts(): QueueCounts {
    const { waiting, groups, members } = this;
    return { waiting, groups, members };
  }

  /** @param call takes what has to be sent */
  private enter(check: AskedCheck, at: string, call: Waiting[]): Promise<CheckAnswer> {
    const until = performance.now() + (this.bounds.waitMs ?? Infinity);
    const generation = this.asking.generation?.();
    const key = JSON.stringify([at, generation, checkKey(check), check.explain ?? false, check.context]);
    const same = this.open.get(key);
    if (same !== undefined) {
      same.until = until;
      // In whoever's turn comes first.
      if (!same.sent && same.call !== call) call.push(same);
      same.call = call;
      return same.answer;
    }
    const most = call.length < SHARE ? 2 * MAX_WAITING : MAX_WAITING;
    if (this.waiting >= most) return Promise.resolve({ result: 'unknown', fault: 'overloaded' });
    let resolve: Waiting['resolve'] = () => undefined;
    const answer = new Promise<CheckAnswer>((r) => (resolve = r));
    const entered: Waiting = { key, check, until, call, sent: false, asker: here(), answer, resolve };
    this.open.set(key, entered);
    this.waiting += 1;
    call.push(entered);
    return answer;
  }

  private pump(): void {
    if (this.active >= this.bounds.atOnce || this.waiting === 0) return;
    this.active += 1;
    // One turn of the loop lets the checks of decisions that arrived together travel together.
    setImmediate(() => {
      void this.send().finally(() => {
        this.active -= 1;
        this.pump();
      });
      this.pump();
    });
  }

  private async send(): Promise<void> {
    const [at, line] = this.lines.entries().next().value ?? [];
    if (at === undefined || line === undefined) return;
    const bulk = this.next(line);
    // The others have their turn before what is left of this one.
    this.lines.delete(at);
    if (line.calls.length > 0) this.lines.set(at, line);
    if (bulk.length === 0) return;
    const checks = bulk.map(({ check }) => check);
    this.groups += 1;
    this.members += bulk.length;
    const answers = await onBehalfOf(
      bulk.map(({ asker }) => asker),
      () => this.asking.together(checks, line.consistency),
    );
    for (const [i, { key, resolve }] of bulk.entries()) {
      if (this.asking.generation !== undefined) this.open.delete(key);
      resolve(answers[i] ?? { result: 'unknown', fault: 'relationships_unavailable' });
    }
  }

  /** A share of each call in turn, until there are enough. */
  private next({ calls }: Line): Waiting[] {
    const now = performance.now();
    const bulk: Waiting[] = [];
    for (let call = calls.shift(); call !== undefined; call = calls.shift()) {
      const share = call.splice(0, Math.min(SHARE, this.bounds.bulk - bulk.length));
      for (const one of share) {
        // Another call that asked the same had its turn before.
        if (one.sent) continue;
        one.sent = true;
        this.waiting -= 1;
        if (this.asking.generation === undefined || one.until <= now) this.open.delete(one.key);
        if (one.until > now) bulk.push(one);
        else one.resolve({ result: 'unknown', fault: 'deadline_exceeded' });
      }
      if (call.length > 0) calls.push(call);
      if (bulk.length === this.bounds.bulk) break;
    }
    return bulk;
  }
}
