/** A PostgreSQL server of a test's own, to be stopped, started and killed; and a wire to it that can be cut. */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PASSWORD = 'pass-word';
const certificates = fileURLToPath(new URL('../certificates', import.meta.url));

/** Where initdb and postgres are; undefined where only a client is installed, or nothing. */
export const BINARIES = ['/usr/lib/postgresql', '/usr/local/pgsql', '/opt/homebrew/opt/postgresql']
  .flatMap((base) => (existsSync(base) ? [base, ...readdirSync(base).map((version) => join(base, version))] : []))
  .map((base) => join(base, 'bin'))
  .findLast((bin) => existsSync(join(bin, 'initdb')));

/** Root may not run a server: Debian's package makes a user for it. */
function account(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

export class Throwaway {
  private postmaster: ChildProcess | undefined;

  private constructor(
    private readonly directory: string,
    readonly port: number,
    private readonly who: { uid?: number; gid?: number },
  ) {}

  /** A server on loopback with a password, fsync as it should be, and, if asked for, TLS by test/support/certificates. */
  static async start(settings: Readonly<Record<string, string>> = {}, tls = false): Promise<Throwaway> {
    if (BINARIES === undefined) throw new TypeError('no initdb');
    const directory = mkdtempSync(join(tmpdir(), 'remit-postgres-'));
    const who = account();
    if (who.uid !== undefined && who.gid !== undefined) chownSync(directory, who.uid, who.gid);
    const server = new Throwaway(directory, await freePort(), who);
    const password = join(directory, 'password');
    writeFileSync(password, PASSWORD);
    chmodSync(password, 0o644);
    const data = join(directory, 'data');
    const made = spawnSync(
      join(BINARIES, 'initdb'),
      ['-D', data, '-U', 'postgres', '--auth=scram-sha-256', `--pwfile=${password}`, '-E', 'UTF8', '--locale=C.UTF-8'],
      { ...who, cwd: directory, encoding: 'utf8' },
    );
    if (made.status !== 0) throw new Error(made.stderr);
    if (tls) {
      for (const name of ['server.pem', 'server.key']) {
        copyFileSync(join(certificates, name), join(data, name));
        chmodSync(join(data, name), 0o600);
        if (who.uid !== undefined && who.gid !== undefined) chownSync(join(data, name), who.uid, who.gid);
      }
      Object.assign(settings, { ssl: 'on', ssl_cert_file: 'server.pem', ssl_key_file: 'server.key' });
    }
    const lines = Object.entries({
      listen_addresses: '127.0.0.1',
      port: String(server.port),
      unix_socket_directories: '',
      ...settings,
    }).map(([name, value]) => `${name} = '${value}'\n`);
    writeFileSync(join(data, 'postgresql.auto.conf'), lines.join(''));
    await server.up();
    return server;
  }

  url(database = 'postgres', { port = this.port, user = 'postgres', password = PASSWORD } = {}): string {
    return `postgres://${user}:${password}@127.0.0.1:${port}/${database}`;
  }

  /** Resolves when it takes connections. */
  async up(): Promise<void> {
    const until = performance.now() + 30_000;
    while (performance.now() < until) {
      const child = spawn(join(BINARIES ?? '', 'postgres'), ['-D', join(this.directory, 'data')], {
        ...this.who,
        cwd: this.directory,
      });
      this.postmaster = child;
      let log = '';
      const ready = await new Promise<boolean>((resolve) => {
        child.stderr.on('data', (chunk: Buffer) => {
          log += chunk.toString();
          if (log.includes('database system is ready to accept connections')) resolve(true);
        });
        child.once('exit', () => resolve(false));
      });
      if (ready) return;
      // After a kill, what is left of the one before may hold its memory for a moment.
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error('the server does not start');
  }

  /** As an operator stops it: everybody is sent away, everything is written. */
  stop(): Promise<void> {
    return this.end((pid) => process.kill(pid, 'SIGINT'));
  }

  /** As a machine loses it: the server and each of its processes at once. */
  kill(): Promise<void> {
    return this.end((pid) => {
      const children = spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' }).stdout;
      process.kill(pid, 'SIGKILL');
      for (const child of children.split('\n').map(Number).filter(Boolean)) {
        try {
          process.kill(child, 'SIGKILL');
        } catch {
          // It was gone already.
        }
      }
    });
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private async end(how: (pid: number) => void): Promise<void> {
    const child = this.postmaster;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    how(child.pid);
    await ended;
  }
}

/** What a network does to connections, in front of a server. */
export class Wire {
  private readonly sockets = new Set<Socket>();
  private frozen = false;

  private constructor(private readonly server: Server) {}

  static async to(port: number): Promise<Wire> {
    const server = createServer();
    const wire = new Wire(server);
    server.on('connection', (near) => {
      const far = connect(port, '127.0.0.1');
      for (const [from, into] of [[near, far], [far, near]] as const) {
        wire.sockets.add(from);
        from.on('data', (chunk: Buffer) => {
          if (!wire.frozen) into.write(chunk);
        });
        from.on('error', () => into.destroy());
        from.on('close', () => {
          wire.sockets.delete(from);
          into.destroy();
        });
      } // prettier-ignore
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return wire;
  }

  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  /** Takes everything and passes nothing on, and nobody is told. */
  freeze(frozen: boolean): void {
    this.frozen = frozen;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
