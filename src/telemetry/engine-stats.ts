/** The numbers that an engine's adapter keeps of its calls, for metrics and health. */
import type { CircuitStats } from '../runtime/circuit-breaker.js';

export interface EngineStats {
  /** Calls under way. */
  readonly active: number;
  /** Calls that wait for one under way to end. */
  readonly waiting: number;
  /** Undefined where the engine is embedded. */
  readonly circuit: CircuitStats | undefined;
}
