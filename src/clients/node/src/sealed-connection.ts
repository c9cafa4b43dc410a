/** Closes what lies beneath a response: the connection of HTTP/1, and the stream of HTTP/2, which handlers can reach as well. */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** The sealed responses of each connection. Several may wait on one for their turn, which is when they have it as their own. */
const sealedOn = new WeakMap<Socket, Set<ServerResponse>>();
/** The methods by which an HTTP/2 stream sends something of an answer, and those by which it sends something beside it. */
const STREAM_WAYS = ['respond', 'respondWithFD', 'respondWithFile', 'write', 'end', 'sendTrailers'] as const;
const STREAM_ASIDES = ['additionalHeaders', 'pushStream'] as const;
/** The methods by which Node's own part beneath it begins an answer, informs before it, and pushes another. */
const NATIVE_WAYS = ['respond'] as const;
const NATIVE_ASIDES = ['info', 'pushPromise'] as const;

/**
 * @param destroy ends the response, since something was sent past it
 * @returns opens it again for the answer itself; what goes beside it stays closed
 */
export function sealConnection(response: ServerResponse, destroy: () => unknown): () => void {
  const { stream } = response as { readonly stream?: object };
  if (stream !== undefined) return sealStream(stream, destroy);
  const socket = (response as Partial<Pick<ServerResponse, 'req'>>).req?.socket;
  // A response that a test has made has no connection.
  if (typeof socket?.write !== 'function') return () => undefined;
  const sealed = sealedOn.get(socket) ?? watchSocket(socket);
  sealed.add(response);
  return () => {
    sealed.delete(response);
  };
}

function sealStream(stream: object, destroy: () => unknown): () => void {
  closeMethods(stream, [...STREAM_WAYS, ...STREAM_ASIDES], destroy);
  const native = findNative(stream);
  // No error is its own to tell: the response is destroyed.
  const refuse = (): number => (destroy(), 0);
  if (native !== undefined) closeMethods(native, [...NATIVE_WAYS, ...NATIVE_ASIDES], refuse);
  return () => {
    for (const name of STREAM_WAYS) Reflect.deleteProperty(stream, name);
    if (native !== undefined) for (const name of NATIVE_WAYS) Reflect.deleteProperty(native, name);
    dropTrailers(stream);
  };
}

function closeMethods(target: object, names: readonly string[], close: () => unknown): void {
  Object.assign(target, Object.fromEntries(names.map((name) => [name, close])));
}

/** Finds Node's own part beneath a stream, which the methods of its class call. @returns undefined where it has none */
function findNative(stream: object): object | undefined {
  const symbol = Object.getOwnPropertySymbols(stream).find(({ description }) => description === 'kHandle');
  const native: unknown = symbol === undefined ? undefined : Reflect.get(stream, symbol);
  return typeof native === 'object' && native !== null ? native : undefined;
}

/** Makes the trailers of a stream none. Node's response asks for them at the end of each answer, and a listener of the handler's may be first. */
function dropTrailers(stream: object): void {
  const original = Reflect.get(stream, 'sendTrailers') as (trailers: object) => void;
  let isSent = false;
  const sendNone = (): void => {
    if (!isSent) original.call(stream, {});
    isSent = true;
  };
  Object.assign(stream, { sendTrailers: sendNone });
}

/** Nothing of a response that is sealed is to be sent, so nothing is on its connection while it has it. */
function watchSocket(socket: Socket): Set<ServerResponse> {
  const sealed = new Set<ServerResponse>();
  sealedOn.set(socket, sealed);
  for (const name of ['write', 'end'] as const) {
    const original = Reflect.get(socket, name) as (...args: unknown[]) => unknown;
    const watched = (...args: unknown[]): unknown => {
      if (![...sealed].some((response) => response.socket === socket)) return original.apply(socket, args);
      socket.destroy();
      return name === 'end' ? socket : false;
    };
    Object.assign(socket, { [name]: watched });
  }
  return sealed;
}
