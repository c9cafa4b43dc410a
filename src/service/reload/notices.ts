/**
 * The system's word that something in some directories may have changed. It is a hint: not every file system gives it,
 * some give it twice, and where it can't be had nobody hears of it, so whoever waits looks by itself as well.
 */
import { watch, type FSWatcher } from 'node:fs';

/** Directories beyond these are only looked at. */
const MAX_WATCHED = 500;
/** Files of rules, directories, and what Kubernetes puts in the place of all of a volume's files at once. */
const RELEVANT = /\.(cedar|cedarschema|zed|ya?ml)$|^[^.]+$|^\.\./;

export class Notices {
  private readonly watchers = new Map<string, FSWatcher>();
  private noticed = false;
  private wake: (() => void) | undefined;

  /** From now on of these directories. */
  watch(directories: readonly string[]): void {
    const wanted = new Set(directories.slice(0, MAX_WATCHED));
    for (const path of this.watchers.keys()) if (!wanted.has(path)) this.forget(path);
    for (const path of wanted) {
      if (this.watchers.has(path)) continue;
      try {
        const watcher = watch(path, (_event, name) => {
          if (name === null || RELEVANT.test(name)) this.notice();
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
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    this.wake = undefined;
    this.noticed = false;
  }

  private notice(): void {
    this.noticed = true;
    this.wake?.();
  }

  private forget(path: string): void {
    this.watchers.get(path)?.close();
    this.watchers.delete(path);
  }
}
