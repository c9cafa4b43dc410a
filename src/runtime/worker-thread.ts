/**
 * An engine in a worker thread: numbered calls go out, replies come back. SpiceDB and PGlite block their thread for the
 * whole of a call, so neither may run on the thread that serves requests.
 */
import { fileURLToPath } from 'node:url';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { Fault } from '../model/faults.js';
import { withTimeout } from './timeout.js';

/** The time that a busy engine has to close. */
const CLOSE_MS = 10_000;
/** Calls that may wait for one thread: there are only more where it is stuck. */
const MAX_PENDING_CALLS = 5_000;

interface WorkerCall {
  readonly id: number;
  readonly method: string;
  readonly argument: unknown;
}
type WorkerReply =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly message: string; readonly code: string | undefined };
/** The last message of a thread whose engine is broken. */
interface WorkerObituary {
  readonly brokenBy: string;
}

/** Wraps a call of the method, to measure or trace it. Result and error stay as they are. */
export type ObserveCall = <T>(method: string, work: () => Promise<T>) => Promise<T>;

/** The failure of an engine in its thread. The message is for logs. */
export class WorkerError extends Error {
  override readonly name = 'WorkerError';
  constructor(
    message: string,
    /** The engine's own error code, where it has one: a database's SQLSTATE. */
    readonly code?: string,
  ) {
    super(message);
  }
}

export class EngineWorker {
  private readonly worker: Worker;
  private readonly pendingCalls = new Map<
    number,
    { resolve: (value: never) => void; reject: (error: Error) => void }
  >();
  private lastCallId = 0;
  private failure: WorkerError | undefined;
  private isEnding = false;
  private reportLoss: ((reason: string) => void) | undefined;

  /**
   * @param module the worker's module, relative to `base`
   * @param base the caller's `import.meta.url`
   * @param data passed to the function that creates the engine
   */
  constructor(
    module: string,
    base: string,
    data: unknown,
    private readonly observe: ObserveCall = (_method, work) => work(),
  ) {
    this.worker = new Worker(compiledPath(new URL(module, base)), { workerData: data });
    this.worker.on('message', (reply: WorkerReply | WorkerObituary) => {
      if ('brokenBy' in reply) {
        this.fail(new WorkerError(`the engine broke: ${reply.brokenBy}`));
        return;
      }
      const call = this.pendingCalls.get(reply.id);
      this.pendingCalls.delete(reply.id);
      if (reply.ok) call?.resolve(reply.value as never);
      else call?.reject(new WorkerError(reply.message, reply.code));
    });
    this.worker.on('error', (error) => {
      this.fail(new WorkerError(`the engine's thread failed: ${String(error)}`));
    });
    this.worker.on('exit', (code) => {
      this.fail(new WorkerError(`the engine's thread ended (${code})`));
    });
  }

  /** Whether calls can still be answered. */
  get alive(): boolean {
    return this.failure === undefined;
  }

  /**
   * Has the end of the thread reported, unless it is closed or killed on purpose: it never comes back, so every later call
   * fails. Reports at once where it has ended already.
   */
  watchLoss(report: (reason: string) => void): void {
    this.reportLoss = report;
    if (this.failure !== undefined && !this.isEnding) report(this.failure.message);
  }

  /** Counts the call that the engine works on, and those that wait for it. */
  stats(): { readonly active: number; readonly waiting: number; readonly circuit: undefined } {
    const active = Math.min(this.pendingCalls.size, 1);
    return { active, waiting: this.pendingCalls.size - active, circuit: undefined };
  }

  /** @throws WorkerError, Fault `overloaded` where too many calls wait */
  call<T>(method: string, argument: unknown): Promise<T> {
    return this.observe(method, () => this.postCall<T>(method, argument));
  }

  private postCall<T>(method: string, argument: unknown): Promise<T> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    if (this.pendingCalls.size >= MAX_PENDING_CALLS)
      return Promise.reject(new Fault('overloaded', `${MAX_PENDING_CALLS} calls to an engine's thread`));
    return new Promise<T>((resolve, reject) => {
      this.lastCallId += 1;
      this.worker.postMessage({ id: this.lastCallId, method, argument } satisfies WorkerCall);
      this.pendingCalls.set(this.lastCallId, { resolve, reject });
    });
  }

  /** Ends the thread after the engine has closed itself. Calls that still wait reject. */
  async close(): Promise<void> {
    this.isEnding = true;
    if (this.failure === undefined) {
      const closed = this.call('close', undefined).catch(() => undefined);
      await withTimeout(closed, CLOSE_MS, () => undefined, { unref: true });
    }
    await this.kill();
  }

  /** Ends the thread at once, as a crash would. */
  async kill(): Promise<void> {
    this.isEnding = true;
    await this.worker.terminate();
    this.fail(new WorkerError("the engine's thread ended"));
  }

  private fail(error: WorkerError): void {
    const isFirst = this.failure === undefined;
    this.failure ??= error;
    for (const call of this.pendingCalls.values()) call.reject(this.failure);
    this.pendingCalls.clear();
    if (isFirst && !this.isEnding) this.reportLoss?.(error.message);
  }
}

/**
 * Answers calls, inside the thread, with the methods of the engine.
 * @param createEngine makes the engine from the worker's data; where it fails, every call reports that
 */
export async function serveWorkerCalls(
  createEngine: (data: never) => Promise<Record<string, (argument: never) => unknown>>,
): Promise<void> {
  const port = parentPort;
  if (port === null) throw new TypeError('not a worker thread');
  const enginePromise = createEngine(workerData as never);
  enginePromise.catch(() => undefined);
  port.on('message', (call: WorkerCall) => {
    void answerCall(enginePromise, call).then((reply) => {
      port.postMessage(reply);
    });
  });
  await enginePromise.catch(() => undefined);
}

/**
 * Ends the thread, inside it, because its engine is broken: whatever it would answer from now on is worth nothing. Nothing
 * after the call runs, not even the rest of a loop of the engine's own.
 */
export function endBrokenWorker(reason: string): never {
  parentPort?.postMessage({ brokenBy: reason } satisfies WorkerObituary);
  // It ends the thread, not the process, once the message is on its way.
  return process.exit(1);
}

async function answerCall(
  enginePromise: Promise<Record<string, (argument: never) => unknown>>,
  call: WorkerCall,
): Promise<WorkerReply> {
  try {
    const engine = await enginePromise;
    const method = engine[call.method];
    if (method === undefined) throw new TypeError(`no method "${call.method}"`);
    return { id: call.id, ok: true, value: await method(call.argument as never) };
  } catch (error) {
    const code = (error as { code?: unknown } | null | undefined)?.code;
    return {
      id: call.id,
      ok: false,
      message: error instanceof Error ? error.message : String(error),
      code: typeof code === 'string' ? code : undefined,
    };
  }
}

/** Finds the compiled module: threads run compiled code, even where the main thread runs the sources (tests). */
function compiledPath(url: URL): string {
  return fileURLToPath(url).replace(/([/\\])src([/\\](?:.*[/\\])?[^/\\]+)\.[jt]s$/, '$1dist$2.js');
}
