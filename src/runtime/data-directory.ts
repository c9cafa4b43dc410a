/** The data directory: created level by level, and closed to other users together with what Remit keeps in it. */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { ConfigError } from '../model/faults.js';
import { nameWithoutDraft } from './secret-file.js';

/** The names of what Remit keeps in its data directory. */
const OWN_NAMES: ReadonlySet<string> = new Set([
  '.gitignore',
  'lock',
  'dev.key',
  'dev-issuer.jwk',
  'values.key',
  'audit.key',
  'database',
  'database.draft',
  'run',
]);
const isOwnName = (name: string): boolean => OWN_NAMES.has(nameWithoutDraft(name));
/** The mode bits that let the group or others in. */
const OPEN_TO_OTHERS = 0o077;

/**
 * Creates the directory where it is missing, with a `.gitignore` of everything in it, so that no key of it is committed. A directory that is there is closed to its group and to others, and so are
 * Remit's files in it: they are keys, and the attributes of people.
 * @throws ConfigError where it can't be used or closed, or where it is open and holds other files than Remit's
 */
export function prepareDataDirectory(directory: string): void {
  try {
    createDirectory(directory);
    const names = readdirSync(directory);
    closeDirectory(realpathSync(directory), names);
    for (const name of names) if (isOwnName(name)) closeEntry(join(directory, name));
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(
      `the directory can't be used as the data directory: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
      directory,
    );
  }
}

/** Makes one level at a time: the recursive mkdir never ends where a parent can't be made, as below /proc. */
function createDirectory(directory: string): void {
  const missingPaths: string[] = [];
  for (let at = directory; !existsSync(at); at = dirname(at)) missingPaths.push(at);
  for (const at of missingPaths.reverse()) createLevel(at);
  if (missingPaths.length > 0) ignoreContents(directory);
  if (!statSync(directory).isDirectory()) throw new ConfigError('the data directory is not a directory', directory);
}

function createLevel(path: string): void {
  makeOnce(() => mkdirSync(path, { mode: 0o700 }));
}

function ignoreContents(directory: string): void {
  makeOnce(() => {
    writeFileSync(join(directory, '.gitignore'), '*\n', { mode: 0o600, flag: 'wx' });
  });
}

/** Another process may make the same at the same moment. */
function makeOnce(make: () => void): void {
  try {
    make();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function closeDirectory(directory: string, names: readonly string[]): void {
  const { mode } = statSync(directory);
  if ((mode & OPEN_TO_OTHERS) === 0) return;
  // A directory that others share with Remit, such as /tmp, must stay as it is.
  const foreign = names.find((name) => !isOwnName(name));
  if (foreign !== undefined)
    throw new ConfigError(
      `other users may enter the data directory (mode ${formatMode(mode)}), and it holds other files than Remit's ("${foreign}"): name a directory of Remit's own, or run chmod 700 on it`,
      directory,
    );
  closeEntry(directory);
}

/** @throws ConfigError where only another user, its owner, could */
function closeEntry(path: string): void {
  const entry = lstatSync(path, { throwIfNoEntry: false });
  // Another process has removed it since: its lock, or a draft.
  if (entry === undefined) return;
  if (entry.isSymbolicLink()) throw new ConfigError('is a link, and must be a file of its own', path);
  const { mode } = entry;
  if ((mode & OPEN_TO_OTHERS) === 0) return;
  try {
    chmodSync(path, mode & 0o700);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new ConfigError(
      `other users may read it (mode ${formatMode(mode)}), and that can't be changed (${code}): run chmod go= on it as its owner, or name a directory below it as the data directory, which is then created closed`,
      path,
    );
  }
}

function formatMode(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}
