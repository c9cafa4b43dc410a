/** Writes the files that `remit init` and `remit schema` give to an author. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createWriteError } from '../../config/files.js';

/**
 * Writes files below a directory, which is made where it doesn't exist.
 * @param texts by path, relative to the directory
 * @throws ConfigError where a file can't be written or, without `replace`, exists
 */
export function writeFiles(directory: string, texts: ReadonlyMap<string, string>, replace: boolean): void {
  for (const [file, text] of texts) {
    const path = join(directory, file);
    try {
      makeDirectories(dirname(path));
      writeFileSync(path, text, { flag: replace ? 'w' : 'wx' });
    } catch (error) {
      throw createWriteError(error, path);
    }
  }
}

/** Makes one level at a time: Node's recursive mkdir never returns where a parent can't be made, as below /proc. */
function makeDirectories(directory: string): void {
  const missing: string[] = [];
  for (let current = directory; !existsSync(current); current = dirname(current)) missing.push(current);
  for (const path of missing.reverse()) mkdirSync(path);
}
