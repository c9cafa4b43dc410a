/**
 * The relationship graph at one revision, as one question about an approver reads it: so many relationships and calls, and
 * no more. What doesn't come within that isn't found.
 */
import type { RelationshipFilter } from '../../graph/port.js';
import type { GraphSnapshot } from '../../graph/snapshot.js';
import type { CheckAnswer } from '../../model/checks.js';
import { Fault } from '../../model/faults.js';
import type { Check, Relationship } from '../../model/relationships.js';

/** Relationships that are read in all. */
export const MAX_EXPANDED_RELATIONSHIPS = 1000;
/** Relationships that one read may take of them at first, so that a crowd in one place hides no way through another. */
const FIRST_READ_SIZE = 250;
/** Reads and bulks of checks. */
const MAX_CALLS = 300;

/** Thrown where the question has taken all that it may. */
export class ExpansionLimitError extends Error {}

export interface RelationshipRows {
  readonly rows: readonly Relationship[];
  /** Whether that is all there are. */
  readonly isComplete: boolean;
}

/** Its methods throw ExpansionLimitError, and what the graph throws. */
export class BoundedGraph {
  private readSize = FIRST_READ_SIZE;
  private expanded = 0;
  private calls = 0;
  private readonly reads = new Map<string, RelationshipRows>();

  constructor(private readonly graph: Pick<GraphSnapshot, 'check' | 'read'>) {}

  /** Lets one read take all that is left. */
  allowLongReads(): void {
    this.readSize = MAX_EXPANDED_RELATIONSHIPS;
  }

  async read(filter: RelationshipFilter): Promise<RelationshipRows> {
    const key = JSON.stringify(filter);
    const earlier = this.reads.get(key);
    const rowsBefore = earlier?.rows.length ?? 0;
    const left = Math.min(this.readSize, MAX_EXPANDED_RELATIONSHIPS - this.expanded + rowsBefore);
    if (earlier !== undefined && (earlier.isComplete || rowsBefore >= left)) return earlier;
    if (left <= 0) throw new ExpansionLimitError();
    this.countCall();
    // One more than may be expanded says that there are more.
    const { relationships } = await this.graph.read(filter, left + 1);
    const read = { rows: relationships.slice(0, left), isComplete: relationships.length <= left };
    this.expanded += read.rows.length - rowsBefore;
    this.reads.set(key, read);
    return read;
  }

  /** @throws Fault where SpiceDB can't answer one of them */
  async check(checks: readonly Check[]): Promise<readonly CheckAnswer[]> {
    if (checks.length === 0) return [];
    this.countCall();
    const answers = await this.graph.check(checks);
    for (const answer of answers) if (answer.result === 'unknown') throw new Fault(answer.fault);
    return answers;
  }

  private countCall(): void {
    this.calls += 1;
    if (this.calls > MAX_CALLS) throw new ExpansionLimitError();
  }
}

/** Whether the answer is a no that can't be an earlier one. */
export function isSureNo(answer: CheckAnswer | undefined): boolean {
  return answer?.result === 'no' && answer.mayBeLate !== true;
}
