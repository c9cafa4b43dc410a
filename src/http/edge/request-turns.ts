/**
 * Hands the requests of one connection over one at a time. A sender may write many without waiting for answers
 * (pipelining), and node hands over all that have arrived: then one connection would be many callers.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** The most requests that may wait on one connection. One that has more is not one of a client, and is closed. */
const MAX_WAITING_REQUESTS = 100;

type Exchange = readonly [IncomingMessage, ServerResponse];

/** Requests of a connection that wait for the answer to the one before. */
const waitingRequests = new WeakMap<Socket, Exchange[]>();

export function takeTurns(handle: RequestListener): RequestListener {
  const begin = (socket: Socket, [request, response]: Exchange): void => {
    response.once('close', () => {
      const next = waitingRequests.get(socket)?.shift();
      if (next === undefined) waitingRequests.delete(socket);
      // After an answer that closes the connection nothing is worked on (RFC 9112 section 9.6).
      else if (socket.writable) begin(socket, next);
    });
    handle(request, response);
  };
  return (request, response) => {
    const { socket } = request;
    const waiting = waitingRequests.get(socket);
    if (waiting === undefined) {
      waitingRequests.set(socket, []);
      begin(socket, [request, response]);
    } else if (waiting.length < MAX_WAITING_REQUESTS) waiting.push([request, response]);
    else socket.destroy();
  };
}
