/** A lock of the kernel on a file whose content names the holder: the process, whatever container or host names it. */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  statSync,
  unlinkSync,
  writeSync,
  type Stats,
} from 'node:fs';
import { ConfigError } from '../model/faults.js';
import { tryFlock } from './flock.js';

const MAX_CONTENT_BYTES = 4096;
const MAX_LOCK_ATTEMPTS = 10;

/** A file that this process holds. Its content names the process. */
export class FileLock {
  private lastSeen: Stats;

  private constructor(
    private readonly path: string,
    private readonly descriptor: number,
    private content: string,
  ) {
    this.lastSeen = this.write(content);
  }

  /**
   * @param content what the file is to say
   * @param inspect reads what the file said before; it throws where the lock must not be taken nevertheless
   * @returns undefined where another process holds it
   * @throws ConfigError where the file can't be opened, or its file system has no locks
   */
  static tryTake(path: string, content: string, inspect: (before: string) => void): FileLock | undefined {
    for (let attempt = 0; attempt < MAX_LOCK_ATTEMPTS; attempt += 1) {
      const descriptor = openLockFile(path);
      try {
        if (!lockDescriptor(descriptor, path)) {
          close(descriptor);
          return;
        }
        // The holder before removed the file while this process opened it: a lock on it keeps no process out.
        if (isFileAt(path, fstatSync(descriptor))) {
          inspect(readContent(descriptor));
          return new FileLock(path, descriptor, content);
        }
        close(descriptor);
      } catch (error) {
        close(descriptor);
        throw error;
      }
    }
    throw new ConfigError('the lock could not be taken: other processes take and leave it too fast', path);
  }

  /** Whether this process still holds it: false once the file was removed, replaced, or written by another process. */
  isHeld(): boolean {
    const current = statSync(this.path, { throwIfNoEntry: false });
    if (current === undefined || !isSameFile(current, this.lastSeen)) return false;
    if (current.mtimeMs === this.lastSeen.mtimeMs && current.size === this.lastSeen.size) return true;
    // On a volume that two hosts mount, a kernel may not know of the other's lock, but the file has the other's content.
    if (readContent(this.descriptor) !== this.content) return false;
    this.lastSeen = current;
    return true;
  }

  /** Replaces what the file says. */
  rewrite(content: string): void {
    this.content = content;
    this.lastSeen = this.write(content);
  }

  /** Removes the file, where it is still this process's, and frees the lock. */
  release(): void {
    if (this.isHeld()) unlinkSync(this.path);
    close(this.descriptor);
  }

  private write(content: string): Stats {
    writeSync(this.descriptor, content, 0);
    ftruncateSync(this.descriptor, Buffer.byteLength(content));
    return fstatSync(this.descriptor);
  }
}

/** Reads what a lock file says, whether or not it is held; empty where there is none. */
export function readLockContent(path: string): string {
  try {
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    try {
      return readContent(descriptor);
    } finally {
      close(descriptor);
    }
  } catch {
    return '';
  }
}

function openLockFile(path: string): number {
  const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
    if (!fstatSync(descriptor).isFile()) throw new ConfigError('is not a regular file', path);
    return descriptor;
  } catch (error) {
    if (descriptor !== undefined) close(descriptor);
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(`the lock can't be opened: ${(error as NodeJS.ErrnoException).code ?? String(error)}`, path);
  }
}

/** @returns whether the lock is taken; false where another process has it. @throws ConfigError */
function lockDescriptor(descriptor: number, path: string): boolean {
  const result = tryFlock(descriptor);
  if (typeof result === 'boolean') return result;
  throw new ConfigError(
    `the file system has no locks (flock fails with errno ${result.errno}): put the data directory on a local disk, or use a PostgreSQL server`,
    path,
  );
}

function readContent(descriptor: number): string {
  const content = Buffer.alloc(MAX_CONTENT_BYTES);
  return content.toString('utf8', 0, readSync(descriptor, content, 0, MAX_CONTENT_BYTES, 0));
}

function isFileAt(path: string, file: Stats): boolean {
  const current = statSync(path, { throwIfNoEntry: false });
  return current !== undefined && isSameFile(current, file);
}

function isSameFile(a: Stats, b: Stats): boolean {
  return a.ino === b.ino && a.dev === b.dev;
}

function close(descriptor: number): undefined {
  closeSync(descriptor);
}
