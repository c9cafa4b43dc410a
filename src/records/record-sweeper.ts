/**
 * Prunes records that were kept long enough. It first says so on record: below which place of the log, and older than what time,
 * signed as checkpoints are. Only what that covers is pruned, and not before an hour has passed. So who verifies the log tells what
 * the retention has pruned from what was removed, and a clock that is set right within the hour has cost no record. Under a legal hold
 * on people it also says which of those records stay: held-records.ts lists them, and none of them is pruned while it is listed.
 */
import { openCheckpoint } from '../audit/checkpoint.js';
import { formatHeldPlaces, summarizeHeldPlaces } from '../audit/held-places.js';
import { formatLeaf } from '../audit/leaf.js';
import {
  formatRetention,
  openRetention,
  parseUnsignedRetention,
  type RetentionTerms,
} from '../audit/retention-note.js';
import { NoteRefused, openOrRefusal, toNoteKey } from '../audit/signed-note.js';
import { repeat } from '../runtime/repeat.js';
import { yieldToEventLoop } from '../runtime/yield.js';
import type { LogState, LogStore } from '../store/log-store.js';
import type { RecordHold } from '../store/record-hold.js';
import type { AgedRecord, RetentionState, RetentionStore, StoredRetention } from '../store/retention-store.js';
import type { Log } from '../telemetry/log.js';
import { reportFailing } from '../telemetry/report-failing.js';
import { AGED_KINDS, listHeldPlaces, NOTHING_LISTED, openListed } from './held-records.js';
import { listSigningKeys, type LogSigner } from './sequencer.js';

const SWEEP_PAUSE_MS = 60_000;
/** The time between what is said and what is done. */
const PRUNING_DELAY_MS = 3_600_000;
/** It is said anew this often, or more often where records are kept for days only. */
const LONGEST_INTERVAL_MS = 86_400_000;
const INTERVALS_OF_KEEPING = 24;

/** The state that a note is made of. */
interface Announcement {
  readonly cutoff: Date;
  readonly now: Date;
  /** The places that the note before lists. */
  readonly listed: ReadonlySet<number>;
  /** The terms of the newest note, where all keys that sign now have signed it. */
  readonly newestTerms: RetentionTerms | undefined;
}

export interface RecordSweeperDeps {
  readonly retentions: RetentionStore;
  readonly logStore: Pick<LogStore, 'readState'>;
  readonly signer: LogSigner | undefined;
  readonly hold: Pick<RecordHold, 'isOnAll' | 'listNames'>;
  /** Whether the log was last seen to be other than what was signed: nothing of it is pruned then. */
  readonly isDamaged: () => boolean;
  readonly now: () => Date;
  readonly log: Log;
}

export class RecordSweeper {
  /** Records that differ from their leaves, as of the last sweep: they are evidence, and stay. */
  changed = 0;
  /** The terms that all was pruned by, as text: what is left of them stays, so it isn't looked at again. */
  private done = '';

  /** @param keepMs the time for which records are kept, in milliseconds */
  constructor(
    private readonly deps: RecordSweeperDeps,
    private readonly keepMs: number,
    private readonly delayMs = PRUNING_DELAY_MS,
  ) {}

  /** @throws Fault */
  async sweep(): Promise<void> {
    if (this.deps.isDamaged() || this.deps.hold.isOnAll) return;
    const state = await this.deps.retentions.readState();
    const now = this.readClock(state);
    const cutoff = new Date(now.getTime() - this.keepMs);
    const [newest] = state.retentions;
    const newestTerms = newest && this.open(newest.note);
    // A list that is not what was signed hides what was removed: nothing is pruned, nor said anew.
    const listed = this.openNewestList(state);
    if (newestTerms === undefined || Date.parse(newestTerms.madeAt) + this.intervalMs <= now.getTime())
      await this.announce(state, { cutoff, now, listed, newestTerms });
    const due = this.findDue(state, now);
    if (due === undefined) return;
    const stays = new Set([...listed, ...openListed(due.retention, due.terms)]);
    await this.pruneAll(narrowTerms(due.terms, cutoff), stays);
  }

  /** Begins with a sweep. @returns what stops it, once a sweep under way is done */
  start(log: Log): () => Promise<void> {
    return repeat(() => this.sweep(), {
      pauseMs: SWEEP_PAUSE_MS,
      onFailing: reportFailing(log, 'Records that were kept long enough can not be pruned', 'records_unpruned'),
    }).stop;
  }

  private get intervalMs(): number {
    return Math.min(LONGEST_INTERVAL_MS, this.keepMs / INTERVALS_OF_KEEPING);
  }

  /** The earlier of two clocks: one that is fast makes no record old. */
  private readClock({ databaseNow }: RetentionState): Date {
    return new Date(Math.min(this.deps.now().getTime(), databaseNow.getTime()));
  }

