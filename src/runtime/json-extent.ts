/**
 * Measures a JSON text before it is parsed. Parsing takes as long as there are values, and a text of 1 MiB can have half a
 * million, each in its own array: many times what an honest text of that length costs. This pass is linear and makes nothing.
 */

/**
 * The depth of a text's nesting, and the number of its values. Of a malformed text it says no more than parsing costs.
 */
export interface JsonExtent {
  readonly depth: number;
  /** Arrays, objects and members of objects, which cost the most. */
  readonly structures: number;
  /** All values, simple ones included. */
  readonly values: number;
  /** Strings, the names of members included. */
  readonly strings: number;
}

export const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;

export function measureJson(text: string): JsonExtent {
  let level = 0;
  let depth = 0;
  let structures = 0;
  let values = 1;
  let strings = 0;
  for (let i = 0; i < text.length; i += 1) {
    switch (text.charCodeAt(i)) {
      case QUOTE:
        strings += 1;
        i = findStringEnd(text, i);
        break;
      case 0x5b: // [
      case 0x7b: // {
        level += 1;
        if (level > depth) depth = level;
        structures += 1;
        values += 1;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        level -= 1;
        break;
      case COLON:
        structures += 1;
        break;
      case COMMA:
        values += 1;
    }
  }
  return { depth, structures, values, strings };
}

/** The place of the quote that ends the string which begins at `start`, or the text's end where it has none. */
export function findStringEnd(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return end;
  }
  return text.length;
}
