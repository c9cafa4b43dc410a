/**
 * A thread with an engine in it, seen from the main thread: calls go out numbered, answers come back. SpiceDB and
 * PGlite block the thread they run on for the whole of a call, so neither may run on the one that serves requests.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { Fault } from '../model/faults.js';
import { observeCall, type EngineObservation } from '../telemetry/engine-calls.js';
import type { EngineStats } from '../telemetry/engine-stats.js';

/** How long an engine that is still at something is given to end. */
const CLOSE_MS = 10_000;
/** Calls that may wait for one thread: more are only made where it is stuck. */
const MAX_PENDING_CALLS = 5_000;

interface WorkerCall {
  readonly id: number;
  readonly method: string;
  readonly argument: unknown;
}
type WorkerReply =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly message: string; readonly code: string | undefined };

/** An engine's failure as it comes out of its thread: the text is for logs. */
export class WorkerError extends Error {
  override readonly name = 'WorkerError';
  constructor(
    message: string,
    /** The engine's own code of what failed, where it has one: of a database, the SQLSTATE. */
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
  private failure: Error | undefined;

  /**
   * @param module of the worker, relative to the caller's `import.meta.url`
   * @param observation undefined where no decision waits for its calls
   */
  constructor(
    module: string,
    base: string,
    data: unknown,
    private readonly observation?: EngineObservation,
  ) {
    this.worker = new Worker(compiledPath(new URL(module, base)), { workerData: data });
    this.worker.on('message', (reply: WorkerReply) => {
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

  /** The one that the engine is at, and those that wait for it. */
  stats(): EngineStats {
    const active = Math.min(this.pendingCalls.size, 1);
    return { active, waiting: this.pendingCalls.size - active, circuit: undefined };
  }

  /** @throws WorkerError, Fault where too many wait */
  call<T>(method: string, argument: unknown): Promise<T> {
    const post = (): Promise<T> => this.postCall<T>(method, argument);
    return this.observation === undefined ? post() : observeCall(this.observation, method, post);
  }

  private postCall<T>(method: string, argument: unknown): Promise<T> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    if (this.pendingCalls.size >= MAX_PENDING_CALLS)
      return Promise.reject(new Fault('overloaded', `${MAX_PENDING_CALLS} calls to an engine's thread`));
    return new Promise<T>((resolve, reject) => {
      this.lastCallId += 1;
      this.pendingCalls.set(this.lastCallId, { resolve, reject });
      this.worker.postMessage({ id: this.lastCallId, method, argument } satisfies WorkerCall);
    });
  }

  /** Ends the thread after the engine has closed itself; what is still waiting is refused. */
  async close(): Promise<void> {
    if (this.failure === undefined) {
      const closed = this.call('close', undefined).catch(() => undefined);
      await Promise.race([closed, sleep(CLOSE_MS, undefined, { ref: false })]);
    }
    await this.kill();
  }

  /** Ends the thread at once, as a crash would: for tests of what happens then. */
  async kill(): Promise<void> {
    await this.worker.terminate();
    this.fail(new WorkerError("the engine's thread ended"));
  }

  private fail(error: Error): void {
    this.failure ??= error;
    for (const call of this.pendingCalls.values()) call.reject(error);
    this.pendingCalls.clear();
  }
}

/** Inside the thread: answers calls by the methods of `engine`, which `start` makes of the worker's data. */
export async function serveWorkerCalls(
  createEngine: (data: never) => Promise<Record<string, (argument: never) => unknown>>,
): Promise<void> {
  const port = parentPort;
  if (port === null) throw new TypeError('not a worker thread');
  const enginePromise = createEngine(workerData as never);
  enginePromise.catch(() => undefined); // Each call reports it.
  port.on('message', (call: WorkerCall) => {
    void answerCall(enginePromise, call).then((reply) => {
      port.postMessage(reply);
    });
  });
  await enginePromise.catch(() => undefined);
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

/** Threads run compiled code, also where the main thread runs the sources (tests). */
function compiledPath(url: URL): string {
  return fileURLToPath(url).replace(/([/\\])src([/\\](?:.*[/\\])?[^/\\]+)\.[jt]s$/, '$1dist$2.js');
}
