/** The tree is that of RFC 6962, proofs are read from tiles, and nothing but the truth is proved. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  appendHashes, createTileReader, hashRange, listEdgeTiles, listTiles, MissingHashes, TILE_WIDTH, type HashTile,
} from '../../src/audit/tiles.js'; // prettier-ignore
import {
  computeInclusionRoot, EMPTY_ROOT, HASH_BYTES, hashLeaf, planConsistency, planInclusion, verifyConsistency, type LeafRange,
} from '../../src/audit/tree.js'; // prettier-ignore
import { naiveConsistency, naiveInclusion, naiveRoot, pick } from './naive-tree.js';

const makeLeaves = (count: number, salt = ''): Buffer[] =>
  Array.from({ length: count }, (_, i) => Buffer.from(`leaf ${salt}${i}`));

/** Tiles as a store keeps them. Reading tells which were read. */
class KeptTiles {
  readonly tiles = new Map<string, HashTile>();
  size = 0;

  append(leaves: readonly Buffer[]): void {
    const edge = listEdgeTiles(this.size).map(({ level, tile }) => pick([this.tiles.get(`${level}/${tile}`)]));
    for (const tile of appendHashes(this.size, leaves.map(hashLeaf), createTileReader(edge)))
      this.tiles.set(`${tile.level}/${tile.tile}`, tile);
    this.size += leaves.length;
  }

  hash(ranges: readonly LeafRange[]): Buffer[] {
    const read = listTiles(ranges).map(({ level, tile }) => pick([this.tiles.get(`${level}/${tile}`)]));
    return ranges.map((range) => hashRange(range, createTileReader(read)));
  }
}

/** Sizes around the edges of tiles as well. */
const sizes = fc.oneof(
  fc.integer({ min: 1, max: 40 }),
  fc.constantFrom(255, 256, 257, 511, 512, 513, 700, 1023, 1024, 1025),
);

function keep(leaves: readonly Buffer[], cuts: readonly number[] = []): KeptTiles {
  const kept = new KeptTiles();
  const ends = [...new Set([...cuts.map((cut) => cut % (leaves.length + 1)), leaves.length])].sort((a, b) => a - b);
  for (const end of ends) kept.append(leaves.slice(kept.size, end));
  return kept;
}

