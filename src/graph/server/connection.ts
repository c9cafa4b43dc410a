/**
 * The connection to a SpiceDB server. Every call has a deadline, only so many are under way at once, and only what reads
 * is tried again: a write whose answer was lost may have been made.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { v1 } from '@authzed/authzed-node';
import { InterceptingCall, type Interceptor } from '@grpc/grpc-js';
import { ConfigError, Fault } from '../../model/faults.js';
import { observeCall, type EngineCallListener, type EngineObservation } from '../../telemetry/engine-calls.js';
import type { Log } from '../../telemetry/log.js';
import { currentSpan } from '../../telemetry/active-span.js';
import { CircuitBreaker } from '../../runtime/circuit-breaker.js';
import { ConcurrencyLimit } from '../../runtime/concurrency-limit.js';
import type { EngineStats } from '../../telemetry/engine-stats.js';
import { FULLY_CONSISTENT, type SpiceDBClient } from '../spicedb-api.js';
import { isOutage, toOutageCode, readGrpcStatus } from '../errors.js';

export interface ServerAddress {
  /** `host:port`. */
  readonly endpoint: string;
  /** The pre-shared key. */
  readonly key: string;
  /** The authority that the server's certificate is of, as PEM; undefined: those of the system. */
  readonly ca: string | undefined;
  /** Without TLS: whoever is on the way reads the key, and can answer in SpiceDB's place. */
  readonly plaintext: boolean;
}

/** Calls under way at once, and those that may wait for one of them to end; beyond that is `overloaded`. */
const MAX_ACTIVE_CALLS = 128;
const MAX_WAITING_CALLS = 2_000;
/** Tries of a call that reads, where SpiceDB is not there; each waits a little longer, and not all equally long. */
const MAX_READ_ATTEMPTS = 3;
const RETRY_PAUSE_MS = 40;
/** A question by which it is found out whether SpiceDB is there. */
const PROBE_TIMEOUT_MS = 1_000;
/** What no decision waits for. */
const SLOW_CALL_TIMEOUT_MS = 10_000;
/** A SpiceDB that starts beside Remit gets this long. */
const START_TIMEOUT_MS = 10_000;
const START_RETRY_PAUSE_MS = 250;
/** More than this of one answer is not held in memory. */
const MAX_STREAM_LENGTH = 200_000;

const CHANNEL_OPTIONS = {
  'grpc.max_receive_message_length': 32 * 1024 * 1024,
  // Recovery is a matter of moments; gRPC's own patience grows to two minutes.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
  // A peer that has gone without a word is noticed, and the connection made anew; one that is only busy gets its time.
  // SpiceDB hangs up on whoever asks more often than this during calls that it has no word on.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 10_000,
  // A client that is made anew gets connections of its own, and not those that were given up.
  'grpc.use_local_subchannel_pool': 1,
  // The environment's proxies are not for the engine's key.
  'grpc.enable_http_proxy': 0,
  'grpc.primary_user_agent': 'remit',
  interceptors: [addTraceHeaders],
};

/** Tells SpiceDB of which trace a call is part, where it is of one. */
function addTraceHeaders(...[options, next]: Parameters<Interceptor>): InterceptingCall {
  return new InterceptingCall(next(options), {
    start: (metadata, listener, start) => {
      for (const [name, value] of Object.entries(currentSpan()?.headers ?? {})) metadata.set(name, value);
      start(metadata, listener);
    },
  });
}

type AuthzedClient = ReturnType<typeof v1.NewClient>;
interface GrpcCallOptions {
  readonly deadline: number;
}
type UnaryCallback<R> = (error: unknown, response?: R) => void;
interface ResponseStream<R> {
  on(event: 'data', listener: (response: R) => void): unknown;
  on(event: 'error', listener: (error: unknown) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  on(event: 'status', listener: (status: { code: number }) => void): unknown;
  cancel(): void;
}

/** Authzed's client with the settings that every call of Remit's has. */
export function createAuthzedClient({ endpoint, key, ca, plaintext }: ServerAddress): AuthzedClient {
  if (ca !== undefined) return v1.NewClientWithCustomCert(key, endpoint, Buffer.from(ca), undefined, CHANNEL_OPTIONS);
  const security = plaintext ? v1.ClientSecurity.INSECURE_PLAINTEXT_CREDENTIALS : v1.ClientSecurity.SECURE;
  return v1.NewClient(key, endpoint, security, undefined, CHANNEL_OPTIONS);
}

export class Connection implements SpiceDBClient {
  private client: AuthzedClient;
  private breaker: CircuitBreaker | undefined;
  private readonly calls = new ConcurrencyLimit(MAX_ACTIVE_CALLS, {
    name: 'calls to SpiceDB',
    maxWaiting: MAX_WAITING_CALLS,
  });
  private closed = false;
  private readonly callWatch: EngineObservation;

