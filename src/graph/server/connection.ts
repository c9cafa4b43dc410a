/**
 * The connection to a SpiceDB server. Every call has a deadline, only so many are under way at once, and only what reads
 * is tried again: a write whose answer was lost may have been made.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { v1 } from '@authzed/authzed-node';
import { InterceptingCall, type Interceptor } from '@grpc/grpc-js';
import { ConfigError, Fault } from '../../model/faults.js';
import { watched, type WatchCalls, type Watched } from '../../telemetry/calls.js';
import type { Log } from '../../telemetry/log.js';
import { here } from '../../telemetry/trace.js';
import { Breaker } from '../../runtime/circuit-breaker.js';
import type { EngineStats } from '../../telemetry/engine-stats.js';
import { NOW, type SpiceClient } from '../spicedb-api.js';
import { isOutage, outage, refusalOf } from '../errors.js';

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
const MAX_CALLS = 128;
const MAX_WAITING = 2_000;
/** Tries of a call that reads, where SpiceDB is not there; each waits a little longer, and not all equally long. */
const TRIES = 3;
const PAUSE_MS = 40;
/** A question by which it is found out whether SpiceDB is there. */
const PROBE_MS = 1_000;
/** What no decision waits for. */
const SLOW_MS = 10_000;
/** A SpiceDB that starts beside Remit gets this long. */
const START_MS = 10_000;
const START_PAUSE_MS = 250;
/** More than this of one answer is not held in memory. */
const MAX_STREAMED = 200_000;

const OPTIONS = {
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
  interceptors: [traced],
};

/** Tells SpiceDB of which trace a call is part, where it is of one. */
function traced(...[options, next]: Parameters<Interceptor>): InterceptingCall {
  return new InterceptingCall(next(options), {
    start: (metadata, listener, start) => {
      for (const [name, value] of Object.entries(here()?.headers ?? {})) metadata.set(name, value);
      start(metadata, listener);
    },
  });
}

type Client = ReturnType<typeof v1.NewClient>;
interface CallOptions {
  readonly deadline: number;
}
type Callback<R> = (error: unknown, response?: R) => void;
interface Stream<R> {
  on(event: 'data', listener: (response: R) => void): unknown;
  on(event: 'error', listener: (error: unknown) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  on(event: 'status', listener: (status: { code: number }) => void): unknown;
  cancel(): void;
}

/** Authzed's client with the settings that every call of Remit's has. */
export function clientOf({ endpoint, key, ca, plaintext }: ServerAddress): Client {
  if (ca !== undefined) return v1.NewClientWithCustomCert(key, endpoint, Buffer.from(ca), undefined, OPTIONS);
  const security = plaintext ? v1.ClientSecurity.INSECURE_PLAINTEXT_CREDENTIALS : v1.ClientSecurity.SECURE;
  return v1.NewClient(key, endpoint, security, undefined, OPTIONS);
}

export class Connection implements SpiceClient {
  private client: Client;
  private breaker: Breaker | undefined;
  private active = 0;
  private readonly waiting: (() => void)[] = [];
  private closed = false;
  private readonly watching: Watched;

  /** Connects at the first call. @param deadlineMs of what decisions wait for */
  constructor(
    private readonly address: ServerAddress,
    private readonly deadlineMs: number,
    watch?: WatchCalls,
  ) {
    this.watching = { engine: 'spicedb', watch, faultOf: outage };
    this.client = clientOf(address);
  }

  stats(): EngineStats {
    return { active: this.active, waiting: this.waiting.length, circuit: this.breaker?.stats() };
  }

  /**
   * From here on what decisions ask is refused at once while SpiceDB is away. A start, and whoever changes the schema,
   * waits for it instead.
   * @param resourceType of the schema: asked about to find out whether SpiceDB is there
   * @param log takes a line for the operator
   */
  guard(resourceType: string, log: Log): void {
    const request = v1.ReadRelationshipsRequest.create({
      consistency: NOW,
      relationshipFilter: { resourceType },
      optionalLimit: 1,
    });
    const place = this.address.endpoint;
    this.breaker = new Breaker({
      fault: 'relationships_unavailable',
      isOutage,
      probe: async () => {
        try {
          await collect(this.client.readRelationships(request, { deadline: inMs(PROBE_MS) }));
        } catch (error) {
          if (!isOutage(error)) return;
          this.reconnect();
          throw error;
        }
      },
      onChange: (trouble) => {
        const away = trouble !== undefined;
        const why = away ? `can't answer: ${refusalOf(trouble).text.trim()}` : 'answers again';
        log(`SpiceDB at ${place}: ${why}`, { event: away ? 'engine_away' : 'engine_back', engine: 'spicedb', place });
      },
    });
  }

  checkBulkPermissions(request: v1.CheckBulkPermissionsRequest): Promise<v1.CheckBulkPermissionsResponse> {
    return this.reading('checkBulkPermissions', this.deadlineMs, (options) =>
      unary((callback) => this.client.checkBulkPermissions(request, options, callback)),
    );
  }

  readRelationships(request: v1.ReadRelationshipsRequest): Promise<v1.ReadRelationshipsResponse[]> {
    return this.reading('readRelationships', this.deadlineMs, (options) =>
      collect(this.client.readRelationships(request, options)),
    );
  }

  lookupResources(request: v1.LookupResourcesRequest, withinMs: number): Promise<v1.LookupResourcesResponse[]> {
    return this.reading('lookupResources', withinMs, (options) =>
      collect(this.client.lookupResources(request, options)),
    );
  }

  lookupSubjects(request: v1.LookupSubjectsRequest, withinMs: number): Promise<v1.LookupSubjectsResponse[]> {
    return this.reading('lookupSubjects', withinMs, (options) => collect(this.client.lookupSubjects(request, options)));
  }

