/**
 * Waiting until files are as somebody meant them: an editor writes one in several steps, a checkout writes many, so only
 * what is read twice the same counts.
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

/** What changes at all changes more than once: a notice isn't followed at once. */
const QUIET_PERIOD_MS = 50;
/** Between two readings that must be equal. */
const REREAD_MS = 150;
/** Readings that may differ, each from the one before. */
const MAX_READINGS = 40;

export class SettledReader {
  private readonly notices = new ChangeNotices();

  constructor(
    private readonly paths: WatchedPaths,
    private readonly pollMs: number,
  ) {}

  /** As they are now, once they stay so; where they don't, that is what is wrong with them. */
  async readSettled(first = readSnapshot(this.paths)): Promise<FilesSnapshot> {
    let previous = first;
    for (let i = 0; i < MAX_READINGS; i += 1) {
      await sleep(REREAD_MS);
      const current = readSnapshot(this.paths);
      if (current.fingerprint === previous.fingerprint) return current;
      previous = current;
    }
    return createRefusedSnapshot(`the files go on changing: no two of ${MAX_READINGS} readings were equal`);
  }

  /** Settles once they are other than those of that fingerprint. */
  async nextChange(fingerprint: string): Promise<FilesSnapshot> {
    for (;;) {
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
