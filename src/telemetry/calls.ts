/** Calls to engines, watched from outside: how long each takes, and what it comes to where the engine fails. */
import type { FaultCode } from '../model/faults.js';
import { span } from './trace.js';

export type Engine = 'spicedb' | 'database' | 'keys';

export interface Call {
  readonly engine: Engine;
  /** What was asked of it: a name of ours. */
  readonly call: string;
  readonly seconds: number;
  /** Undefined where the engine answered, a refusal of what was asked included. */
  readonly fault: FaultCode | undefined;
}

/** Told of each call as it ends. */
export type WatchCalls = (call: Call) => void;

export interface Watched {
  readonly engine: Engine;
  readonly watch: WatchCalls | undefined;
  /** What a failure of the call comes to; undefined where what was asked is at fault and not the engine. */
  readonly faultOf: (error: unknown) => FaultCode | undefined;
}

/** One call, in a span of its own where it is traced. Its answer and its failure are what they would be unwatched. */
export async function watched<T>(
  { engine, watch, faultOf }: Watched,
  call: string,
  work: () => Promise<T>,
): Promise<T> {
  const began = performance.now();
  let fault: FaultCode | undefined;
  try {
    return await span(`${engine} ${call}`, work, 'client');
  } catch (error) {
    fault = faultOf(error);
    throw error;
  } finally {
    watch?.({ engine, call, seconds: (performance.now() - began) / 1000, fault });
  }
}
