/** Real SpiceDB servers for tests: the binary that REMIT_TEST_SPICEDB_BINARY names, each with a store of its own. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { connect, createServer, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Connection } from '../../src/graph/server/connection.js';
import type { ServerAddress } from '../../src/graph/server/grpc-client.js';
import { writeServerSchema } from '../../src/graph/server/schema-diff.js';
import type { GraphSchema } from '../../src/graph/schema/schema.js';

export const BINARY = process.env['REMIT_TEST_SPICEDB_BINARY'] ?? '';
/** SpiceDB's source code, of which the tests read the test data; empty where it isn't there. */
export const SOURCE = process.env['REMIT_TEST_SPICEDB_SOURCE'] ?? '';
/** What a suite is called that is skipped for want of a server. */
export const named = (what: string): string =>
  BINARY === '' ? `${what} (skipped: REMIT_TEST_SPICEDB_BINARY names no spicedb)` : what;

export interface RunningSpiceDb {
  readonly address: ServerAddress;
  readonly port: number;
  /** Makes the server's schema that of the file. */
  readonly schema: (graph: GraphSchema) => Promise<void>;
  readonly pause: () => void;
  readonly resume: () => void;
  /** Ends it as a crash would. */
  readonly kill: () => Promise<void>;
}

/** @param flags more of `spicedb serve`, such as a certificate's */
export async function startSpiceDb({
  port,
  key = randomBytes(12).toString('hex'),
  flags = [],
  address = {},
}: {
  readonly port?: number;
  readonly key?: string;
  readonly flags?: readonly string[];
  readonly address?: Partial<ServerAddress>;
} = {}): Promise<RunningSpiceDb> {
  for (let attempt = 1; ; attempt += 1)
    try {
      return await startOn(port ?? (await freePort()), key, flags, address);
    } catch (error) {
      // Another test may have taken the port that was free a moment ago.
      if (port !== undefined || attempt === 5) throw error;
    }
}

async function startOn(
  at: number,
  key: string,
  flags: readonly string[],
  address: Partial<ServerAddress>,
): Promise<RunningSpiceDb> {
  // The shell ends it once this process is gone, however that went, and ends with it.
  const server = spawn(
    'sh',
    [
      '-c',
      'exec 3<&0; "$@" & server=$!; exec 2>/dev/null; echo $server; { cat <&3 >/dev/null; kill -9 $server; } & wait $server',
      'sh',
      BINARY,
      'serve',
      `--grpc-addr=127.0.0.1:${at}`,
      '--datastore-engine=memory',
      '--http-enabled=false',
      '--metrics-enabled=false',
      '--dispatch-cluster-enabled=false',
      '--telemetry-endpoint=',
      '--skip-release-check',
      '--log-level=error',
      ...flags,
    ],
    { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, SPICEDB_GRPC_PRESHARED_KEY: key } },
  );
  const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  const pid = await new Promise<number>((resolve) =>
    server.stdout.once('data', (text: Buffer) => resolve(Number(text.toString()))),
  );
  await listening(at, server).catch((error: unknown) => {
    server.stdin.end();
    throw error;
  });
  const running: ServerAddress = {
    endpoint: `127.0.0.1:${at}`,
    key,
    ca: undefined,
    plaintext: true,
    ...address,
  };
  return {
    address: running,
    port: at,
    schema: async (graph) => {
      const connection = new Connection(running, START_MS);
      await writeServerSchema(connection, graph).finally(() => connection.close());
    },
    pause: () => void process.kill(pid, 'SIGSTOP'),
    resume: () => void process.kill(pid, 'SIGCONT'),
    kill: async () => {
      server.stdin.end();
      await ended;
    },
  };
}

/** Flags of a server that stores in a PostgreSQL database, whose tables are made. */
export async function storedIn(url: string): Promise<string[]> {
  const at = new URL(url);
  at.searchParams.set('sslmode', 'disable');
  const store = ['--datastore-engine=postgres', `--datastore-conn-uri=${at.href}`];
  await promisify(execFile)(BINARY, ['datastore', 'migrate', 'head', ...store]);
  const few = ['read', 'write'].flatMap((pool) => [
    `--datastore-conn-pool-${pool}-max-open=5`,
    `--datastore-conn-pool-${pool}-min-open=1`,
  ]);
  return [...store, ...few];
}

/** Ends what hangs: on a busy machine a start takes many seconds. */
const START_MS = 60_000;

async function listening(port: number, server: ChildProcess): Promise<void> {
  const giveUpAt = performance.now() + START_MS;
  while (performance.now() < giveUpAt) {
    if (server.exitCode !== null) throw new Error(`spicedb ended with ${server.exitCode}`);
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (open) return;
    await sleep(25);
  }
  throw new Error('spicedb does not listen');
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
