/** Calls to engines, watched from outside: how long each takes, and what it comes to where the engine fails. */
import type { FaultCode } from '../model/faults.js';
import { withSpan } from './active-span.js';

export type EngineName = 'spicedb' | 'database' | 'keys';

export interface EngineCall {
  readonly engine: EngineName;
  /** What was asked of it: a name of ours. */
  readonly call: string;
  readonly seconds: number;
  /** Undefined where the engine answered, a refusal of what was asked included. */
  readonly fault: FaultCode | undefined;
}

/** Told of each call as it ends. */
export type EngineCallListener = (call: EngineCall) => void;

export interface EngineObservation {
  readonly engine: EngineName;
  readonly watch: EngineCallListener | undefined;
  /** What a failure of the call comes to; undefined where what was asked is at fault and not the engine. */
  readonly faultOf: (error: unknown) => FaultCode | undefined;
}

/** One call, in a span of its own where it is traced. Its answer and its failure are what they would be unwatched. */
export async function observeCall<T>(
  { engine, watch, faultOf }: EngineObservation,
  call: string,
  work: () => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  let fault: FaultCode | undefined;
  try {
    return await withSpan(`${engine} ${call}`, work, 'client');
  } catch (error) {
    fault = faultOf(error);
    throw error;
  } finally {
    watch?.({ engine, call, seconds: (performance.now() - startedAt) / 1000, fault });
  }
}
