/**
 * Gives records their places in the log, in batches, after they are stored and never while a decision waits. Any replica
 * may do it: each batch is made for the log as it is in the database, and is stored only while it still is. So a replica
 * that is killed, is late or is old leaves nothing wrong behind.
 */
import type { KeyObject } from 'node:crypto';
import { openCheckpoint, signCheckpoint } from '../audit/checkpoint.js';
import { formatLeaf } from '../audit/leaf.js';
import { NoteRefused, openOrRefusal, toNoteKey } from '../audit/signed-note.js';
import { appendHashes, createTileReader, hashRange, listEdgeTiles } from '../audit/tiles.js';
import { hashLeaf, type TreeHead } from '../audit/tree.js';
import { Fault } from '../model/faults.js';
import { repeat, type RepeatedWork } from '../runtime/repeat.js';
import { yieldToEventLoop } from '../runtime/yield.js';
import type { LogBatch, LogState, LogStore } from '../store/log-store.js';
import type { Log } from '../telemetry/log.js';
import { LogProofs, refuseMissing } from './log-proofs.js';

/** A batch comes at most a second after a record. */
const TURN_PAUSE_MS = 1000;

/** The name and the key that checkpoints are signed with. */
export interface LogSigner {
  /** The name of the log. */
  readonly origin: string;
  readonly privateKey: KeyObject;
  /** The key that came before it, which signs as well until all who verify have the new one. */
  readonly formerKey?: KeyObject | undefined;
}

/** The keys that sign, the present one first. */
export function listSigningKeys({ privateKey, formerKey }: LogSigner): readonly KeyObject[] {
  return formerKey === undefined ? [privateKey] : [privateKey, formerKey];
}

export interface LogCounts {
  readonly size: number;
  /** Records that wait for their place. */
  readonly pending: number;
  /** Whether the log is not what was stored or signed of it. */
  readonly damaged: boolean;
}

export class Sequencer {
  /** The numbers as of the last turn. */
  counts: LogCounts = { size: 0, pending: 0, damaged: false };
  private readonly proofs: LogProofs;
  /** The head of the log as this process has seen it last. */
  private seen: TreeHead | undefined;

  /** @param signer undefined: the log is kept, and signed once there is a key */
  constructor(
    private readonly store: LogStore,
    readonly signer: LogSigner | undefined,
  ) {
    this.proofs = new LogProofs(store);
  }

  /** Sequences all that waits. @throws Fault, also where the log is not what was stored of it */
  async sequence(): Promise<void> {
    try {
      // Where a batch isn't stored, another replica is at it.
      for (
        let batch = await this.makeBatch();
        batch !== undefined && (await this.store.append(batch));
        batch = await this.makeBatch()
      )
        await yieldToEventLoop();
      const { size } = await this.store.readState();
      this.counts = { size, pending: await this.store.countPending(), damaged: false };
    } catch (error) {
      if (error instanceof Fault && error.code === 'log_damaged') this.counts = { ...this.counts, damaged: true };
      throw error;
    }
  }

  /** Begins with a turn. */
  start(log: Log): RepeatedWork {
    return repeat(() => this.sequence(), {
      pauseMs: TURN_PAUSE_MS,
      onFailing: (error) => {
        const detail = error instanceof Fault && error.code === 'log_damaged' ? ` (${error.detail ?? ''})` : '';
        log(`Records can not be sequenced into the audit log: ${error.message}${detail} It is tried again.`, {
          event: 'log_waiting',
        });
      },
    });
  }

  /** @returns undefined where there is nothing to do */
  private async makeBatch(): Promise<LogBatch | undefined> {
    const before = await this.store.readState();
    const isSigned = this.isSigned(before);
    if (this.seen !== undefined) await this.proofs.requireGrowth(this.seen, before);
    this.seen = { size: before.size, root: before.root };
    const records = await this.store.takeNext();
    if (records.length === 0 && isSigned) return undefined;
    const edge = await this.store.readTiles(listEdgeTiles(before.size));
    const leaves = records.map((record) => ({ id: record.id, leaf: formatLeaf(record) }));
    const hashes = leaves.map(({ leaf }) => hashLeaf(leaf));
    return refuseMissing(() => {
      // What is signed next says the same of all that is there.
      if (!hashRange({ from: 0, to: before.size }, edge).equals(before.root))
        throw new Fault('log_damaged', `the hashes of the log do not give its root at ${before.size} records`);
      const tiles = appendHashes(before.size, hashes, edge);
      const changed = createTileReader(tiles);
      const size = before.size + leaves.length;
      const root = hashRange({ from: 0, to: size }, (place) => changed(place) ?? edge(place));
      return { before, leaves, tiles, after: { size, root, checkpoint: this.sign({ size, root }) } };
    });
  }

  private sign(head: TreeHead): string | undefined {
    return this.signer && signCheckpoint(head, this.signer.origin, ...listSigningKeys(this.signer));
  }

  /** Whether the newest checkpoint is of this state and by the keys that sign now. @throws Fault where it says otherwise */
  private isSigned({ size, root, checkpoint }: LogState): boolean {
    const { signer } = this;
    if (signer === undefined) return true;
    if (checkpoint === undefined) return false;
    const heads = openOrRefusal(() =>
      listSigningKeys(signer).map((key) => openCheckpoint(checkpoint, toNoteKey(signer.origin, key))),
    );
    if (heads instanceof NoteRefused) return false;
    if (heads.every((head) => head.size === size && head.root.equals(root))) return true;
    throw new Fault('log_damaged', 'the log is not what its own checkpoint says');
  }
}
