/** Proofs over the stored log: that a record is in it, and that it still begins with what was there before. */
import { hashRange, listTiles, MissingHashes } from '../audit/tiles.js';
import { planConsistency, planInclusion, verifyConsistency, type LeafRange, type TreeHead } from '../audit/tree.js';
import { Fault } from '../model/faults.js';
import type { LogStore } from '../store/log-store.js';

export class LogProofs {
  constructor(private readonly store: Pick<LogStore, 'readTiles'>) {}

  /** The hashes that prove a leaf, from its sibling up. @throws Fault */
  proveInclusion(index: number, size: number): Promise<readonly Buffer[]> {
    return this.hashRanges(planInclusion(index, size));
  }

  /** The hashes that prove that the older tree is the beginning of the newer one. @throws Fault */
  proveConsistency(older: number, newer: number): Promise<readonly Buffer[]> {
    return this.hashRanges(planConsistency(older, newer));
  }

  /** Checks that the log still begins with what was seen of it. @throws Fault `log_damaged` where it doesn't */
  async requireGrowth(seen: TreeHead, head: TreeHead): Promise<void> {
    if (seen.size === head.size && seen.root.equals(head.root)) return;
    if (seen.size > head.size)
      throw new Fault('log_damaged', `the log was set back, from ${seen.size} records to ${head.size}`);
    if (!verifyConsistency(seen, head, await this.proveConsistency(seen.size, head.size)))
      throw new Fault('log_damaged', `the log no longer begins with the ${seen.size} records that it had`);
  }

  private async hashRanges(ranges: readonly LeafRange[]): Promise<readonly Buffer[]> {
    const tiles = await this.store.readTiles(listTiles(ranges));
    return refuseMissing(() => ranges.map((range) => hashRange(range, tiles)));
  }
}

/** Runs what reads tiles. @throws Fault where some are missing */
export function refuseMissing<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof MissingHashes) throw new Fault('log_damaged', error.message);
    throw error;
  }
}