  /** Connects at the first call. @param deadlineMs of what decisions wait for */
  constructor(
    private readonly address: ServerAddress,
    private readonly deadlineMs: number,
    watch?: EngineCallListener,
  ) {
    this.callWatch = { engine: 'spicedb', watch, faultOf: toOutageCode };
    this.client = createAuthzedClient(address);
  }

  stats(): EngineStats {
    const { active, waiting } = this.calls;
    return { active, waiting, circuit: this.breaker?.stats() };
  }

  /**
   * From here on what decisions ask is refused at once while SpiceDB is away. A start, and whoever changes the schema,
   * waits for it instead.
   * @param resourceType of the schema: asked about to find out whether SpiceDB is there
   * @param log takes a line for the operator
   */
  enableBreaker(resourceType: string, log: Log): void {
    const request = v1.ReadRelationshipsRequest.create({
      consistency: FULLY_CONSISTENT,
      relationshipFilter: { resourceType },
      optionalLimit: 1,
    });
    const place = this.address.endpoint;
    this.breaker = new CircuitBreaker({
      fault: 'relationships_unavailable',
      isOutage,
      probe: async () => {
        try {
          await collectStream(this.client.readRelationships(request, { deadline: toGrpcDeadline(PROBE_TIMEOUT_MS) }));
        } catch (error) {
          if (!isOutage(error)) return;
          this.reconnect();
          throw error;
        }
      },
      onChange: (error) => {
        const isAway = error !== undefined;
        const message = isAway ? `can't answer: ${readGrpcStatus(error).text.trim()}` : 'answers again';
        log(`SpiceDB at ${place}: ${message}`, {
          event: isAway ? 'engine_away' : 'engine_back',
          engine: 'spicedb',
          place,
        });
      },
    });
  }

  checkBulkPermissions(request: v1.CheckBulkPermissionsRequest): Promise<v1.CheckBulkPermissionsResponse> {
    return this.callWithRetries('checkBulkPermissions', this.deadlineMs, (options) =>
      awaitUnary((callback) => this.client.checkBulkPermissions(request, options, callback)),
    );
  }

  readRelationships(request: v1.ReadRelationshipsRequest): Promise<v1.ReadRelationshipsResponse[]> {
    return this.callWithRetries('readRelationships', this.deadlineMs, (options) =>
      collectStream(this.client.readRelationships(request, options)),
    );
  }

  lookupResources(request: v1.LookupResourcesRequest, withinMs: number): Promise<v1.LookupResourcesResponse[]> {
    return this.callWithRetries('lookupResources', withinMs, (options) =>
      collectStream(this.client.lookupResources(request, options)),
    );
  }

  lookupSubjects(request: v1.LookupSubjectsRequest, withinMs: number): Promise<v1.LookupSubjectsResponse[]> {
    return this.callWithRetries('lookupSubjects', withinMs, (options) =>
      collectStream(this.client.lookupSubjects(request, options)),
    );
  }

  readSchema(withinMs: number): Promise<v1.ReadSchemaResponse> {
    const request = v1.ReadSchemaRequest.create();
    return this.callWithRetries('readSchema', withinMs, (options) =>
      awaitUnary((callback) => this.client.readSchema(request, options, callback)),
    );
  }

  diffSchema(request: v1.DiffSchemaRequest): Promise<v1.DiffSchemaResponse> {
    return this.callWithRetries(
      'diffSchema',
      SLOW_CALL_TIMEOUT_MS,
      (options) => awaitUnary((callback) => this.client.diffSchema(request, options, callback)),
      { guarded: false },
    );
  }

  writeRelationships(request: v1.WriteRelationshipsRequest): Promise<v1.WriteRelationshipsResponse> {
    return this.callOnce('writeRelationships', SLOW_CALL_TIMEOUT_MS, (options) =>
      awaitUnary((callback) => this.client.writeRelationships(request, options, callback)),
    );
  }

  writeSchema(request: v1.WriteSchemaRequest): Promise<v1.WriteSchemaResponse> {
    return this.callOnce(
      'writeSchema',
      SLOW_CALL_TIMEOUT_MS,
      (options) => awaitUnary((callback) => this.client.writeSchema(request, options, callback)),
      { guarded: false },
    );
  }

  close(): void {
    this.closed = true;
    this.breaker?.stop();
    this.client.close();
  }

