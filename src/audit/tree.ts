/**
 * The Merkle tree of RFC 6962, section 2.1, over SHA-256: which ranges of leaves a proof consists of, and how a proof is
 * verified. Each function is the recursion of the RFC itself, so that it can be read beside it.
 */
import { createHash } from 'node:crypto';

export const HASH_BYTES = 32;
/** The root of the tree without leaves. */
export const EMPTY_ROOT: Buffer = createHash('sha256').digest();
const LEAF_PREFIX = Buffer.of(0);
const NODE_PREFIX = Buffer.of(1);

/** The leaves from the first up to the one before the end. */
export interface LeafRange {
  readonly from: number;
  readonly to: number;
}

export function hashLeaf(leaf: string | Buffer): Buffer {
  return createHash('sha256').update(LEAF_PREFIX).update(leaf).digest();
}

export function hashNode(left: Buffer, right: Buffer): Buffer {
  return createHash('sha256').update(NODE_PREFIX).update(left).update(right).digest();
}

/** The greatest power of two below `size`, which is 2 or more: so many leaves are on the left. */
export function splitSize(size: number): number {
  let left = 1;
  while (left * 2 < size) left *= 2;
  return left;
}

/** The ranges whose hashes prove that a leaf is in the tree of this size, from its sibling up. */
export function planInclusion(index: number, size: number): LeafRange[] {
  assertSize(size);
  if (!Number.isSafeInteger(index) || index < 0 || index >= size)
    throw new RangeError(`the tree of ${size} leaves has no leaf ${index}`);
  const plan = (from: number, to: number): LeafRange[] => {
    if (to - from === 1) return [];
    const middle = from + splitSize(to - from);
    return index < middle ? [...plan(from, middle), { from: middle, to }] : [...plan(middle, to), { from, to: middle }];
  };
  return plan(0, size);
}

/** The ranges whose hashes prove that the tree of the one size is the beginning of that of the other. */
export function planConsistency(older: number, newer: number): LeafRange[] {
  assertSize(older);
  assertSize(newer);
  if (older > newer) throw new RangeError(`the tree of ${older} leaves can not be older than that of ${newer}`);
  if (older === 0) return [];
  const plan = (from: number, to: number, isWhole: boolean): LeafRange[] => {
    if (to === older) return isWhole ? [] : [{ from, to }];
    const middle = from + splitSize(to - from);
    return older <= middle
      ? [...plan(from, middle, isWhole), { from: middle, to }]
      : [...plan(middle, to, false), { from, to: middle }];
  };
  return plan(0, newer, true);
}

/** The root that a proof of inclusion leads to; undefined where the proof has too few or too many hashes. */
export function computeInclusionRoot(
  leafHash: Buffer,
  { index, size }: { readonly index: number; readonly size: number },
  path: readonly Buffer[],
): Buffer | undefined {
  if (!Number.isSafeInteger(size) || !Number.isSafeInteger(index) || index < 0 || index >= size) return undefined;
  if (size === 1) return path.length === 0 ? leafHash : undefined;
  const sibling = path.at(-1);
  if (sibling === undefined) return undefined;
  const left = splitSize(size);
  const below = path.slice(0, -1);
  if (index < left) {
    const root = computeInclusionRoot(leafHash, { index, size: left }, below);
    return root && hashNode(root, sibling);
  }
  const root = computeInclusionRoot(leafHash, { index: index - left, size: size - left }, below);
  return root && hashNode(sibling, root);
}

/** The size and the root of a tree: what a checkpoint signs. */
export interface TreeHead {
  readonly size: number;
  readonly root: Buffer;
}

/** Whether the proof shows that the newer tree begins with all of the older one. */
export function verifyConsistency(older: TreeHead, newer: TreeHead, path: readonly Buffer[]): boolean {
  if (![older, newer].every(({ size }) => Number.isSafeInteger(size) && size >= 0)) return false;
  if (older.size > newer.size) return false;
  if (older.size === 0) return path.length === 0 && older.root.equals(EMPTY_ROOT);
  const roots = rebuildRoots(older, newer.size, path);
  return roots !== undefined && roots.older.equals(older.root) && roots.newer.equals(newer.root);
}

interface RebuiltRoots {
  readonly older: Buffer;
  readonly newer: Buffer;
}

function rebuildRoots(older: TreeHead, newerSize: number, path: readonly Buffer[]): RebuiltRoots | undefined {
  const rebuild = (m: number, n: number, isWhole: boolean, hashes: readonly Buffer[]): RebuiltRoots | undefined => {
    if (m === n) {
      const [root = older.root] = hashes;
      return hashes.length === (isWhole ? 0 : 1) ? { older: root, newer: root } : undefined;
    }
    const sibling = hashes.at(-1);
    if (sibling === undefined) return undefined;
    const left = splitSize(n);
    const below = hashes.slice(0, -1);
    if (m <= left) {
      const roots = rebuild(m, left, isWhole, below);
      return roots && { older: roots.older, newer: hashNode(roots.newer, sibling) };
    }
    const roots = rebuild(m - left, n - left, false, below);
    return roots && { older: hashNode(sibling, roots.older), newer: hashNode(sibling, roots.newer) };
  };
  return rebuild(older.size, newerSize, true, path);
}

function assertSize(size: number): void {
  if (!Number.isSafeInteger(size) || size < 0) throw new RangeError(`${size} is not the size of a tree`);
}
