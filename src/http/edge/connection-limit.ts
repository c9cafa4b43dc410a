/**
 * Shares the connections of a listener. One network may have most of them, since all callers may come through one proxy,
 * but never the last that others leave. Where there is no room for a new connection, one that is of no use just now yields
 * to it: an idle one, or one whose caller isn't known, of the network that has the most of its kind.
 */
import { subscriberNetwork } from '../../runtime/ip-address.js';

/** The part of what other networks leave that one may have. */
const NETWORK_SHARE = 7 / 8;

/** A connection's socket, as it is counted. */
export interface CountedSocket {
  readonly remoteAddress?: string | undefined;
  destroy: () => unknown;
}

/** The connections that may yield, in this order: a kind yields only where there is none of those before. */
const YIELDING_KINDS = ['idle stranger', 'idle caller', 'busy stranger'] as const;
type ConnectionKind = (typeof YIELDING_KINDS)[number] | 'busy caller';

interface LimitedConnection {
  readonly socket: CountedSocket;
  readonly network: NetworkConnections;
  kind: ConnectionKind;
  /** Requests that are not answered yet: a sender may write several without waiting. */
  requests: number;
}

interface NetworkConnections {
  readonly name: string;
  held: number;
  /** Those of each kind, the one first that became of it first. */
  readonly byKind: Readonly<Record<ConnectionKind, Set<LimitedConnection>>>;
}

export class ConnectionLimit {
  private total = 0;
  private readonly networks = new Map<string, NetworkConnections>();
  private readonly connections = new Map<CountedSocket, LimitedConnection>();

  constructor(private readonly capacity: number) {}

  /** Connections that have a place. */
  get active(): number {
    return this.total;
  }

  /**
   * Takes a place for a new connection. Others may be closed for it.
   * @returns false where there is none, and the connection has been closed
   */
  open(socket: CountedSocket): boolean {
    const network = this.getNetwork(socket);
    if (!this.makeRoom(network)) {
      socket.destroy();
      return false;
    }
    const connection: LimitedConnection = { socket, network, kind: 'idle stranger', requests: 0 };
    this.connections.set(socket, connection);
    this.networks.set(network.name, network);
    network.byKind[connection.kind].add(connection);
    network.held += 1;
    this.total += 1;
    return true;
  }

  /** Gives the place of a connection back. */
  close(socket: CountedSocket): void {
    const connection = this.connections.get(socket);
    if (connection === undefined) return;
    const { network, kind } = connection;
    this.connections.delete(socket);
    network.byKind[kind].delete(connection);
    network.held -= 1;
    this.total -= 1;
    if (network.held === 0) this.networks.delete(network.name);
  }

  /** A request has arrived on the connection. */
  begin(socket: CountedSocket): void {
    const connection = this.connections.get(socket);
    if (connection === undefined) return;
    connection.requests += 1;
    changeKind(connection, { 'idle stranger': 'busy stranger', 'idle caller': 'busy caller' });
  }

  /** A request is answered. */
  end(socket: CountedSocket): void {
    const connection = this.connections.get(socket);
    if (connection === undefined) return;
    connection.requests -= 1;
    if (connection.requests > 0) return;
    changeKind(connection, { 'busy stranger': 'idle stranger', 'busy caller': 'idle caller' });
  }

  /** The caller of a request on the connection is known. */
  recognize(socket: CountedSocket): void {
    const connection = this.connections.get(socket);
    if (connection === undefined) return;
    changeKind(connection, { 'idle stranger': 'idle caller', 'busy stranger': 'busy caller' });
  }

  private getNetwork({ remoteAddress = '' }: CountedSocket): NetworkConnections {
    const name = subscriberNetwork(remoteAddress);
    return this.networks.get(name) ?? createNetwork(name);
  }

  /** @returns false where no connection may yield that has to */
  private makeRoom(network: NetworkConnections): boolean {
    const free = this.capacity - (this.total - network.held);
    if (network.held > 0 && network.held + 1 > Math.max(1, Math.floor(free * NETWORK_SHARE)))
      return this.closeFirst(new Map([[network.name, network]]), network);
    return this.total < this.capacity || this.closeFirst(this.networks, network);
  }

  /** Closes the first connection of the first kind that there is, of the network with the most of it. */
  private closeFirst(networks: ReadonlyMap<string, NetworkConnections>, newcomer: NetworkConnections): boolean {
    for (const kind of YIELDING_KINDS) {
      // The new connection is an idle stranger's itself.
      const count = (network: NetworkConnections): number =>
        network.byKind[kind].size + (network === newcomer && kind === 'idle stranger' ? 1 : 0);
      let most: NetworkConnections | undefined;
      for (const network of networks.values())
        if (network.byKind[kind].size > 0 && (most === undefined || count(network) > count(most))) most = network;
      const [first] = most?.byKind[kind] ?? [];
      if (first === undefined) continue;
      this.close(first.socket);
      first.socket.destroy();
      return true;
    }
    return false;
  }
}

function createNetwork(name: string): NetworkConnections {
  const none = (): Set<LimitedConnection> => new Set();
  const byKind = { 'idle stranger': none(), 'idle caller': none(), 'busy stranger': none(), 'busy caller': none() };
  return { name, held: 0, byKind };
}

function changeKind(connection: LimitedConnection, kinds: Partial<Record<ConnectionKind, ConnectionKind>>): void {
  const { byKind } = connection.network;
  const kind = kinds[connection.kind];
  if (kind === undefined) return;
  byKind[connection.kind].delete(connection);
  byKind[kind].add(connection);
  connection.kind = kind;
}
