/**
 * Checks on their way to a SpiceDB server. Those that come while others are being sent travel together, and of many that
 * ask the same, one asks for all; but nobody joins a question that is already under way, since a write may have come
 * between.
 */
import type { Answered } from './calls.js';
import { checkKey } from '../../model/relationships.js';
import type { AskedCheck, CheckAnswer, Consistency } from './port.js';

/** Checks of one call: a server works on those of one call side by side, and refuses more than ten thousand. */
const MAX_BULK = 500;
/** Calls under way at once. */
const MAX_CALLS = 4;
/** Checks waiting beyond this are answered as unknown at once. */
const MAX_WAITING = 20_000;

interface Waiting {
  readonly check: AskedCheck;
  /** Until then somebody waits for it, by `performance.now()`. */
  readonly until: number;
  readonly answer: Promise<CheckAnswer>;
  readonly resolve: (answer: CheckAnswer | Promise<CheckAnswer>) => void;
}

interface Line {
  readonly consistency: Consistency;
  readonly waiting: Map<string, Waiting>;
}

export interface Asking {
  /** One call for all. Never throws. */
  together(
    checks: readonly AskedCheck[],
    consistency: Consistency,
  ): Promise<{ answers: readonly Answered[]; at: string | undefined }>;
  /** What an answer comes to, at the revision that it was given at. Never throws. */
  conclude(check: AskedCheck, answered: Answered | undefined, at: string | undefined): Promise<CheckAnswer>;
}

export class CheckQueue {
  /** By consistency: a call has one. */
  private readonly lines = new Map<string, Line>();
  private waiting = 0;
  private calls = 0;

  constructor(
    private readonly asking: Asking,
    private readonly deadlineMs: number,
  ) {}

  ask(check: AskedCheck, consistency: Consistency): Promise<CheckAnswer> {
    const at = consistency === 'full' ? '' : consistency.atLeast;
    const line = this.lines.get(at) ?? { consistency, waiting: new Map<string, Waiting>() };
    this.lines.set(at, line);
    const key = JSON.stringify([checkKey(check), check.explain ?? false, check.context]);
    const same = line.waiting.get(key);
    if (same !== undefined) return same.answer;
    if (this.waiting >= MAX_WAITING) return Promise.resolve({ result: 'unknown', fault: 'overloaded' });
    let resolve: Waiting['resolve'] = () => undefined;
    const answer = new Promise<CheckAnswer>((r) => (resolve = r));
    line.waiting.set(key, { check, until: performance.now() + this.deadlineMs, answer, resolve });
    this.waiting += 1;
    this.pump();
    return answer;
  }

  private pump(): void {
    if (this.calls >= MAX_CALLS || this.waiting === 0) return;
    this.calls += 1;
    // One turn of the loop lets the checks of decisions that arrived together travel together.
    setImmediate(() => {
      void this.send().finally(() => {
        this.calls -= 1;
        this.pump();
      });
      this.pump();
    });
  }

  private async send(): Promise<void> {
    const [at, line] = this.lines.entries().next().value ?? [];
    if (at === undefined || line === undefined) return;
    const taken = [...line.waiting.entries()].slice(0, MAX_BULK);
    for (const [key] of taken) line.waiting.delete(key);
    this.waiting -= taken.length;
    // The others have their turn before what is left of this one.
    this.lines.delete(at);
    if (line.waiting.size > 0) this.lines.set(at, line);
    const now = performance.now();
    const batch: Waiting[] = [];
    for (const [, one] of taken) {
      if (one.until > now) batch.push(one);
      else one.resolve({ result: 'unknown', fault: 'deadline_exceeded' });
    }
    if (batch.length === 0) return;
    const { answers, at: revision } = await this.asking.together(
      batch.map(({ check }) => check),
      line.consistency,
    );
    for (const [i, { check, resolve }] of batch.entries()) resolve(this.asking.conclude(check, answers[i], revision));
  }
}
