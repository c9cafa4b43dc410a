/**
 * The lock of the data directory: PGlite has none, and two processes on one directory lose rows silently. The kernel holds
 * the lock for this process, on the directory itself and on a file in it. The file says which process that is and where
 * its service listens.
 */
import { createHmac } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { v4 as uuid } from 'uuid';
import { ConfigError, Fault } from '../model/faults.js';
import { prepareDataDirectory } from './data-directory.js';
import { DirectoryGuard } from './directory-guard.js';
import { FileLock, readLockContent } from './file-lock.js';
import { parseStrictJson } from './strict-json.js';

interface LockHolder {
  readonly pid: number;
  /** Tells this holder from any other on whatever host. */
  readonly nonce: string;
  /** The address of its service, if it has one. */
  readonly url?: string | undefined;
}

export interface DirectoryLock {
  /** Writes the address of the holder's service into the lock. @throws Fault where the lock was lost */
  publishUrl(url: string): void;
  /** @throws Fault where the lock was lost: then nothing may be acknowledged any more, as another process may hold it */
  readonly assertHeld: () => void;
  /** Proves to a reader of the lock's file that this process wrote it, as {@link computeHolderProof}. */
  readonly prove: (challenge: string) => string;
  release(): void;
}

const UNNAMED_HOLDER =
  "another process, which the file lock doesn't name: it is being written, or was removed. End that process first";

/** Another running process holds the lock. */
export class DirectoryLockedError extends ConfigError {
  constructor(
    directory: string,
    /** Its members are undefined where the lock doesn't say. */
    readonly holder: Partial<LockHolder>,
  ) {
    const { pid, url } = holder;
    const name = pid === undefined ? UNNAMED_HOLDER : `process ${pid}`;
    super(`the data directory is in use by ${name}${url === undefined ? '' : `, which serves ${url}`}`, directory);
  }
}

/**
 * The time between two looks of a holder whether it still is one, besides each time before it acknowledges anything.
 */
const LOOK_MS = 1000;
/** Holders of earlier versions had no lock of the kernel and touched the file every five seconds. */
const FORMER_HOLDER_SILENT_MS = 20_000;

/**
 * Prepares the directory, and takes its lock.
 * @param onLost called once, at the moment when the lock is found lost: an operator removed it, or another host took it
 * @throws DirectoryLockedError, ConfigError
 */
export function lockDirectory(directory: string, onLost: () => void = () => undefined): DirectoryLock {
  prepareDataDirectory(directory);
  const path = join(directory, 'lock');
  const guard = DirectoryGuard.tryTake(directory);
  if (guard === undefined) throw new DirectoryLockedError(directory, readHolder(readLockContent(path)).holder);
  try {
    const holder: LockHolder = { pid: process.pid, nonce: uuid() };
    const lock = FileLock.tryTake(path, JSON.stringify(holder), (before) => {
      refuseFormerHolder(directory, path, before);
    });
    if (lock === undefined) throw new DirectoryLockedError(directory, readHolder(readLockContent(path)).holder);
    return holdLock(lock, guard, holder, onLost);
  } catch (error) {
    guard.release();
    throw error;
  }
}

function holdLock(lock: FileLock, guard: DirectoryGuard, holder: LockHolder, onLost: () => void): DirectoryLock {
  let isLost = false;
  const assertHeld = (): void => {
    if (!isLost && lock.isHeld()) return;
    if (!isLost) {
      isLost = true;
      clearInterval(timer);
      onLost();
    }
    throw new Fault('database_unavailable', 'the lock of the data directory was lost: another process may use it');
  };
  const timer = setInterval(() => {
    try {
      assertHeld();
    } catch {
      // The owner of the lock was told.
    }
  }, LOOK_MS);
  timer.unref();
  return {
    assertHeld,
    prove: (challenge) => computeHolderProof(holder.nonce, challenge),
    publishUrl: (url) => {
      assertHeld();
      lock.rewrite(JSON.stringify({ ...holder, url }));
    },
    release: () => {
      clearInterval(timer);
      lock.release();
      guard.release();
    },
  };
}

/** @throws DirectoryLockedError where a process of an earlier version may still run on the directory */
function refuseFormerHolder(directory: string, path: string, content: string): void {
  const { holder, isFormer } = readHolder(content);
  if (isFormer && Date.now() - statSync(path).mtimeMs < FORMER_HOLDER_SILENT_MS)
    throw new DirectoryLockedError(directory, holder);
}

function readHolder(content: string): { readonly holder: Partial<LockHolder>; readonly isFormer: boolean } {
  let value: unknown;
  try {
    value = parseStrictJson(content);
  } catch {
    // It is being written, or is no lock.
  }
  const { pid, nonce, url, where } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof pid !== 'number' || typeof nonce !== 'string') return { holder: {}, isFormer: false };
  return {
    holder: { pid, nonce, url: typeof url === 'string' ? url : undefined },
    isFormer: typeof where === 'string',
  };
}

/**
 * The answer to a challenge that only a process can give that knows the nonce, and so has written the lock's file or may
 * read it: its owner.
 */
export function computeHolderProof(nonce: string, challenge: string): string {
  return createHmac('sha256', nonce).update(`remit holder ${challenge}`).digest('base64url');
}
