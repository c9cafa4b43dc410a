/**
 * An empty database, as PGlite makes it for itself. That takes seconds of work, which is the same each time, so a build does it once and
 * a new database begins as a copy. PGlite makes one anew where the build was by another PGlite, or there was none.
 */
import { constants, copyFileSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The files that a build has made, beside this one: of the PGlite that is installed, since others write other files. */
export function locateEmptyDatabase(): string {
  const require = createRequire(import.meta.url);
  const { version } = require(join(dirname(require.resolve('@electric-sql/pglite')), '../package.json')) as {
    readonly version: string;
  };
  return fileURLToPath(new URL(`./empty-database-${version}`, import.meta.url));
}

/** Copies the files to a directory that isn't there. @returns false where there are none to copy */
export function copyEmptyDatabase(to: string, from = locateEmptyDatabase()): boolean {
  if (!existsSync(from)) return false;
  mkdirSync(to, { recursive: true });
  // A directory is listed before what is in it. Node's own copy of directories takes five times as long.
  for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
    const source = join(entry.parentPath, entry.name);
    const target = join(to, relative(from, source));
    if (entry.isDirectory()) mkdirSync(target);
    else copyFileSync(source, target, constants.COPYFILE_FICLONE);
  }
  return true;
}
