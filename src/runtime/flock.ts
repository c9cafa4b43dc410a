/**
 * The kernel's lock of an open file or directory (flock): the process holds it, and it is free at the moment the process
 * ends, however it ends. Node has no call for it, so the C library's is called.
 */
import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';
import { ConfigError } from '../model/faults.js';

/** The operation of flock that locks exclusively and waits for nothing. Linux and macOS have the same numbers. */
const LOCK_EX_NB = 2 | 4;

/**
 * Locks what the descriptor is open on, until it is closed.
 * @returns false where another process has the lock; the errno where the file system has no such lock
 * @throws ConfigError where the system has no flock
 */
export function tryFlock(descriptor: number): boolean | { readonly errno: number } {
  const { flock, errno, blocked } = loadFlock();
  if (flock(descriptor, LOCK_EX_NB) === 0) return true;
  const code = errno();
  return code === blocked ? false : { errno: code };
}

interface FlockCalls {
  readonly flock: (descriptor: number, operation: number) => number;
  readonly errno: () => number;
  /** The errno that says that another process has the lock. */
  readonly blocked: number | undefined;
}
let flockCalls: FlockCalls | undefined;

/** Loaded on demand, as it takes 20 ms. @throws ConfigError where the system has no flock */
function loadFlock(): FlockCalls {
  if (flockCalls !== undefined) return flockCalls;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
    const flock = koffi.load(null).func('int flock(int descriptor, int operation)') as FlockCalls['flock'];
    flockCalls = {
      flock,
      errno: () => koffi.errno(),
      blocked: koffi.os.errno['EWOULDBLOCK'] ?? koffi.os.errno['EAGAIN'],
    };
    return flockCalls;
  } catch (error) {
    throw new ConfigError(
      `this system can't lock the data directory, so nothing keeps a second process off it: flock is missing (${String(error)}). Run on Linux or macOS, or use a PostgreSQL server`,
    );
  }
}
