/**
 * A circuit breaker before an engine: while the engine is away, what it is asked is refused at once and nothing piles
 * up. Calls that fail only raise a suspicion. Whether the circuit opens, and when it closes, is decided by a question
 * of the breaker's own, so that no caller's hopeless question can take the engine from everybody else, and no caller's
 * question is spent on finding out. An open circuit throws a Fault, which can't become an allow.
 */
import { Fault, type FaultCode } from '../model/faults.js';
import type { CircuitStats } from '../telemetry/engine-stats.js';

/** Calls that fail in a row, with none answered in between, before the engine is asked whether it is there. */
const FAILURE_THRESHOLD = 5;
/** Between two such questions while it isn't. */
const PROBE_INTERVAL_MS = 500;

export interface CircuitBreakerOptions {
  /** What is thrown in the engine's place. */
  readonly fault: FaultCode;
  /** Asks the engine something harmless, within a time of its own. Rejects where it isn't there. */
  readonly probe: () => Promise<unknown>;
  /** Whether a call's failure may be the engine's: not a refused question, not what never went out. */
  readonly isOutage: (error: unknown) => boolean;
  /** Told each time that the circuit opens, and why; and with nothing that it has closed. */
  readonly onChange?: ((trouble: unknown) => void) | undefined;
}

export class CircuitBreaker {
  private state: CircuitStats['state'] = 'closed';
  private opened = 0;
  private refused = 0;
  private failures = 0;
  private probing = false;
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(private readonly options: CircuitBreakerOptions) {}

  stats(): CircuitStats {
    const { state, opened, refused } = this;
    return { state, opened, refused };
  }

  /** @throws Fault while the circuit is open; otherwise what `work` throws */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.state !== 'closed') {
      this.refused += 1;
      throw new Fault(this.options.fault, 'the circuit is open');
    }
    try {
      const result = await work();
      this.failures = 0;
      return result;
    } catch (error) {
      if (this.options.isOutage(error)) this.recordFailure();
      throw error;
    }
  }

  /** Asks nothing any more. */
  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private recordFailure(): void {
    this.failures += 1;
    if (this.failures >= FAILURE_THRESHOLD && !this.probing && this.state === 'closed') void this.probeEngine();
  }

  /** One question at a time. Before the circuit has opened, everybody else's calls go on meanwhile. */
  private async probeEngine(): Promise<void> {
    this.probing = true;
    try {
      await this.options.probe();
      this.setState('closed', undefined);
    } catch (error) {
      this.setState('open', error);
    } finally {
      this.probing = false;
    }
  }

  private setState(state: 'closed' | 'open', trouble: unknown): void {
    if (this.stopped) return;
    const previous = this.state;
    this.state = state;
    this.failures = 0;
    if (state === 'open') {
      this.timer = setTimeout(() => {
        this.state = 'half_open';
        void this.probeEngine();
      }, PROBE_INTERVAL_MS);
      this.timer.unref();
    }
    if (previous === 'closed' && state === 'open') this.opened += 1;
    if ((previous === 'closed') !== (state === 'closed')) this.options.onChange?.(trouble);
  }
}
