/** Closes what lies beneath a response: the connection of HTTP/1, and the stream of HTTP/2, which handlers can reach as well. */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** The sealed responses of each connection. Several may wait on one for their turn, which is when they have it as their own. */
const sealedOn = new WeakMap<Socket, Set<ServerResponse>>();
/** The methods by which an HTTP/2 stream sends something of an answer, and those by which it sends something beside it. */
const STREAM_WAYS = ['respond', 'respondWithFD', 'respondWithFile', 'write', 'end', 'sendTrailers'] as const;
const STREAM_ASIDES = ['additionalHeaders', 'pushStream'] as const;

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
  const close = (names: readonly string[]): void => {
    Object.assign(stream, Object.fromEntries(names.map((name) => [name, destroy])));
  };
  close(STREAM_WAYS);
  close(STREAM_ASIDES);
  return () => {
    for (const name of STREAM_WAYS) Reflect.deleteProperty(stream, name);
  };
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
