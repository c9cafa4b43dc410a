/** Source texts, and the line and column of an offset in them. */
import type { SourceLocation } from './diagnostics.js';

export interface SourceFile {
  /** Relative to the working directory, as messages name it. */
  readonly name: string;
  readonly text: string;
}

const lineStartCache = new WeakMap<SourceFile, readonly number[]>();

/** @param index of a character, in UTF-16 code units; one behind the end counts as the end */
export function locationAt(file: SourceFile, index: number): SourceLocation {
  const lines = lineStarts(file);
  let [low, high] = [0, lines.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((lines[middle] ?? 0) <= index) low = middle;
    else high = middle - 1;
  }
  return { file: file.name, line: low + 1, column: Math.min(index, file.text.length) - (lines[low] ?? 0) + 1 };
}

/** Converts an offset in bytes of UTF-8, which Cedar counts in, to the index of the character there. */
export function indexOfByte(text: string, byte: number): number {
  return Buffer.from(text).subarray(0, byte).toString().length;
}

function lineStarts(file: SourceFile): readonly number[] {
  let offsets = lineStartCache.get(file);
  if (offsets === undefined) {
    offsets = [0, ...[...file.text.matchAll(/\n/g)].map((match) => match.index + 1)];
    lineStartCache.set(file, offsets);
  }
  return offsets;
}
