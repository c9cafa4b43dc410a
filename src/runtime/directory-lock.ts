/**
 * The data directory's lock: PGlite has none, and two processes on one directory lose rows silently.
 * The lock is a file that names its holder; a holder that is gone (a killed process) leaves a lock that may be taken.
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
  /** Host and process namespace: elsewhere the pid says nothing, only the heartbeat does. */
  readonly where: string;
  /** When the process started, where the system tells (Linux): a pid alone may have a new owner. */
  readonly started: string | undefined;
  readonly nonce: string;
  /** Where it can be reached, if it serves. */
  readonly url?: string | undefined;
}

export interface DirectoryLock {
  /** Says where the service that holds the lock can be reached. */
  publishUrl(url: string): void;
  release(): void;
}

/** The lock is held by a living process. */
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

/** A holder elsewhere (another container on the same volume) shows by touching the file that it lives. */
const HEARTBEAT_MS = 5_000;
const DEAD_AFTER_MS = 20_000;

/** Makes the directory (mode 0700) if need be and takes its lock. @throws Locked */
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
  throw new ConfigError('its lock changes hands too fast', directory);
}

/** A link fails where the file is there: it appears at once and whole, or not at all. */
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

/** Removes a dead holder's lock (or what is no lock), and only that: another process may have been faster. */
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
      // A third process has it now, and the second one's claim is lost: it will find so when it announces.
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
      // Somebody removed it; the next start will find the directory free, as they wanted.
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

/** The holder that the file names; undefined where there is none, or the file is no lock. */
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

/** Where process numbers mean what they mean here. */
function readProcessScope(): string {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}

/** Level by level: the recursive form never ends where a parent can't be made, as below /proc. @throws ConfigError */
export function createDataDirectory(directory: string): void {
  try {
    const missingPaths: string[] = [];
    for (let at = directory; !existsSync(at); at = dirname(at)) missingPaths.push(at);
    for (const at of missingPaths.reverse()) mkdirSync(at, { mode: 0o700 });
    if (!statSync(directory).isDirectory()) throw new ConfigError('is not a directory', directory);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(
      `can't be used as the data directory: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
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
