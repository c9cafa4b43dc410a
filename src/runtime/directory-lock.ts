/**
 * The lock of the data directory: PGlite has none, and two processes on one directory lose rows silently. The lock is a
 * file that names its holder. A holder that was killed leaves a stale lock, which another process may replace.
 */
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { v4 as uuid } from 'uuid';
import { ConfigError } from '../model/faults.js';

interface LockHolder {
  readonly pid: number;
  /** The host and process namespace in which the pid has a meaning; in any other only the heartbeat counts. */
  readonly where: string;
  /** The start time of the process, on Linux only: the system may give the pid to another process. */
  readonly started: string | undefined;
  readonly nonce: string;
  /** The address of its service, if it has one. */
  readonly url?: string | undefined;
}

export interface DirectoryLock {
  /** Writes the address of the holder's service into the lock. @throws ConfigError where the lock was lost */
  publishUrl(url: string): void;
  release(): void;
}

/** Another running process holds the lock. */
export class DirectoryLockedError extends ConfigError {
  constructor(
    directory: string,
    readonly pid: number,
    readonly url: string | undefined,
  ) {
    super(
      `the data directory is in use by process ${pid}${url === undefined ? '' : `, which serves ${url}`}`,
      directory,
    );
  }
}

/** A holder touches the lock this often, so that a process elsewhere (another container on the volume) knows it runs. */
const HEARTBEAT_MS = 5_000;
const DEAD_AFTER_MS = 20_000;

/** Creates the directory (mode 0700) where it is missing, and takes its lock. @throws DirectoryLockedError, ConfigError */
export function lockDirectory(directory: string): DirectoryLock {
  createDataDirectory(directory);
  const file = join(directory, 'lock');
  const thisProcess: LockHolder = {
    pid: process.pid,
    where: readProcessScope(),
    started: readStartTime(process.pid),
    nonce: uuid(),
  };
  for (let attempt = 0; attempt < 3; attempt += 1) {
    if (tryCreateLock(file, thisProcess)) return holdLock(file, thisProcess);
    const holder = readHolder(file);
    if (holder !== undefined && isAlive(holder, file))
      throw new DirectoryLockedError(directory, holder.pid, holder.url);
    removeStaleLock(file, holder?.nonce);
  }
  throw new ConfigError('the lock could not be taken: other processes take and leave it too fast', directory);
}

/** Creates the lock by a link: the file appears whole, or the link fails because another lock is there. */
function tryCreateLock(file: string, thisProcess: LockHolder): boolean {
  const draft = `${file}.${thisProcess.nonce}`;
  writeFileSync(draft, JSON.stringify(thisProcess), { mode: 0o600 });
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    unlinkSync(draft);
  }
}

/** Removes the lock of a holder that has ended, or a file that is no lock. Another process may replace it meanwhile. */
function removeStaleLock(file: string, staleNonce: string | undefined): void {
  const movedFile = `${file}.${uuid()}`;
  try {
    renameSync(file, movedFile);
  } catch {
    return;
  }
  if (readHolder(movedFile)?.nonce !== staleNonce) {
    try {
      linkSync(movedFile, file);
    } catch {
      // A third process has the lock now. The second one has lost it, and finds out when it publishes its address.
    }
  }
  rmSync(movedFile, { force: true });
}

function holdLock(file: string, thisProcess: LockHolder): DirectoryLock {
  const heartbeat = setInterval(() => {
    const now = new Date();
    try {
      utimesSync(file, now, now);
    } catch {
      // The file was removed, by an operator for instance: the next start then finds the directory free.
    }
  }, HEARTBEAT_MS);
  heartbeat.unref();
  return {
    publishUrl: (url) => {
      if (readHolder(file)?.nonce !== thisProcess.nonce)
        throw new ConfigError('the lock was taken by another process', file);
      const draft = `${file}.${thisProcess.nonce}`;
      writeFileSync(draft, JSON.stringify({ ...thisProcess, url }), { mode: 0o600 });
      renameSync(draft, file);
    },
    release: () => {
      clearInterval(heartbeat);
      if (readHolder(file)?.nonce === thisProcess.nonce) rmSync(file, { force: true });
    },
  };
}

/** Reads the holder; undefined where there is no file, or it is no lock. */
function readHolder(file: string): LockHolder | undefined {
  try {
    const holder = JSON.parse(readFileSync(file, 'utf8')) as Partial<LockHolder> | null;
    const isComplete =
      typeof holder?.pid === 'number' && typeof holder.where === 'string' && typeof holder.nonce === 'string';
    return isComplete ? (holder as LockHolder) : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(holder: LockHolder, file: string): boolean {
  if (holder.where !== readProcessScope()) return Date.now() - statSync(file).mtimeMs < DEAD_AFTER_MS;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const started = readStartTime(holder.pid);
  return started === undefined || holder.started === undefined || started === holder.started;
}

/** Names the host and process namespace of this process. */
function readProcessScope(): string {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}

/**
 * Creates the directory level by level: the recursive mkdir never ends where a parent can't be made, as below /proc.
 * @throws ConfigError
 */
export function createDataDirectory(directory: string): void {
  try {
    const missingPaths: string[] = [];
    for (let at = directory; !existsSync(at); at = dirname(at)) missingPaths.push(at);
    for (const at of missingPaths.reverse()) mkdirSync(at, { mode: 0o700 });
    if (!statSync(directory).isDirectory()) throw new ConfigError('the data directory is not a directory', directory);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(
      `the directory can't be used as the data directory: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
      directory,
    );
  }
}

function readStartTime(pid: number): string | undefined {
  try {
    // Field 22 of stat, counted after the command's name, which may have blanks and parentheses.
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[19];
  } catch {
    return undefined;
  }
}
