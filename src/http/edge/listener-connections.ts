/** Counts the connections of a listener's servers from their first byte to their last, and what they are of use for meanwhile. */
import type { RequestListener, Server } from 'node:http';
import type { Socket } from 'node:net';
import { ConnectionLimit, type CountedSocket } from './connection-limit.js';

export class ListenerConnections {
  private readonly limit: ConnectionLimit;
  /** The connection of each socket; of one with TLS, of the socket below it as well. */
  private readonly connections = new WeakMap<Socket, TrackedSocket>();

  /** @param capacity of all servers together */
  constructor(capacity: number) {
    this.limit = new ConnectionLimit(capacity);
  }

  /** Connections that are open. */
  get active(): number {
    return this.limit.active;
  }

  /** Counts the connections of a server. */
  watch(server: Server): void {
    /** Those whose TLS isn't established yet. */
    const handshakes = new Map<string, TrackedSocket>();
    server.on('connection', (socket: Socket) => {
      const connection = new TrackedSocket(socket);
      if (!this.limit.open(connection)) return;
      const ends = nameEnds(socket);
      this.connections.set(socket, connection);
      handshakes.set(ends, connection);
      socket.once('close', () => {
        this.limit.close(connection);
        if (handshakes.get(ends) === connection) handshakes.delete(ends);
      });
    });
    server.on('secureConnection', (socket: Socket) => {
      const connection = handshakes.get(nameEnds(socket));
      if (connection === undefined) return;
      connection.current = socket;
      this.connections.set(socket, connection);
    });
  }

  /** Makes a listener that counts requests as what keeps a connection busy. */
  countRequests(handle: RequestListener): RequestListener {
    return (request, response) => {
      const connection = this.connections.get(request.socket);
      if (connection !== undefined) {
        this.limit.begin(connection);
        response.once('close', () => {
          this.limit.end(connection);
        });
      }
      handle(request, response);
    };
  }

  /** The caller of a request is known, so its connection is a caller's from now on. */
  recognize(socket: Socket): void {
    const connection = this.connections.get(socket);
    if (connection !== undefined) this.limit.recognize(connection);
  }
}

/** A connection, with the socket that ends it in order. */
class TrackedSocket implements CountedSocket {
  readonly remoteAddress: string | undefined;

  constructor(public current: Socket) {
    // Gone once the connection is closed.
    this.remoteAddress = current.remoteAddress;
  }

  destroy(): void {
    this.current.destroy();
  }
}

/** Names both ends of a connection. Node doesn't say which socket one with TLS stands on. */
function nameEnds({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return [remoteAddress, remotePort, localAddress, localPort].join(' ');
}
