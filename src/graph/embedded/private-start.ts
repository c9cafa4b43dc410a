/**
 * Starts an embedded SpiceDB so that other users can't reach it. It listens for its own client on a socket in the temporary
 * directory, without a key, and who may connect is the mode of the socket's file, which the umask decides.
 */
import { isMainThread } from 'node:worker_threads';
import { removeAbandonedSockets } from './abandoned-sockets.js';

const PRIVATE_UMASK = 0o077;
let starting = 0;
let usualMask = 0;
/** Ends once the sockets of killed processes are gone; undefined before the first start. */
let cleaning: Promise<void> | undefined;

/**
 * Runs a start while the files that the process makes are its user's alone. Threads share the mask of the process and
 * can't set it: the main thread sets it for what it starts in them.
 */
export async function startPrivately<T>(start: () => Promise<T>): Promise<T> {
  if (!isMainThread) return start();
  await (cleaning ??= removeAbandonedSockets().catch(() => undefined));
  if (starting === 0) usualMask = process.umask(PRIVATE_UMASK);
  starting += 1;
  try {
    return await start();
  } finally {
    starting -= 1;
    if (starting === 0) process.umask(usualMask);
  }
}