describe('the tree', () => {
  it('has the root and the proofs of RFC 6962, whatever the batches that it grew in', () => {
    fc.assert(
      fc.property(sizes, fc.array(fc.nat(2000), { maxLength: 6 }), fc.nat(), fc.nat(), (size, cuts, at, before) => {
        const leaves = makeLeaves(size);
        const kept = keep(leaves, cuts);
        const [root] = kept.hash([{ from: 0, to: size }]);
        expect(root).toEqual(naiveRoot(leaves));
        const index = at % size;
        const path = kept.hash(planInclusion(index, size));
        expect(path).toEqual(naiveInclusion(index, leaves));
        expect(computeInclusionRoot(hashLeaf(pick(leaves, index)), { index, size }, path)).toEqual(root);
        const older = 1 + (before % size);
        const proof = kept.hash(planConsistency(older, size));
        expect(proof).toEqual(naiveConsistency(older, leaves));
        const [olderRoot] = kept.hash([{ from: 0, to: older }]);
        expect(olderRoot).toEqual(naiveRoot(leaves.slice(0, older)));
        expect(verifyConsistency({ size: older, root: pick([olderRoot]) }, { size, root: pick([root]) }, proof)).toBe(
          true,
        );
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  it('without leaves has the root that the RFC says, and begins every other one', () => {
    expect(EMPTY_ROOT.toString('hex')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(hashRange({ from: 0, to: 0 }, () => undefined)).toEqual(EMPTY_ROOT);
    const root = naiveRoot(makeLeaves(3));
    expect(verifyConsistency({ size: 0, root: EMPTY_ROOT }, { size: 3, root }, [])).toBe(true);
    expect(verifyConsistency({ size: 0, root }, { size: 3, root }, [])).toBe(false);
    expect(verifyConsistency({ size: 0, root: EMPTY_ROOT }, { size: 3, root }, [root])).toBe(false);
  });

  it('takes 32 bytes a leaf and a 255th of it, and a proof in it reads a tile or two of each level', () => {
    const kept = keep(makeLeaves(70_000));
    const bytes = [...kept.tiles.values()].reduce((sum, { hashes }) => sum + hashes.length, 0);
    expect(bytes).toBeLessThan(70_000 * HASH_BYTES * (1 + 1 / (TILE_WIDTH - 1)) + 1);
    for (const index of [0, 1, 255, 256, 65_535, 65_536, 69_999])
      expect(listTiles(planInclusion(index, 70_000)).length).toBeLessThanOrEqual(6);
    expect(listTiles(planConsistency(65_537, 70_000)).length).toBeLessThanOrEqual(6);
    // Ten million leaves have no more levels.
    expect(listTiles(planInclusion(1_234_567, 10_000_000)).length).toBeLessThanOrEqual(6);
    expect(listEdgeTiles(10_000_000).length).toBeLessThanOrEqual(3);
  });

  it('is not told from tiles that have too little', () => {
    const kept = keep(makeLeaves(300));
    const tile = pick([...kept.tiles.values()]);
    const short = createTileReader([{ ...tile, hashes: tile.hashes.subarray(0, 40) }]);
    expect(() => hashRange({ from: 0, to: 256 }, short)).toThrow(MissingHashes);
    expect(() => hashRange({ from: 0, to: 300 }, () => undefined)).toThrow(MissingHashes);
    expect(() => appendHashes(3, [hashLeaf('a')], () => undefined)).toThrow(MissingHashes);
  });

  it('has no proofs of what is not in it', () => {
    for (const [index, size] of [
      [3, 3],
      [-1, 3],
      [0, 0],
      [0.5, 3],
      [0, NaN],
      [0, -1],
      [0, 2 ** 53],
    ] as const)
      // prettier-ignore
      expect(() => planInclusion(index, size)).toThrow(RangeError);
    for (const [older, newer] of [
      [4, 3],
      [-1, 3],
      [0.5, 3],
      [1, NaN],
    ] as const)
      expect(() => planConsistency(older, newer)).toThrow(RangeError);
  });
});

describe('proofs', () => {
  /** Lists that differ from a list of hashes in one place. */
  function* alterations(path: readonly Buffer[]): Generator<Buffer[]> {
    for (const [i, hash] of path.entries()) {
      for (let byte = 0; byte < hash.length; byte += 1) {
        const changed = Buffer.from(hash);
        changed.writeUInt8(pick([...hash], byte) ^ 1, byte);
        yield path.with(i, changed);
      }
      yield path.toSpliced(i, 1);
      yield path.toSpliced(i, 0, hash);
      if (i > 0) yield path.with(i - 1, hash).with(i, pick(path, i - 1));
    }
    yield [...path, EMPTY_ROOT];
    yield [EMPTY_ROOT, ...path];
  }
  const cases = fc.record({ size: fc.integer({ min: 1, max: 20 }), at: fc.nat(), before: fc.nat() });

  it('of a leaf hold for this leaf, at this place, in this tree, with these hashes alone', () => {
    fc.assert(
      fc.property(cases, ({ size, at }) => {
        const leaves = makeLeaves(size);
        const root = naiveRoot(leaves);
        const index = at % size;
        const path = naiveInclusion(index, leaves);
        const leadsToRoot = (leaf: Buffer, place: { index: number; size: number }, hashes: Buffer[]): boolean =>
          computeInclusionRoot(hashLeaf(leaf), place, hashes)?.equals(root) === true;
        expect(leadsToRoot(pick(leaves, index), { index, size }, path)).toBe(true);
        for (const altered of alterations(path))
          expect(leadsToRoot(pick(leaves, index), { index, size }, altered)).toBe(false);
        expect(leadsToRoot(Buffer.from('another'), { index, size }, path)).toBe(false);
        for (let other = -1; other <= size; other += 1)
          if (other !== index) expect(leadsToRoot(pick(leaves, index), { index: other, size }, path)).toBe(false);
        // A node of the tree is no leaf of it.
        if (path[0] !== undefined) {
          const [left, right] =
            index % 2 === 0 ? [hashLeaf(pick(leaves, index)), path[0]] : [path[0], hashLeaf(pick(leaves, index))];
          const node = Buffer.concat([left, right]);
          expect(leadsToRoot(node, { index: index >> 1, size: (size + 1) >> 1 }, path.slice(1))).toBe(false);
        }
      }),
    );
  });

  it('of consistency hold for these two trees alone', () => {
    fc.assert(
      fc.property(cases, ({ size, before }) => {
        const leaves = makeLeaves(size);
        const olderSize = 1 + (before % size);
        const older = { size: olderSize, root: naiveRoot(leaves.slice(0, olderSize)) };
        const newer = { size, root: naiveRoot(leaves) };
        const path = naiveConsistency(olderSize, leaves);
        expect(verifyConsistency(older, newer, path)).toBe(true);
        for (const altered of alterations(path)) expect(verifyConsistency(older, newer, altered)).toBe(false);
        // A leaf of the older tree was changed, swapped, dropped or added.
        const forks = [
          leaves.with(olderSize - 1, Buffer.from('another')),
          leaves.toSpliced(olderSize - 1, 1),
          leaves.toSpliced(olderSize - 1, 0, Buffer.from('added')),
          ...(olderSize > 1 ? [leaves.with(0, pick(leaves, 1)).with(1, pick(leaves, 0))] : []),
        ];
        for (const fork of forks) {
          const forked = { size: fork.length, root: naiveRoot(fork) };
          expect(verifyConsistency(older, forked, path)).toBe(false);
          if (fork.length >= olderSize)
            expect(verifyConsistency(older, forked, naiveConsistency(olderSize, fork))).toBe(false);
        }
        if (olderSize < size) expect(verifyConsistency(newer, older, path)).toBe(false);
        for (const bad of [-1, 0.5, NaN, Infinity])
          expect(verifyConsistency({ ...older, size: bad }, newer, path)).toBe(false);
      }),
    );
  });
});
