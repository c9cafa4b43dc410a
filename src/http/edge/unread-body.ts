/**
 * Ends a connection whose request is answered before its body was read. What its sender still sends is not read: the answer
 * goes out, the connection is half closed, and a moment later it is gone. A caller who is known keeps its connection where
 * the rest of the body is short, since connecting anew costs both ends more than reading it away.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** The longest body of most routes. */
export const MAX_BODY_BYTES = 1024 * 1024;
/** That of a filter, which has up to 1,000 records in it. No route takes a longer one. */
export const MAX_FILTER_BODY_BYTES = 4 * MAX_BODY_BYTES;
/** The longest body of a known caller that is read away for the sake of its connection. */
const MAX_DRAINED_BYTES = 64 * 1024;
/** The time in which the other end can read the answer. A connection that is reset at once may lose it. */
const LINGER_MS = 1_000;

/** Adds the hooks that end such connections, and that ask for the body of a request which waits to be told to send it. */
export function endUnreadBodies(app: FastifyInstance): void {
  app.addHook('onSend', (request, reply, payload, done) => {
    // An injected request has no connection, and so no such property.
    const { complete = true } = request.raw as { readonly complete?: boolean };
    if (!complete && request.lines?.isAnswered !== true && !isDrained(request)) endAfterAnswer(request, reply);
    done(null, payload);
  });
  // Only here is it settled that the body is wanted: the caller is known, and has room.
  app.addHook('preParsing', (request, reply, payload, done) => {
    if (request.headers.expect !== undefined) reply.raw.writeContinue();
    done(null, payload);
  });
}

/** Has the connection end once the answer is out, whatever its other end still sends. */
export function endAfterAnswer({ raw }: FastifyRequest, reply: FastifyReply): void {
  void reply.header('connection', 'close');
  // An injected request has no connection of its own.
  if ('complete' in raw) endReading(raw.socket);
}

/** The announced length of a request's body in bytes; Infinity where it comes in chunks. */
export function getAnnouncedLength({ headers }: Pick<IncomingMessage, 'headers'>): number {
  return headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : Infinity;
}

function isDrained({ raw, caller }: FastifyRequest): boolean {
  const length = getAnnouncedLength(raw);
  // A sender that waits for permission to send has to be able to tell its next request from the body that it never sent.
  if (raw.headers.expect !== undefined) return length === 0;
  return length <= (caller === undefined ? 0 : MAX_DRAINED_BYTES);
}

/** Makes the end of the connection, which node begins once the answer is written, one that reads no more. */
export function endReading(socket: Socket): void {
  socket.destroySoon = () => {
    socket.end();
    // Node has just resumed the body, in order to read it away. It does so in the next tick.
    socket.pause();
    setImmediate(() => socket.pause());
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  };
}
