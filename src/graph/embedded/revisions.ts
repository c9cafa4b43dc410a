/** The revisions of an embedded SpiceDB's store: each write makes one, and the engine answers everything at one of them. */
import { LRUCache } from 'lru-cache';
import type { ReadConsistency } from '../../model/checks.js';
import type { WriteLog } from '../../store/journal.js';
import { isExactly } from '../port.js';

/** Revisions that can still be asked for: a decision asks within its deadline. */
const MAX_REVISIONS = 10_000;

export interface EmbeddedRevision {
  /** The journal's number of the last write that is in it. */
  readonly sequence: number;
  /** The ZedToken that this deployment calls it by, also after a restart. */
  readonly token: string;
  /** The ZedToken by which SpiceDB's memory has it. */
  readonly snapshot: string;
}

export class EmbeddedRevisions {
  private readonly byToken = new LRUCache<string, EmbeddedRevision>({ max: MAX_REVISIONS });
  private newest: EmbeddedRevision;

  constructor(
    private readonly journal: Pick<WriteLog, 'encodeToken' | 'decodeToken'>,
    sequence: number,
    snapshot: string,
  ) {
    this.newest = this.create(sequence, snapshot);
  }

  /** The newest revision: everything that has been answered to a writer is in it. */
  get head(): EmbeddedRevision {
    return this.newest;
  }

  /** Makes the newest revision of a write that SpiceDB has taken. */
  advance(sequence: number, snapshot: string): void {
    this.newest = this.create(Math.max(this.newest.sequence, sequence), snapshot);
  }

  /** The revision to answer at; undefined where it is one that isn't known any longer. */
  find(consistency: ReadConsistency): EmbeddedRevision | undefined {
    return isExactly(consistency) ? this.byToken.get(consistency.exactly) : this.newest;
  }

  /** Finds the reason that a ZedToken can't be used here; undefined where it can. */
  tokenProblem(token: string): string | undefined {
    const sequence = this.journal.decodeToken(token);
    if (sequence === undefined) return 'is not a ZedToken of this deployment';
    return sequence > this.newest.sequence ? 'is a ZedToken of the future' : undefined;
  }

  private create(sequence: number, snapshot: string): EmbeddedRevision {
    const revision = { sequence, token: this.journal.encodeToken(sequence), snapshot };
    this.byToken.set(revision.token, revision);
    return revision;
  }
}
