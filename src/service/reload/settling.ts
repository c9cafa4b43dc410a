/**
 * Waiting until files are as somebody meant them: an editor writes one in several steps, a checkout writes many, so only
 * what is read twice the same counts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Notices } from './notices.js';
import { directoriesOf, snapshot, unsettled, type LivePaths, type Snapshot } from './snapshot.js';

/** What changes at all changes more than once: a notice isn't followed at once. */
const QUIET_MS = 50;
/** Between two readings that must be equal. */
const AGAIN_MS = 150;
/** Readings that may differ, each from the one before. */
const MAX_READINGS = 40;

export class Settling {
  private readonly notices = new Notices();

  constructor(
    private readonly paths: LivePaths,
    private readonly pollMs: number,
  ) {}

  /** As they are now, once they stay so; where they don't, that is what is wrong with them. */
  async settled(first = snapshot(this.paths)): Promise<Snapshot> {
    let before = first;
    for (let i = 0; i < MAX_READINGS; i += 1) {
      await sleep(AGAIN_MS);
      const now = snapshot(this.paths);
      if (now.fingerprint === before.fingerprint) return now;
      before = now;
    }
    return unsettled(`the files go on changing: no two of ${MAX_READINGS} readings were equal`);
  }

  /** Settles once they are other than those of that fingerprint. */
  async next(known: string): Promise<Snapshot> {
    for (;;) {
      this.notices.watch(directoriesOf(this.paths));
      const now = snapshot(this.paths);
      if (now.fingerprint !== known) {
        const settled = await this.settled(now);
        if (settled.fingerprint !== known) return settled;
      }
      await this.notices.next(this.pollMs);
      await sleep(QUIET_MS);
    }
  }
}
