/**
 * Removes the sockets that embedded SpiceDBs of killed processes have left in the temporary directory. The library removes
 * its own where it is closed; a killed process closes nothing.
 */
import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The name of such a socket: the id of the process that made it, and a number. */
const SOCKET_NAME = /^spicedb-streaming-(\d+)-\d+\.sock$/;
const GROUP_OR_OTHERS = 0o077;
/** The most that one start looks at, so that a directory full of them holds up none. */
const MAX_SOCKETS = 2_000;

/**
 * Removes this user's sockets that no process listens at, and that no other user could have made. Call it before the first
 * SpiceDB of the process starts. What can't be looked at or removed stays: it holds up no start.
 */
export async function removeAbandonedSockets(): Promise<void> {
  // The library follows TMPDIR alone, as node does first of all.
  const directories = new Set([tmpdir(), '/tmp']);
  for (const path of [...directories].flatMap(listLeftSockets).slice(0, MAX_SOCKETS))
    if (await isRefused(path)) rmSync(path, { force: true });
}

/** The sockets of this user alone whose process is gone, as far as can be seen from here. */
function listLeftSockets(directory: string): string[] {
  const user = process.getuid?.();
  if (user === undefined) return [];
  return listEntryNames(directory).flatMap((name) => {
    const [, processId] = SOCKET_NAME.exec(name) ?? [];
    if (processId === undefined || isOtherProcess(Number(processId))) return [];
    const path = join(directory, name);
    const entry = lstatSync(path, { throwIfNoEntry: false });
    return entry?.isSocket() === true && entry.uid === user && (entry.mode & GROUP_OR_OTHERS) === 0 ? [path] : [];
  });
}

function listEntryNames(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** Whether another process has the id. In a container a new process often has the id of the one before it. */
function isOtherProcess(id: number): boolean {
  if (id === process.pid) return false;
  try {
    process.kill(id, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/**
 * Whether no process listens at the socket. Its maker may live where its id means nothing here: in another container, with
 * the same temporary directory.
 */
function isRefused(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code === 'ECONNREFUSED');
    });
  });
}
