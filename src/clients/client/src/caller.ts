/** One call of the client: its deadline, its request, and what is told of it to the hook for logs and metrics. */
import { CallDeadline, type CallOptions } from './deadline.js';
import { RemitError, type RemitSetupError, type RemitUnavailable } from './errors.js';
import type { CallCount, OpenedStream, OutgoingRequest, StreamRequest, Transport } from './transport.js';
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
  /** Sends one whose body is a stream. @returns the beginning of a good answer. @throws RemitUnavailable, RemitSetupError */
  readonly open: (request: StreamRequest) => Promise<OpenedStream>;
  /** The id by which the answer named its decision, in `Remit-Decision-Id`; undefined where it had none. */
  readonly getDecisionId: () => string | undefined;
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
    options: CallOptions,
    work: (call: Call) => Promise<T>,
    describe: (value: T) => CallResult = () => ({}),
  ): Promise<T> {
    const { call, tell } = this.begin(operation, options);
    try {
      const value = await work(call);
      tell(describe(value));
      return value;
    } catch (error) {
      tellFailure(error, tell);
      throw error;
    } finally {
      call.deadline.end();
    }
  }

  /** The same for a call whose answer comes in pieces. @param options their deadline is one for each wait */
  async *runStream<T, R>(
    operation: string,
    options: CallOptions,
    work: (call: Call) => AsyncGenerator<T, R, undefined>,
  ): AsyncGenerator<T, R, undefined> {
    const { call, tell } = this.begin(operation, options);
    let isOver = false;
    try {
      const value = yield* work(call);
      isOver = true;
      tell({});
      return value;
    } catch (error) {
      isOver = true;
      tellFailure(error, tell);
      throw error;
    } finally {
      // Its reader has left before its end.
      if (!isOver) tell({ result: 'unavailable', code: 'aborted' });
      call.deadline.end();
    }
  }

  private begin(
    operation: string,
    { signal, timeoutMs = this.timeoutMs }: CallOptions,
  ): { readonly call: Call; readonly tell: (result: CallResult) => void } {
    const started = performance.now();
    const deadline = new CallDeadline(timeoutMs, signal);
    const count: CallCount = { attempts: 0 };
    const tell = (result: CallResult): void => {
      const { status, attempts, decisionId } = count;
      const durationMs = performance.now() - started;
      const common = { operation, result: 'done' as const, isCached: false, status, attempts, durationMs, decisionId };
      try {
        this.onEvent?.({ ...common, ...result });
      } catch {
        // A hook that fails changes no decision.
      }
    };
    const call: Call = {
      deadline,
      endpoints: this.endpoints,
      send: (request) => this.transport.send(request, deadline, count),
      open: (request) => this.transport.open(request, deadline, count),
      getDecisionId: () => count.decisionId,
    };
    return { call, tell };
  }
}

function tellFailure(error: unknown, tell: (result: CallResult) => void): void {
  if (error instanceof RemitError && error.kind !== 'denied')
    tell(describeError(error as RemitUnavailable | RemitSetupError));
}

function describeError({ kind, code, status }: RemitUnavailable | RemitSetupError): CallResult {
  return { result: kind, code, ...(status === undefined ? {} : { status }) };
}
