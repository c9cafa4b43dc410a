/** One call of the client: its deadline, its request, and what is told of it to the hook for logs and metrics. */
import { CallDeadline, type CallOptions } from './deadline.js';
import { RemitError, type RemitSetupError, type RemitUnavailable } from './errors.js';
import type { CallCount, OutgoingRequest, Transport } from './transport.js';
import type { Endpoints } from './endpoints.js';

/** The end of a call: it has no token, no key, no address and nothing of the question. */
export interface CallEvent {
  readonly operation: string;
  readonly result: 'allow' | 'deny' | 'done' | 'unavailable' | 'setup';
  /** The code of an error, or the reason of a deny. */
  readonly code?: string | undefined;
  readonly status?: number | undefined;
  readonly attempts: number;
  readonly durationMs: number;
  readonly isCached: boolean;
  readonly decisionId?: string | undefined;
}
export type EventHook = (event: CallEvent) => void;
/** The parts of it that a call's work tells. */
export type CallResult = Partial<Pick<CallEvent, 'result' | 'code' | 'status' | 'isCached' | 'decisionId'>>;

export interface Call {
  readonly deadline: CallDeadline;
  readonly endpoints: Endpoints;
  /** Sends a request of the call. @returns the body of a good answer. @throws RemitUnavailable, RemitSetupError */
  readonly send: (request: OutgoingRequest) => Promise<unknown>;
}

export class Caller {
  constructor(
    private readonly transport: Transport,
    private readonly endpoints: Endpoints,
    private readonly timeoutMs: number,
    private readonly onEvent: EventHook | undefined,
  ) {}

  /** Runs a call within its deadline, and tells the hook how it ended. @throws what the work throws */
  async run<T>(
    operation: string,
    { signal, timeoutMs = this.timeoutMs }: CallOptions,
    work: (call: Call) => Promise<T>,
    describe: (value: T) => CallResult = () => ({}),
  ): Promise<T> {
    const started = performance.now();
    const deadline = new CallDeadline(timeoutMs, signal);
    const count: CallCount = { attempts: 0 };
    const tell = (result: CallResult): void => {
      const { status, attempts } = count;
      const durationMs = performance.now() - started;
      const event = { operation, result: 'done' as const, isCached: false, status, attempts, durationMs, ...result };
      try {
        this.onEvent?.(event);
      } catch {
        // A hook that fails changes no decision.
      }
    };
    try {
      const send: Call['send'] = (request) => this.transport.send(request, deadline, count);
      const value = await work({ deadline, endpoints: this.endpoints, send });
      tell(describe(value));
      return value;
    } catch (error) {
      if (error instanceof RemitError && error.kind !== 'denied')
        tell(describeError(error as RemitUnavailable | RemitSetupError));
      throw error;
    } finally {
      deadline.end();
    }
  }
}

function describeError({ kind, code, status }: RemitUnavailable | RemitSetupError): CallResult {
  return { result: kind, code, ...(status === undefined ? {} : { status }) };
}
