/** A wire between Remit and a server that fails as networks and servers do. */
import { connect, createServer, type Server, type Socket, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export type Mode =
  | 'pass'
  /** Everything arrives, late. */
  | 'slow'
  /** Nobody listens any more: connections are broken, and new ones refused. */
  | 'refuse'
  /** Connections stand and are made, and nothing arrives. */
  | 'hang'
  /** Each answer breaks off after its first bytes. */
  | 'cut'
  /** Those connections that there are have lost their other end without a word; new ones work. */
  | 'half-open';

const SLOW_MS = 1_500;
const FIRST_BYTES = 7;

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
  /** Its other end is gone. */
  lost: boolean;
}

export class FaultyProxy {
  private readonly pairs = new Set<Pair>();
  private mode: Mode = 'pass';
  private server: Server;

  private constructor(
    private readonly target: number,
    readonly port: number,
  ) {
    this.server = this.serve();
  }

  static async to(target: number): Promise<FaultyProxy> {
    const probe = createServer();
    await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
    const { port } = probe.address() as AddressInfo;
    await new Promise((resolve) => probe.close(resolve));
    const proxy = new FaultyProxy(target, port);
    await proxy.listen();
    return proxy;
  }

  async set(mode: Mode): Promise<void> {
    const before = this.mode;
    this.mode = mode;
    if (mode === 'half-open') for (const pair of this.pairs) pair.lost = true;
    if (mode === 'refuse') {
      const closed = new Promise((resolve) => this.server.close(resolve));
      for (const { near } of this.pairs) near.destroy();
      await closed;
    } else if (before === 'refuse') {
      this.server = this.serve();
      await this.listen();
    }
  }

  async close(): Promise<void> {
    await this.set('refuse');
  }

  private listen(): Promise<void> {
    return new Promise((resolve, reject) => this.server.once('error', reject).listen(this.port, '127.0.0.1', resolve));
  }

  private serve(): Server {
    return createServer({ noDelay: true }, (near) => {
      const pair: Pair = { near, far: connect({ port: this.target, host: '127.0.0.1', noDelay: true }), lost: false };
      this.pairs.add(pair);
      this.pump(pair, pair.near, pair.far, false);
      this.pump(pair, pair.far, pair.near, true);
    });
  }

  private pump(pair: Pair, from: Socket, into: Socket, answer: boolean): void {
    let last = Promise.resolve();
    from.on('data', (chunk: Buffer) => {
      last = last.then(async () => {
        if (this.mode === 'hang' || pair.lost) return;
        if (this.mode === 'slow') await sleep(SLOW_MS, undefined, { ref: false });
        if (this.mode === 'cut' && answer) {
          into.write(chunk.subarray(0, FIRST_BYTES), () => {
            from.destroy();
          });
          return;
        }
        into.write(chunk);
      });
    });
    from.on('error', () => into.destroy());
    from.on('close', () => {
      this.pairs.delete(pair);
      into.destroy();
    });
  }
}
