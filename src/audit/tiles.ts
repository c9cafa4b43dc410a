/**
 * The hashes of the tree as they are stored, in tiles of 256 as C2SP's tlog-tiles has them: level 0 has the hashes of the
 * leaves, and each level above has a hash for each full tile of the level below. So a leaf takes 32 bytes, and a proof
 * reads a tile or two of each level.
 */
import { EMPTY_ROOT, HASH_BYTES, hashNode, splitSize, type LeafRange } from './tree.js';

export const TILE_WIDTH = 256;
/** The levels of the tree that one level of tiles covers. */
const TILE_HEIGHT = 8;

/** The place of a tile: its level, and its number on that level, from 0. */
export interface TilePlace {
  readonly level: number;
  readonly tile: number;
}

export interface HashTile extends TilePlace {
  /** Up to 256 hashes, one after the other. */
  readonly hashes: Buffer;
}

/** The hashes of a tile. @throws RangeError where it isn't there, or has fewer than are asked for */
export type TileReader = (place: TilePlace) => Buffer | undefined;

/** A subtree with all its leaves: 2^height of them, the first of which is `number` times as many. */
interface FullSubtree {
  readonly height: number;
  readonly number: number;
}

/** The last tiles of a tree, to which leaves are appended: those that aren't full. */
export function listEdgeTiles(size: number): TilePlace[] {
  const places: TilePlace[] = [];
  for (let level = 0, count = size; count > 0; level += 1, count = Math.floor(count / TILE_WIDTH))
    if (count % TILE_WIDTH > 0) places.push({ level, tile: Math.floor(count / TILE_WIDTH) });
  return places;
}

/** The tiles that the hashes of the ranges are computed from, each once. */
export function listTiles(ranges: readonly LeafRange[]): TilePlace[] {
  const places = ranges.flatMap(listSubtrees).map((subtree) => locateSubtree(subtree).place);
  return [...new Map(places.map((place) => [formatTilePlace(place), place])).values()];
}

/** The hash of a range: of the whole tree, or of one that a proof names. */
export function hashRange(range: LeafRange, readTile: TileReader): Buffer {
  if (range.from === range.to) return EMPTY_ROOT;
  const hashes = listSubtrees(range).map((subtree) => hashSubtree(subtree, readTile));
  // The right end of a tree that isn't full is folded from the smallest subtree up.
  return hashes.reduceRight((right, left) => hashNode(left, right));
}

/** A reader of tiles that were read beforehand. */
export function createTileReader(tiles: readonly HashTile[]): TileReader {
  const byPlace = new Map(tiles.map((tile) => [formatTilePlace(tile), tile.hashes]));
  return (place) => byPlace.get(formatTilePlace(place));
}

/**
 * Appends leaves.
 * @param size of the tree before
 * @param readTile reads the tiles of {@link listEdgeTiles}
 * @returns the tiles that changed or are new
 */
export function appendHashes(size: number, leafHashes: readonly Buffer[], readTile: TileReader): HashTile[] {
  const changed: HashTile[] = [];
  let count = size;
  let hashes = leafHashes;
  for (let level = 0; hashes.length > 0; level += 1) {
    const above: Buffer[] = [];
    let tile = Math.floor(count / TILE_WIDTH);
    const present = count % TILE_WIDTH;
    let open = present === 0 ? [] : [readHashes({ level, tile }, 0, present, readTile)];
    let width = present;
    for (let next = 0; next < hashes.length; tile += 1) {
      const part = hashes.slice(next, next + TILE_WIDTH - width);
      const full = Buffer.concat([...open, ...part]);
      changed.push({ level, tile, hashes: full });
      if (full.length === TILE_WIDTH * HASH_BYTES) above.push(foldHashes(full));
      next += part.length;
      open = [];
      width = 0;
    }
    count = Math.floor(count / TILE_WIDTH);
    hashes = above;
  }
  return changed;
}

/** The full subtrees that a range of a tree consists of, the greatest first. Its beginning is a multiple of the greatest. */
function listSubtrees({ from, to }: LeafRange): FullSubtree[] {
  const subtrees: FullSubtree[] = [];
  for (let at = from; at < to;) {
    const length = splitSize(to - at + 1);
    subtrees.push({ height: Math.round(Math.log2(length)), number: at / length });
    at += length;
  }
  return subtrees;
}

function locateSubtree({ height, number }: FullSubtree): { place: TilePlace; first: number; length: number } {
  const level = Math.floor(height / TILE_HEIGHT);
  const length = 2 ** (height % TILE_HEIGHT);
  const position = number * length;
  return { place: { level, tile: Math.floor(position / TILE_WIDTH) }, first: position % TILE_WIDTH, length };
}

function hashSubtree(subtree: FullSubtree, readTile: TileReader): Buffer {
  const { place, first, length } = locateSubtree(subtree);
  return foldHashes(readHashes(place, first, length, readTile));
}

function readHashes(place: TilePlace, first: number, length: number, readTile: TileReader): Buffer {
  const tile = readTile(place);
  const end = (first + length) * HASH_BYTES;
  if (tile === undefined || tile.length < end) throw new MissingHashes(place);
  return tile.subarray(first * HASH_BYTES, end);
}

/** The hashes of the tree are stored, and some of them are no longer there. */
export class MissingHashes extends RangeError {
  override readonly name = 'MissingHashes';

  constructor({ level, tile }: TilePlace) {
    super(`hashes of tile ${tile} of level ${level} are missing`);
  }
}

/** The root over as many hashes as a power of two. */
function foldHashes(hashes: Buffer): Buffer {
  if (hashes.length === HASH_BYTES) return hashes;
  const middle = hashes.length / 2;
  return hashNode(foldHashes(hashes.subarray(0, middle)), foldHashes(hashes.subarray(middle)));
}

function formatTilePlace({ level, tile }: TilePlace): string {
  return `${level}/${tile}`;
}
