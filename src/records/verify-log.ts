/**
 * Verifies the whole log: each leaf against its record and against the tree, the tree against what was signed, and what was
 * signed now against what was kept. It takes the log leaf by leaf, so that one of any length is verified.
 */
import { formatLeaf, type LoggedRecord } from '../audit/leaf.js';
import { EMPTY_ROOT, hashLeaf, hashNode, type TreeHead } from '../audit/tree.js';
import { isPruned, type OpenedRetention } from './opened-retention.js';

/**
 * `changed`: the record is another than its leaf; `removed`: it is gone, and not by the retention; `added`: it came round the log;
 * `misplaced`: the leaf isn't the one that the tree has there; `root`: the leaves don't give what was signed; `set_back`, `forked`:
 * the log doesn't begin with what was kept; `retention`: what the retention is said to have pruned isn't signed, or isn't old.
 */
export type LogFindingKind =
  'changed' | 'removed' | 'added' | 'misplaced' | 'root' | 'set_back' | 'forked' | 'retention';

export interface LogFinding {
  readonly kind: LogFindingKind;
  readonly message: string;
  /** The record's id, and its place in the log. */
  readonly id?: string;
  readonly index?: number;
}

/** A leaf as the service shows it. */
export interface ShownLeaf {
  readonly index: number;
  readonly id: string;
  readonly leaf: string;
  readonly hash?: string | undefined;
  readonly record?: LoggedRecord | null | undefined;
}

/** The most that is named: what is damaged from one place on would fill any memory. */
const MAX_FINDINGS = 1000;

export class LogVerifier {
  private readonly findings: LogFinding[] = [];
  /** The roots of the full subtrees on the left, by their sizes, of which each is a power of two. */
  private readonly left: { readonly size: number; readonly root: Buffer }[] = [];
  private size = 0;
  /** The number of records that the retention has pruned. */
  pruned = 0;
  private isRetentionLogged = false;

  /**
   * @param head of the checkpoint that the log shows now
   * @param kept heads that the log must begin with
   * @param retention what was pruned, by a signature: only that may be gone
   */
  constructor(
    private readonly head: TreeHead,
    private readonly kept: readonly TreeHead[],
    private readonly retention?: OpenedRetention,
  ) {
    for (const { size } of kept)
      if (size > head.size)
        this.add('set_back', `the log has ${head.size} records, and a checkpoint of ${size} was kept: it was set back`);
    this.compareKept();
  }

  /** Takes the next leaf. */
  take({ index, id, leaf, hash, record }: ShownLeaf): void {
    while (this.size < index && this.size < this.head.size) {
      this.add('removed', 'the leaf is gone', { index: this.size });
      this.append(EMPTY_ROOT);
    }
    if (index !== this.size || this.size >= this.head.size) return;
    const place = { id, index };
    if (this.retention !== undefined && record?.id === this.retention.id)
      this.isRetentionLogged = record.record['note'] === this.retention.note;
    if (record === null) this.takeGone({ index, id, leaf });
    else if (record !== undefined && formatLeaf(record) !== leaf)
      this.add('changed', 'the record is not what its leaf says', place);
    const leafHash = hashLeaf(leaf);
    if (hash !== leafHash.toString('base64'))
      this.add('misplaced', 'the leaf is not the one that the tree has at its place', place);
    this.append(leafHash);
  }

  /** Takes what the retention is said to have said, and no key has signed so. */
  takeRefused(refused: readonly { readonly id: string; readonly problem: string }[]): void {
    for (const { id, problem } of refused) this.add('retention', problem, { id });
  }

  private takeGone({ index, id, leaf }: ShownLeaf): void {
    if (this.retention !== undefined && isPruned(this.retention, index, leaf)) this.pruned += 1;
    else if (this.retention?.heldPlaces.has(index) === true)
      this.add('removed', 'the record is gone, and a legal hold keeps it', { index, id });
    else this.add('removed', 'the record is gone', { index, id });
  }

  /** Takes the ids of records without leaves that don't wait for one, and of those that waited and are gone. */
  takeUnlogged(unlogged: readonly string[], lost: readonly string[]): void {
    for (const id of unlogged)
      this.add('added', 'the record is not in the log, and does not wait for a place in it', { id });
    for (const id of lost) this.add('removed', 'the record is gone, and had no place in the log yet', { id });
  }

  /** Ends after the last leaf. */
  finish(): readonly LogFinding[] {
    while (this.size < this.head.size) {
      this.add('removed', 'the leaf is gone', { index: this.size });
      this.append(EMPTY_ROOT);
      if (this.findings.length >= MAX_FINDINGS) break;
    }
    if (this.size === this.head.size && !this.computeRoot().equals(this.head.root))
      this.add('root', `the ${this.size} leaves do not give the root that was signed`);
    if (this.retention !== undefined && !this.isRetentionLogged)
      this.add('retention', 'what the retention has pruned is not in the log', { id: this.retention.id });
    return this.findings;
  }

  private append(leafHash: Buffer): void {
    let subtree = { size: 1, root: leafHash };
    for (let last = this.left.at(-1); last?.size === subtree.size; last = this.left.at(-1)) {
      this.left.pop();
      subtree = { size: 2 * subtree.size, root: hashNode(last.root, subtree.root) };
    }
    this.left.push(subtree);
    this.size += 1;
    this.compareKept();
  }

  private compareKept(): void {
    for (const { size, root } of this.kept)
      if (size === this.size && !this.computeRoot().equals(root))
        this.add('forked', `the first ${size} records are not those of a checkpoint that was kept`);
  }

  private computeRoot(): Buffer {
    const roots = this.left.map(({ root }) => root);
    return roots.length === 0 ? EMPTY_ROOT : roots.reduceRight((right, root) => hashNode(root, right));
  }

  private add(kind: LogFindingKind, message: string, place: Pick<LogFinding, 'id' | 'index'> = {}): void {
    if (this.findings.length < MAX_FINDINGS) this.findings.push({ kind, message, ...place });
  }
}
