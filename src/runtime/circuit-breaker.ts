/**
 * A circuit breaker for an engine: while the engine is down, calls fail at once and don't pile up. Failed calls only
 * raise a suspicion; a probe of the breaker's own decides whether the circuit opens and when it closes. So no client's
 * bad request can cut the engine off for the others, and no client's request is spent on finding out. An open circuit
 * throws a Fault, which never becomes an allow.
 */
import { Fault, type FaultCode } from '../model/faults.js';

/** Consecutive failures before the engine is probed. */
const FAILURE_THRESHOLD = 5;
/** The time between two probes while the circuit is open. */
const PROBE_INTERVAL_MS = 500;

export interface CircuitStats {
  readonly state: 'closed' | 'open' | 'half_open';
  /** Times that the circuit has opened. */
  readonly opened: number;
  /** Calls that were refused because the circuit was open. */
  readonly refused: number;
}

export interface CircuitBreakerOptions {
  /** The code of the fault that an open circuit throws. */
  readonly fault: FaultCode;
  /** Makes a harmless call with a timeout of its own. Rejects where the engine is down. */
  readonly probe: () => Promise<unknown>;
  /** Whether an error may mean that the engine is down: not one for a refused request, or one that was never sent. */
  readonly isOutage: (error: unknown) => boolean;
  /** Called with the error when the circuit opens, and with undefined when it closes. */
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

  /** @throws Fault while the circuit is open; otherwise the error of `work` */
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

  /** Ends probing. */
  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private recordFailure(): void {
    this.failures += 1;
    if (this.failures >= FAILURE_THRESHOLD && !this.probing && this.state === 'closed') void this.probeEngine();
  }

  /** Probes once. Until the circuit opens, other calls still reach the engine meanwhile. */
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
