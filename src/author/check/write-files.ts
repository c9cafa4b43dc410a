/** Writing files that authors are given. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { displayPath } from '../../config/files.js';
import { ConfigError } from '../../model/faults.js';

/**
 * Writes texts by their path below a directory, which is made where it isn't there.
 * @throws ConfigError; without `replace` also where one is there already
 */
export function writeFiles(directory: string, texts: ReadonlyMap<string, string>, replace: boolean): void {
  for (const [file, text] of texts) {
    const path = join(directory, file);
    try {
      makeDirectories(dirname(path));
      writeFileSync(path, text, { flag: replace ? 'w' : 'wx' });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new ConfigError(`can't be written: ${code ?? String(error)}`, displayPath(path));
    }
  }
}

/** Level by level: the recursive form never ends where a parent can't be made, as below /proc. */
function makeDirectories(directory: string): void {
  const missing: string[] = [];
  for (let current = directory; !existsSync(current); current = dirname(current)) missing.push(current);
  for (const path of missing.reverse()) mkdirSync(path);
}
