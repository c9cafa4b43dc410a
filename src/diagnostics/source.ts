/** Source texts, and the way from an offset to the line and column that people count. */
import type { SourceLocation } from './diagnostics.js';

export interface SourceFile {
  /** As messages name it: relative to where the operator stands. */
  readonly name: string;
  readonly text: string;
}

const lineStartCache = new WeakMap<SourceFile, readonly number[]>();

/** @param index of a character, in UTF-16 code units; behind the end counts as the end */
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

/** The index of the character that a byte of the text's UTF-8 is of: Cedar counts bytes. */
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
