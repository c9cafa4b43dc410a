/**
 * Notices of the operating system that files in some directories may have changed. They are hints: some file systems give
 * none, others give them twice, and watching may fail silently, so the caller also reads the files at intervals.
 */
import { watch, type FSWatcher } from 'node:fs';

/** Further directories are only read at intervals. */
const MAX_WATCHED = 500;
/** Names of policy and schema files, of directories, and of the link that Kubernetes replaces when a volume changes. */
const WATCHED_NAMES = /\.(cedar|cedarschema|zed|ya?ml)$|^[^.]+$|^\.\./;

export class ChangeNotices {
  private readonly watchers = new Map<string, FSWatcher>();
  private noticed = false;
  private resume: (() => void) | undefined;

  /** Watches these directories, and no others from now on. */
  watch(directories: readonly string[]): void {
    const paths = new Set(directories.slice(0, MAX_WATCHED));
    for (const path of this.watchers.keys()) if (!paths.has(path)) this.forget(path);
    for (const path of paths) {
      if (this.watchers.has(path)) continue;
      try {
        const watcher = watch(path, (_event, name) => {
          if (name === null || WATCHED_NAMES.test(name)) this.notice();
        });
        // The directory was removed, or the system watches no more.
        watcher.on('error', () => {
          this.forget(path);
          this.notice();
        });
        this.watchers.set(path, watcher);
      } catch {
        // The caller reads at intervals.
      }
    }
  }

  /** Resolves at the next notice, at once where there was one since the last call, or after `ms` without any. */
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