  readSchema(withinMs: number): Promise<v1.ReadSchemaResponse> {
    const request = v1.ReadSchemaRequest.create();
    return this.reading('readSchema', withinMs, (options) =>
      unary((callback) => this.client.readSchema(request, options, callback)),
    );
  }

  diffSchema(request: v1.DiffSchemaRequest): Promise<v1.DiffSchemaResponse> {
    return this.reading(
      'diffSchema',
      SLOW_MS,
      (options) => unary((callback) => this.client.diffSchema(request, options, callback)),
      { guarded: false },
    );
  }

  writeRelationships(request: v1.WriteRelationshipsRequest): Promise<v1.WriteRelationshipsResponse> {
    return this.once('writeRelationships', SLOW_MS, (options) =>
      unary((callback) => this.client.writeRelationships(request, options, callback)),
    );
  }

  writeSchema(request: v1.WriteSchemaRequest): Promise<v1.WriteSchemaResponse> {
    return this.once(
      'writeSchema',
      SLOW_MS,
      (options) => unary((callback) => this.client.writeSchema(request, options, callback)),
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
    this.client = clientOf(this.address);
  }

  /** All tries within one deadline. */
  private async reading<R>(
    name: string,
    ms: number,
    call: (options: CallOptions) => Promise<R>,
    how = GUARDED,
  ): Promise<R> {
    const until = performance.now() + ms;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.once(name, until - performance.now(), call, how);
      } catch (error) {
        const pause = attempt * PAUSE_MS * (0.5 + Math.random());
        const again = attempt < TRIES && !this.closed && refusalOf(error).code === 'UNAVAILABLE';
        if (!again || performance.now() + pause >= until) throw error;
        await sleep(pause);
      }
    }
  }

  private once<R>(
    name: string,
    ms: number,
    call: (options: CallOptions) => Promise<R>,
    { guarded } = GUARDED,
  ): Promise<R> {
    const work = (): Promise<R> => watched(this.watching, name, () => this.inTurn(ms, call));
    return guarded && this.breaker !== undefined ? this.breaker.run(work) : work();
  }

  private async inTurn<R>(ms: number, call: (options: CallOptions) => Promise<R>): Promise<R> {
    const until = performance.now() + ms;
    await this.enter(ms);
    try {
      return await call({ deadline: inMs(Math.max(1, until - performance.now())) });
    } finally {
      this.active -= 1;
      this.waiting.shift()?.();
    }
  }

  /** @throws Fault where too many wait already, or the time runs out while waiting */
  private async enter(ms: number): Promise<void> {
    if (this.closed) throw new Fault('relationships_unavailable', 'the connection is closed');
    if (this.active >= MAX_CALLS) {
      if (this.waiting.length >= MAX_WAITING) throw new Fault('overloaded', `${MAX_WAITING} calls to SpiceDB wait`);
      await new Promise<void>((resolve, reject) => {
        const go = (): void => {
          clearTimeout(timer);
          resolve();
        };
        const timer = setTimeout(() => {
          this.waiting.splice(this.waiting.indexOf(go), 1);
          reject(new Fault('deadline_exceeded', 'waited for a call to SpiceDB'));
        }, ms);
        this.waiting.push(go);
      });
    }
    this.active += 1;
  }
}

const GUARDED = { guarded: true };

/** gRPC counts from the host's clock, whatever decisions are given. */
function inMs(ms: number): number {
  // eslint-disable-next-line no-restricted-syntax -- as above
  return Date.now() + ms;
}

function unary<R>(start: (callback: Callback<R>) => unknown): Promise<R> {
  return new Promise((resolve, reject) => {
    start((error, response) => {
      if (response === undefined || (error !== null && error !== undefined)) reject(asError(error));
      else resolve(response);
    });
  });
}

/** All of a stream or, where it breaks off, nothing of it. */
function collect<R>(stream: Stream<R>): Promise<R[]> {
  return new Promise((resolve, reject) => {
    const found: R[] = [];
    let ended: number | undefined;
    stream.on('data', (response) => {
      found.push(response);
      if (found.length <= MAX_STREAMED) return;
      stream.cancel();
      reject(new Fault('overloaded', `an answer of SpiceDB's has more than ${MAX_STREAMED} parts`));
    });
    stream.on('status', ({ code }) => {
      ended = code;
    });
    stream.on('error', (error) => {
      reject(asError(error));
    });
    stream.on('end', () => {
      if (ended === 0) resolve(found);
      else reject(asError({ code: ended ?? 14, details: 'the answer broke off' }));
    });
  });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : Object.assign(new Error('SpiceDB did not answer'), error);
}

/** Waits for a SpiceDB that isn't there yet. @throws ConfigError where waiting doesn't mend it, Fault */
export async function patiently<T>(
  call: () => Promise<T>,
  { endpoint }: ServerAddress,
  patienceMs = START_MS,
): Promise<T> {
  const until = performance.now() + patienceMs;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (error instanceof ConfigError) throw error;
      const { code, text } = refusalOf(error);
      if (code === 'UNAUTHENTICATED' || code === 'PERMISSION_DENIED')
        throw new ConfigError(`SpiceDB at ${endpoint} refuses the key`, 'spicedb.token');
      if (/certificate|self.signed|altname|unable to verify/i.test(text))
        throw new ConfigError(`SpiceDB at ${endpoint}: ${text.split('\n')[0] ?? ''}`, 'spicedb.ca');
      if (code !== 'UNAVAILABLE' || performance.now() + START_PAUSE_MS > until)
        throw new Fault('relationships_unavailable', `SpiceDB at ${endpoint}: ${code}: ${text.trim()}`);
      await sleep(START_PAUSE_MS);
    }
  }
}
