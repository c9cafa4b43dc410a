/** Who gets a place among the connections of a listener, and whose connection is closed for it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConnectionLimit, type CountedSocket } from '../../../src/http/edge/connection-limit.js';

class Socket implements CountedSocket {
  isClosed = false;
  constructor(
    readonly remoteAddress: string,
    private readonly limit: ConnectionLimit,
  ) {}
  destroy(): void {
    this.isClosed = true;
    this.limit.close(this);
  }
}
const CAPACITY = 16;
/** What one network may have of it, beside which the rest stays for others. */
const SHARE = 14;

function openMany(limit: ConnectionLimit, address: string, count: number): Socket[] {
  return Array.from({ length: count }, () => {
    const socket = new Socket(address, limit);
    limit.open(socket);
    return socket;
  });
}
const openOnes = (sockets: readonly Socket[]): number => sockets.filter(({ isClosed }) => !isClosed).length;

describe('connections of one network', () => {
  it('that say nothing keep out no one, however many they are', () => {
    const limit = new ConnectionLimit(CAPACITY);
    const idle = openMany(limit, '192.0.2.1', 10 * CAPACITY);
    expect(openOnes(idle)).toBe(SHARE);
    expect(idle.slice(-SHARE).every(({ isClosed }) => !isClosed)).toBe(true);
    // Others have more than the rest: the oldest of the most yield.
    const others = Array.from({ length: SHARE }, (_, i) => openMany(limit, `198.51.100.${i}`, 1)).flat();
    expect(openOnes(others)).toBe(SHARE);
    expect(openOnes(idle)).toBe(CAPACITY - SHARE);
  });

  it('that work for callers leave a rest for others, and a rest of that for further ones', () => {
    const limit = new ConnectionLimit(2_000);
    const work = (address: string): number => {
      const sockets = openMany(limit, address, 2_000);
      for (const socket of sockets) {
        limit.begin(socket);
        limit.recognize(socket);
      }
      return openOnes(sockets);
    };
    const taken = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map(work);
    // Each socket is busy only after all are open: of the last, those that were idle have yielded.
    expect(taken).toEqual([1_750, 218, 28]);
    expect(openOnes(openMany(limit, '192.0.2.4', 1))).toBe(1);
  });

  it('yield those first that no caller was known on, then idle ones, and never one that works for a caller', () => {
    const limit = new ConnectionLimit(4);
    const [known, stranger, working] = openMany(limit, '192.0.2.1', 3) as [Socket, Socket, Socket];
    limit.begin(known);
    limit.recognize(known);
    limit.end(known);
    limit.begin(working);
    limit.recognize(working);
    const order: boolean[][] = [];
    for (let i = 0; i < 4; i += 1) {
      openMany(limit, '192.0.2.1', 1).forEach((socket) => limit.begin(socket));
      order.push([known, stranger, working].map(({ isClosed }) => isClosed));
    }
    expect(order).toEqual([[false, true, false], [true, true, false], [true, true, false], [true, true, false]]);
  }); // prettier-ignore

  it('are those of one /64 of IPv6, and of both forms of an IPv4 address', () => {
    const limit = new ConnectionLimit(CAPACITY);
    const subscriber = Array.from({ length: CAPACITY }, (_, i) => openMany(limit, `2001:db8::${i}`, 1)).flat();
    expect(openOnes(subscriber)).toBe(SHARE);
    const mapped = new ConnectionLimit(CAPACITY);
    openMany(mapped, '192.0.2.1', SHARE);
    openMany(mapped, '::ffff:192.0.2.1', SHARE);
    expect(mapped.active).toBe(SHARE);
  });

  it('stay busy until all that was pipelined is answered', () => {
    const limit = new ConnectionLimit(2);
    const [one] = openMany(limit, '192.0.2.1', 1) as [Socket];
    limit.begin(one);
    limit.begin(one);
    limit.recognize(one);
    limit.end(one);
    openMany(limit, '192.0.2.2', 4);
    expect(one.isClosed).toBe(false);
    limit.end(one);
    openMany(limit, '192.0.2.1', 1);
    expect(one.isClosed).toBe(true);
  });
});

it('whatever connections do: no more than there may be, none lost that works, and a new network gets in', () => {
  const step = fc.record({
    action: fc.constantFrom('open', 'open', 'open', 'begin', 'recognize', 'end', 'close'),
    network: fc.integer({ min: 0, max: 4 }),
    which: fc.nat(),
  });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 24 }), fc.array(step, { maxLength: 300 }), (capacity, steps) => {
      const limit = new ConnectionLimit(capacity);
      const sockets: { socket: Socket; requests: number; known: boolean }[] = [];
      const live = () => sockets.filter(({ socket }) => !socket.isClosed);
      for (const { action, network, which } of steps) {
        const address = `192.0.2.${network}`;
        const working = live().filter(({ requests, known }) => requests > 0 && known);
        if (action === 'open') {
          const mine = live().filter(({ socket }) => socket.remoteAddress === address);
          const socket = new Socket(address, limit);
          const opened = limit.open(socket);
          sockets.push({ socket, requests: 0, known: false });
          expect(opened).toBe(!socket.isClosed);
          // A network that has none is refused only where all that there are work for callers.
          if (mine.length === 0 && working.length < capacity) expect(opened).toBe(true);
        } else {
          const one = live()[which % Math.max(1, live().length)];
          if (one === undefined) continue;
          if (action === 'begin') {
            one.requests += 1;
            limit.begin(one.socket);
          } else if (action === 'end' && one.requests > 0) {
            one.requests -= 1;
            limit.end(one.socket);
          } else if (action === 'recognize') {
            one.known = true;
            limit.recognize(one.socket);
          } else if (action === 'close') {
            one.socket.destroy();
            continue;
          }
        }
        expect(limit.active).toBe(live().length);
        expect(limit.active).toBeLessThanOrEqual(capacity);
        for (const { socket } of working) expect(socket.isClosed).toBe(false);
      }
    }),
    { numRuns: 300 },
  );
}); // prettier-ignore
