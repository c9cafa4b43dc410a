/** Observes calls to engines for metrics and traces: how long each takes, and with which fault it fails. */
import type { FaultCode } from '../model/faults.js';
import type { ObserveCall } from '../runtime/worker-thread.js';
import { describeFailure } from './describe-failure.js';
import { withSpan } from './active-span.js';

export type EngineName = 'spicedb' | 'database' | 'keys';

export interface EngineCall {
  readonly engine: EngineName;
  /** The method, by a name that Remit gives it. */
  readonly call: string;
  readonly seconds: number;
  /** Undefined where the engine answered, even if it refused the request. */
  readonly fault: FaultCode | undefined;
  /** The error in words, where there is a fault that says more than its code. */
  readonly failure?: string | undefined;
}

/** Called at the end of each call. */
export type EngineCallListener = (call: EngineCall) => void;

export interface EngineObservation {
  readonly engine: EngineName;
  readonly watch: EngineCallListener | undefined;
  /** Maps an error to a fault; undefined where the request is at fault, not the engine. */
  readonly faultOf: (error: unknown) => FaultCode | undefined;
}

/** Makes one call, in a span of its own where the request is traced. Result and error stay as they are. */
export async function observeCall<T>(
  { engine, watch, faultOf }: EngineObservation,
  call: string,
  work: () => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  let fault: FaultCode | undefined;
  let failure: string | undefined;
  try {
    return await withSpan(`${engine} ${call}`, work, 'client');
  } catch (error) {
    fault = faultOf(error);
    if (fault !== undefined) failure = describeFailure(error);
    throw error;
  } finally {
    watch?.({ engine, call, seconds: (performance.now() - startedAt) / 1000, fault, failure });
  }
}

/** Makes a function that observes the calls of one engine. */
export function createCallObserver(observation: EngineObservation): ObserveCall {
  return (method, work) => observeCall(observation, method, work);
}