  /** Says what is to be pruned, where there is any such record. */
  private async announce(state: RetentionState, { cutoff, now, listed, newestTerms }: Announcement): Promise<void> {
    const { retentions, hold, signer, log } = this.deps;
    const below = this.readCoveredSize(await this.deps.logStore.readState());
    const olderThan = cutoff.toISOString();
    const [newest] = state.retentions;
    // What was said before is said again by a new key, also where no record has become old since.
    if (newest === undefined || newestTerms !== undefined) {
      const aged = await Promise.all(
        AGED_KINDS.map((kind) => retentions.readAged(kind, { olderThan, below, heldNames: [] }, undefined)),
      );
      if (aged.flat().length === 0) return;
    }
    const query = { olderThan, below, heldNames: await hold.listNames() };
    const held = await listHeldPlaces(retentions, query, listed);
    const text = held.size === 0 ? undefined : formatHeldPlaces(held);
    const terms: RetentionTerms = {
      below,
      olderThan,
      madeAt: now.toISOString(),
      ...(text === undefined ? {} : { held: summarizeHeldPlaces(text, held.size) }),
    };
    const keys = signer === undefined ? [] : listSigningKeys(signer);
    await retentions.add({ note: formatRetention(terms, signer?.origin, ...keys), held: text }, now, state);
    log(`Records of before ${olderThan} were kept long enough: they are pruned an hour from now.`, {
      event: 'retention_announced',
    });
  }

  /** The number of leaves that a checkpoint covers which our key has signed, or that there are where none signs. */
  private readCoveredSize({ size, checkpoint }: LogState): number {
    const { signer } = this.deps;
    if (signer === undefined) return size;
    if (checkpoint === undefined) return 0;
    const opened = openOrRefusal(() => openCheckpoint(checkpoint, toNoteKey(signer.origin, signer.privateKey)));
    return opened instanceof NoteRefused ? 0 : opened.size;
  }

  /** Opens what was said, where all keys that sign now have signed it. */
  private open(note: string): RetentionTerms | undefined {
    const opened = this.openByKeys(note);
    return opened.includes(undefined) ? undefined : opened[0];
  }

  private openByAnyKey(note: string): RetentionTerms | undefined {
    return this.openByKeys(note).find((terms) => terms !== undefined);
  }

  /** Opens what was said by each key that signs now; undefined where the key hasn't signed it. */
  private openByKeys(note: string): readonly (RetentionTerms | undefined)[] {
    const { signer } = this.deps;
    const attempts =
      signer === undefined
        ? [() => parseUnsignedRetention(note)]
        : listSigningKeys(signer).map((key) => () => openRetention(note, toNoteKey(signer.origin, key)));
    return attempts.map(openOrRefusal).map((terms) => (terms instanceof NoteRefused ? undefined : terms));
  }

  /** The places that the newest note lists which one of our keys has signed. @throws Fault where its list is not what was signed */
  private openNewestList({ retentions }: RetentionState): ReadonlySet<number> {
    for (const retention of retentions) {
      const terms = this.openByAnyKey(retention.note);
      if (terms !== undefined) return openListed(retention, terms);
    }
    return NOTHING_LISTED;
  }

  /** The newest that was said long enough ago. What waits for its place in the log isn't said yet. */
  private findDue(
    { retentions }: RetentionState,
    now: Date,
  ): { readonly retention: StoredRetention; readonly terms: RetentionTerms } | undefined {
    for (const retention of retentions) {
      const terms = retention.index === undefined ? undefined : this.open(retention.note);
      if (terms !== undefined && Date.parse(terms.madeAt) + this.delayMs <= now.getTime()) return { retention, terms };
    }
    return undefined;
  }

  /** @param listed the places that stay, whatever is on hold by now */
  private async pruneAll(terms: RetentionTerms, listed: ReadonlySet<number>): Promise<void> {
    const name = JSON.stringify([terms, listed.size]);
    if (name === this.done) return;
    const query = { ...terms, heldNames: await this.deps.hold.listNames() };
    let changed = 0;
    for (const kind of AGED_KINDS) {
      let last: AgedRecord | undefined;
      do {
        const aged = await this.deps.retentions.readAged(kind, query, last);
        const unchanged = aged.filter(({ logged, leaf }) => formatLeaf(logged) === leaf);
        changed += aged.length - unchanged.length;
        const ids = unchanged.flatMap(({ logged, index, isHeld }) => (isHeld || listed.has(index) ? [] : [logged.id]));
        if (ids.length > 0 && !(await this.deps.retentions.prune(ids))) return;
        last = aged.at(-1);
        await yieldToEventLoop();
      } while (last !== undefined);
    }
    this.changed = changed;
    this.done = name;
  }
}

/** Narrows what was said to what is old by the clock and the configuration of now. */
function narrowTerms(terms: RetentionTerms, cutoff: Date): RetentionTerms {
  return { ...terms, olderThan: [terms.olderThan, cutoff.toISOString()].sort()[0] ?? terms.olderThan };
}
