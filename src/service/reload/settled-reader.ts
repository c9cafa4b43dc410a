/**
 * Reads files once they have settled: an editor writes a file in several steps and a checkout writes many, so only two
 * equal readings count.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ChangeNotices } from './notices.js';
import {
  listWatchedDirectories,
  readSnapshot,
  createRefusedSnapshot,
  type WatchedPaths,
  type FilesSnapshot,
} from './snapshot.js';

/** The pause after a notice, as changes come in bursts. */
const QUIET_PERIOD_MS = 50;
/** The pause between two readings that must be equal. */
const REREAD_MS = 150;
/** The most readings, each different from the one before. */
const MAX_READINGS = 40;

export class SettledReader {
  private readonly notices = new ChangeNotices();
  /** The files of a signal that {@link nextChange} doesn't know of yet. */
  private signalled: FilesSnapshot | undefined;

  constructor(
    private readonly paths: WatchedPaths,
    private readonly pollMs: number,
  ) {}

  /**
   * Reads the files at the operator's signal, as {@link readSettled} does. They are a change for {@link nextChange} even
   * if they don't last: what they replaced is one again when it comes back.
   */
  async readSignalled(): Promise<FilesSnapshot> {
    return (this.signalled = await this.readSettled());
  }

  /** Reads the files once two readings are equal; files that don't settle are refused. */
  async readSettled(first = readSnapshot(this.paths)): Promise<FilesSnapshot> {
    let previous = first;
    for (let i = 0; i < MAX_READINGS; i += 1) {
      await sleep(REREAD_MS);
      const current = readSnapshot(this.paths);
      if (current.fingerprint === previous.fingerprint) return current;
      previous = current;
    }
    return createRefusedSnapshot(
      `the files keep changing: no two of ${MAX_READINGS} successive readings were equal`,
      previous.readAt,
      undefined,
    );
  }

  /** Resolves with settled files that differ from those of the fingerprint: as they are, or as they were at a signal since. */
  async nextChange(fingerprint: string): Promise<FilesSnapshot> {
    for (;;) {
      const { signalled } = this;
      this.signalled = undefined;
      if (signalled !== undefined && signalled.fingerprint !== fingerprint) return signalled;
      this.notices.watch(listWatchedDirectories(this.paths));
      const current = readSnapshot(this.paths);
      if (current.fingerprint !== fingerprint) {
        const settled = await this.readSettled(current);
        if (settled.fingerprint !== fingerprint) return settled;
      }
      await this.notices.next(this.pollMs);
      await sleep(QUIET_PERIOD_MS);
    }
  }
}