  /**
   * A connection whose other end has gone without a word would be believed in for as long as gRPC takes to notice;
   * another one finds at once whoever answers there by now.
   */
  private reconnect(): void {
    if (this.closed) return;
    this.client.close();
    this.client = createAuthzedClient(this.address);
  }

  /** All tries within one deadline. */
  private async callWithRetries<R>(
    name: string,
    ms: number,
    call: (options: GrpcCallOptions) => Promise<R>,
    options = GUARDED_CALL,
  ): Promise<R> {
    const until = performance.now() + ms;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.callOnce(name, until - performance.now(), call, options);
      } catch (error) {
        const pause = attempt * RETRY_PAUSE_MS * (0.5 + Math.random());
        const canRetry = attempt < MAX_READ_ATTEMPTS && !this.closed && readGrpcStatus(error).code === 'UNAVAILABLE';
        if (!canRetry || performance.now() + pause >= until) throw error;
        await sleep(pause);
      }
    }
  }

  private callOnce<R>(
    name: string,
    ms: number,
    call: (options: GrpcCallOptions) => Promise<R>,
    { guarded } = GUARDED_CALL,
  ): Promise<R> {
    const work = (): Promise<R> => observeCall(this.callWatch, name, () => this.callInTurn(ms, call));
    return guarded && this.breaker !== undefined ? this.breaker.run(work) : work();
  }

  /** @throws Fault where too many calls wait already, or the time runs out while waiting */
  private async callInTurn<R>(ms: number, call: (options: GrpcCallOptions) => Promise<R>): Promise<R> {
    const until = performance.now() + ms;
    if (this.closed) throw new Fault('relationships_unavailable', 'the connection is closed');
    return this.calls.run(() => call({ deadline: toGrpcDeadline(Math.max(1, until - performance.now())) }), {
      waitMs: ms,
    });
  }
}

const GUARDED_CALL = { guarded: true };

/** gRPC counts from the host's clock, whatever decisions are given. */
function toGrpcDeadline(ms: number): number {
  // eslint-disable-next-line no-restricted-syntax -- as above
  return Date.now() + ms;
}

function awaitUnary<R>(start: (callback: UnaryCallback<R>) => unknown): Promise<R> {
  return new Promise((resolve, reject) => {
    start((error, response) => {
      if (response === undefined || (error !== null && error !== undefined)) reject(toSpiceDBError(error));
      else resolve(response);
    });
  });
}

/** All of a stream or, where it breaks off, nothing of it. */
function collectStream<R>(stream: ResponseStream<R>): Promise<R[]> {
  return new Promise((resolve, reject) => {
    const responses: R[] = [];
    let statusCode: number | undefined;
    stream.on('data', (response) => {
      responses.push(response);
      if (responses.length <= MAX_STREAM_LENGTH) return;
      stream.cancel();
      reject(new Fault('overloaded', `an answer of SpiceDB's has more than ${MAX_STREAM_LENGTH} parts`));
    });
    stream.on('status', ({ code }) => {
      statusCode = code;
    });
    stream.on('error', (error) => {
      reject(toSpiceDBError(error));
    });
    stream.on('end', () => {
      if (statusCode === 0) resolve(responses);
      else reject(toSpiceDBError({ code: statusCode ?? 14, details: 'the answer broke off' }));
    });
  });
}

function toSpiceDBError(error: unknown): Error {
  return error instanceof Error ? error : Object.assign(new Error('SpiceDB did not answer'), error);
}

/** Waits for a SpiceDB that isn't there yet. @throws ConfigError where waiting doesn't mend it, Fault */
export async function retryUntilReady<T>(
  call: () => Promise<T>,
  { endpoint }: ServerAddress,
  startTimeoutMs = START_TIMEOUT_MS,
): Promise<T> {
  const until = performance.now() + startTimeoutMs;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (error instanceof ConfigError) throw error;
      const { code, text } = readGrpcStatus(error);
      if (code === 'UNAUTHENTICATED' || code === 'PERMISSION_DENIED')
        throw new ConfigError(`SpiceDB at ${endpoint} refuses the key`, 'spicedb.token');
      if (/certificate|self.signed|altname|unable to verify/i.test(text))
        throw new ConfigError(`SpiceDB at ${endpoint}: ${text.split('\n')[0] ?? ''}`, 'spicedb.ca');
      if (code !== 'UNAVAILABLE' || performance.now() + START_RETRY_PAUSE_MS > until)
        throw new Fault('relationships_unavailable', `SpiceDB at ${endpoint}: ${code}: ${text.trim()}`);
      await sleep(START_RETRY_PAUSE_MS);
    }
  }
}
