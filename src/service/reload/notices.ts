/**
 * The system's word that something in some directories may have changed. It is a hint: not every file system gives it,
 * some give it twice, and where it can't be had nobody hears of it, so whoever waits looks by itself as well.
 */
import { watch, type FSWatcher } from 'node:fs';

/** Directories beyond these are only looked at. */
const MAX_WATCHED = 500;
/** Files of rules, directories, and what Kubernetes puts in the place of all of a volume's files at once. */
const WATCHED_NAMES = /\.(cedar|cedarschema|zed|ya?ml)$|^[^.]+$|^\.\./;

export class ChangeNotices {
  private readonly watchers = new Map<string, FSWatcher>();
  private noticed = false;
  private resume: (() => void) | undefined;

  /** From now on of these directories. */
  watch(directories: readonly string[]): void {
    const paths = new Set(directories.slice(0, MAX_WATCHED));
    for (const path of this.watchers.keys()) if (!paths.has(path)) this.forget(path);
    for (const path of paths) {
      if (this.watchers.has(path)) continue;
      try {
        const watcher = watch(path, (_event, name) => {
          if (name === null || WATCHED_NAMES.test(name)) this.notice();
        });
        // A directory that was removed, or no more that the system would watch.
        watcher.on('error', () => {
          this.forget(path);
          this.notice();
        });
        this.watchers.set(path, watcher);
      } catch {
        // Looking will have to do.
      }
    }
  }

  /** Resolves at the next notice, at once where there was one since the last call, and after so long without any. */
  async next(ms: number): Promise<void> {
    if (!this.noticed)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.resume = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    this.resume = undefined;
    this.noticed = false;
  }

  private notice(): void {
    this.noticed = true;
    this.resume?.();
  }

  private forget(path: string): void {
    this.watchers.get(path)?.close();
    this.watchers.delete(path);
  }
}
