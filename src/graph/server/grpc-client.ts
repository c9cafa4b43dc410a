/**
 * Authzed's gRPC client as Remit sets it up, and its callbacks and streams as promises. The connection makes its calls
 * through it.
 */
import { v1 } from '@authzed/authzed-node';
import { InterceptingCall, type Interceptor } from '@grpc/grpc-js';
import { Fault } from '../../model/faults.js';
import { currentSpan } from '../../telemetry/active-span.js';

export interface ServerAddress {
  /** `host:port`. */
  readonly endpoint: string;
  /** The pre-shared key. */
  readonly key: string;
  /** The authority that issued the server's certificate, as PEM; undefined where the system's authorities count. */
  readonly ca: string | undefined;
  /** Whether TLS is off: then any host on the way can read the key, and answer in SpiceDB's place. */
  readonly plaintext: boolean;
}

/** Messages of one stream; a longer one isn't held in memory. */
const MAX_STREAM_LENGTH = 200_000;

const CHANNEL_OPTIONS = {
  'grpc.max_receive_message_length': 32 * 1024 * 1024,
  // A recovery should be noticed at once; gRPC's own pauses grow to two minutes.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2_000,
  // A peer that vanished is noticed, and the connection made anew; one that is only busy gets its time. SpiceDB hangs up
  // on a client that pings more often than this during calls that it hasn't answered.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 10_000,
  // A client that is made anew gets connections of its own, not those that were given up.
  'grpc.use_local_subchannel_pool': 1,
  // The environment's proxies must not see the engine's key.
  'grpc.enable_http_proxy': 0,
  'grpc.primary_user_agent': 'remit',
  interceptors: [addTraceHeaders],
};

/** Adds W3C trace headers to a call that is part of a trace. */
function addTraceHeaders(...[options, next]: Parameters<Interceptor>): InterceptingCall {
  return new InterceptingCall(next(options), {
    start: (metadata, listener, start) => {
      for (const [name, value] of Object.entries(currentSpan()?.headers ?? {})) metadata.set(name, value);
      start(metadata, listener);
    },
  });
}

export type AuthzedClient = ReturnType<typeof v1.NewClient>;

export interface GrpcCallOptions {
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

/** Authzed's client with the channel options of every call that Remit makes. It connects at the first call. */
export function createAuthzedClient({ endpoint, key, ca, plaintext }: ServerAddress): AuthzedClient {
  if (ca !== undefined) return v1.NewClientWithCustomCert(key, endpoint, Buffer.from(ca), undefined, CHANNEL_OPTIONS);
  const security = plaintext ? v1.ClientSecurity.INSECURE_PLAINTEXT_CREDENTIALS : v1.ClientSecurity.SECURE;
  return v1.NewClient(key, endpoint, security, undefined, CHANNEL_OPTIONS);
}

/** The instant in so many milliseconds, as gRPC takes deadlines. */
export function toGrpcDeadline(ms: number): number {
  // eslint-disable-next-line no-restricted-syntax -- gRPC measures by the host's clock, whatever clock decisions are given
  return Date.now() + ms;
}

export function awaitUnary<R>(start: (callback: UnaryCallback<R>) => unknown): Promise<R> {
  return new Promise((resolve, reject) => {
    start((error, response) => {
      if (response === undefined || (error !== null && error !== undefined)) reject(toSpiceDBError(error));
      else resolve(response);
    });
  });
}

/** The messages of a stream. @throws where it breaks off, or is too long */
export function collectStream<R>(stream: ResponseStream<R>): Promise<R[]> {
  return new Promise((resolve, reject) => {
    const responses: R[] = [];
    let statusCode: number | undefined;
    stream.on('data', (response) => {
      responses.push(response);
      if (responses.length <= MAX_STREAM_LENGTH) return;
      stream.cancel();
      reject(new Fault('overloaded', `an answer of SpiceDB has more than ${MAX_STREAM_LENGTH} messages`));
    });
    stream.on('status', ({ code }) => {
      statusCode = code;
    });
    stream.on('error', (error) => {
      reject(toSpiceDBError(error));
    });
    stream.on('end', () => {
      if (statusCode === 0) resolve(responses);
      else reject(toSpiceDBError({ code: statusCode ?? 14, details: 'the answer of SpiceDB broke off' }));
    });
  });
}

/**
 * Gives each message of a stream to `isLast`, and ends the stream with the first that is.
 * @throws where it breaks off before, or what `isLast` throws
 */
export function consumeStream<R>(stream: ResponseStream<R>, isLast: (response: R) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.on('data', (response) => {
      try {
        if (!isLast(response)) return;
        resolve();
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
      stream.cancel();
    });
    stream.on('error', (error) => {
      reject(toSpiceDBError(error));
    });
    stream.on('end', () => {
      reject(toSpiceDBError({ code: 14, details: 'the answer of SpiceDB broke off' }));
    });
  });
}

function toSpiceDBError(error: unknown): Error {
  return error instanceof Error ? error : Object.assign(new Error('SpiceDB did not answer'), error);
}
