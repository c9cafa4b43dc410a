/**
 * A lock of the kernel on a directory itself. No file stands for it that could be removed while its holder is paused: a
 * paused process may be in the middle of a write to the directory's files, and goes on with it before it can look.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { ConfigError } from '../model/faults.js';
import { tryFlock } from './flock.js';

export class DirectoryGuard {
  private constructor(private readonly descriptor: number) {}

  /**
   * Takes the lock. Where the file system can't lock directories, as NFS, the guard keeps no process out.
   * @returns undefined where another process holds it
   * @throws ConfigError where the directory can't be opened, or the system has no locks
   */
  static tryTake(directory: string): DirectoryGuard | undefined {
    const guard = new DirectoryGuard(openDirectory(directory));
    try {
      if (tryFlock(guard.descriptor) !== false) return guard;
    } catch (error) {
      guard.release();
      throw error;
    }
    guard.release();
    return undefined;
  }

  release(): void {
    closeSync(this.descriptor);
  }
}

function openDirectory(directory: string): number {
  try {
    return openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new ConfigError(`the data directory can't be opened: ${code}`, directory);
  }
}
