/** Real servers to measure on: a SpiceDB on a PostgreSQL of its own, and another PostgreSQL for Remit. Gone at the end. */
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const ci = (name) => fileURLToPath(new URL(`../../../.ci/${name}`, import.meta.url));
/** Durable as in use: what has been acknowledged is on the disk. SpiceDB's Watch needs the times of commits. */
const POSTGRES = ['fsync=on', 'shared_buffers=512MB', 'track_commit_timestamp=on', 'max_connections=200'];
const LISTENING = { tries: 400, pauseMs: 50 };

/** @returns addresses, the processes by name, and how to end them all */
export async function startServers() {
  const closers = [];
  const close = async () => {
    for (const end of closers.splice(0).reverse()) await end();
  };
  try {
    const postgres = (name) => {
      const started = startPostgres(`bench-${process.pid}-${name}`);
      closers.push(started.stop);
      return started;
    };
    const [forSpiceDb, forRemit] = [postgres('spicedb'), postgres('remit')];
    const spicedb = await startSpiceDb(forSpiceDb.url);
    closers.push(spicedb.stop);
    return {
      spicedb: { endpoint: spicedb.endpoint, httpPort: spicedb.httpPort, key: spicedb.key },
      database: forRemit.url,
      graphDatabase: forSpiceDb.url,
      pids: { SpiceDB: spicedb.pid, 'PostgreSQL of SpiceDB': forSpiceDb.pid, 'PostgreSQL of Remit': forRemit.pid },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function startPostgres(id) {
  const env = { ...process.env, CI_POSTGRES: id };
  const run = (...args) => execFileSync(ci('postgres'), args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }); // prettier-ignore
  const url = run('start', ...POSTGRES.flatMap((setting) => ['-c', setting])).trim();
  const place = join(process.env.TMPDIR ?? tmpdir(), `remit-ci-postgres.${id}`, 'data', 'postmaster.pid');
  return { url, pid: Number(readFileSync(place, 'utf8').split('\n')[0]), stop: () => run('stop') };
}

async function startSpiceDb(database) {
  const binary = process.env.REMIT_TEST_SPICEDB_BINARY ?? execFileSync(ci('spicedb'), { encoding: 'utf8' }).trim();
  const datastore = ['--datastore-engine=postgres', `--datastore-conn-uri=${database}`];
  const quiet = { stdio: ['ignore', 'ignore', 'pipe'] };
  execFileSync(binary, ['datastore', 'migrate', 'head', ...datastore, '--log-level=error'], quiet);
  const [port, httpPort, key] = [await freePort(), await freePort(), randomBytes(12).toString('hex')];
  const server = spawn(
    binary,
    [
      'serve',
      ...datastore,
      `--grpc-addr=127.0.0.1:${port}`,
      '--http-enabled=true',
      `--http-addr=127.0.0.1:${httpPort}`,
      '--metrics-enabled=false',
      '--dispatch-cluster-enabled=false',
      '--telemetry-endpoint=',
      '--skip-release-check',
      '--log-level=error',
    ],
    { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, SPICEDB_GRPC_PRESHARED_KEY: key } },
  );
  const ended = new Promise((resolve) => server.once('exit', resolve));
  const stop = async () => {
    server.kill();
    await ended;
  };
  process.once('exit', () => server.kill('SIGKILL'));
  try {
    for (const open of [port, httpPort]) await listening(open, server);
  } catch (error) {
    await stop();
    throw error;
  }
  return { endpoint: `127.0.0.1:${port}`, httpPort, key, pid: server.pid, stop };
}

async function listening(port, server) {
  for (let i = 0; i < LISTENING.tries && server.exitCode === null; i += 1) {
    const open = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (open) return;
    await sleep(LISTENING.pauseMs);
  }
  throw new Error('spicedb does not listen');
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
