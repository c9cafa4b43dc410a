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
  /** The authority that the server's certificate is of, as PEM; undefined: those of the system. */
  readonly ca: string | undefined;
  /** Without TLS: whoever is on the way reads the key, and can answer in SpiceDB's place. */
  readonly plaintext: boolean;
}

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

/** Authzed's client with the settings that every call of Remit's has. */
export function createAuthzedClient({ endpoint, key, ca, plaintext }: ServerAddress): AuthzedClient {
  if (ca !== undefined) return v1.NewClientWithCustomCert(key, endpoint, Buffer.from(ca), undefined, CHANNEL_OPTIONS);
  const security = plaintext ? v1.ClientSecurity.INSECURE_PLAINTEXT_CREDENTIALS : v1.ClientSecurity.SECURE;
  return v1.NewClient(key, endpoint, security, undefined, CHANNEL_OPTIONS);
}

/** gRPC counts from the host's clock, whatever decisions are given. */
export function toGrpcDeadline(ms: number): number {
  // eslint-disable-next-line no-restricted-syntax -- as above
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

/** All of a stream or, where it breaks off, nothing of it. */
export function collectStream<R>(stream: ResponseStream<R>): Promise<R[]> {
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
