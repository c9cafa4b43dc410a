/**
 * Reads files of directories whose content is not trusted: regular files only, within the directory only, and up to a
 * limit. It never blocks: a pipe without a writer is refused like everything that is no regular file.
 */
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync, realpathSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';

/** The limit of one file, and of all that are read together, in bytes. */
export const MAX_BYTES = 16 * 1024 * 1024;
export const MAX_FILES = 5_000;
/** The most directory entries that are visited. */
const MAX_NAMES = 50_000;
const MAX_DIRECTORY_DEPTH = 16;

const CHUNK = 64 * 1024;

/** A file or directory can not be read. The message is a predicate about the path. */
export class Unreadable extends Error {
  override readonly name = 'Unreadable';
  constructor(
    message: string,
    readonly path: string,
  ) {
    super(message);
  }
}

/** Reads a regular file as UTF-8, without a byte order mark. @param limit in bytes; a longer file is refused, not cut. @throws Unreadable */
export function readBounded(path: string, limit = MAX_BYTES): string {
  // The file is opened first and examined by its descriptor: its name may lead to another file by then.
  const file = withUnreadable(path, () =>
    openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY),
  );
  try {
    const { size } = withUnreadable(path, () => {
      const stat = fstatSync(file);
      if (!stat.isFile()) throw new Unreadable('is not a regular file', path);
      return stat;
    });
    const parts: Buffer[] = [];
    let length = 0;
    // Some files have no size, and some grow.
    for (let whole = false; !whole;) {
      if (size > limit || length > limit) throw new Unreadable(`is larger than ${limit} bytes`, path);
      const part = Buffer.allocUnsafe(size === 0 ? CHUNK : Math.min(size + 1, CHUNK));
      const bytesRead = withUnreadable(path, () => readSync(file, part, 0, part.length, null));
      parts.push(part.subarray(0, bytesRead));
      length += bytesRead;
      whole = bytesRead === 0;
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(parts));
  } catch (error) {
    if (error instanceof TypeError) throw new Unreadable('is not well-formed UTF-8', path);
    throw error;
  } finally {
    closeSync(file);
  }
}

export interface DirectoryListing {
  /** Sorted by their paths. */
  readonly files: readonly string[];
  /** Every directory that was visited, the first one included. */
  readonly directories: readonly string[];
}

/**
 * Lists the files below a directory whose names have the ending. Names that begin with a dot are skipped: editors keep
 * their files there, and Kubernetes the directories that its links lead to. Links are followed within the directory and
 * refused where they lead out of it.
 * @throws Unreadable
 */
export function listFiles(directory: string, ending: string): DirectoryListing {
  const root = withUnreadable(directory, () => realpathSync(directory));
  const files: string[] = [];
  const directories: string[] = [];
  const visited = new Set<string>();
  let names = 0;
  const visit = (path: string, depth: number): void => {
    const real = resolveInside(root, path);
    // A link led back to a directory that was visited.
    if (visited.has(real)) return;
    visited.add(real);
    directories.push(path);
    if (depth > MAX_DIRECTORY_DEPTH) throw new Unreadable(`is more than ${MAX_DIRECTORY_DEPTH} directories deep`, path);
    for (const entry of withUnreadable(path, () => readdirSync(path, { withFileTypes: true }))) {
      names += 1;
      if (names > MAX_NAMES) throw new Unreadable(`has more than ${MAX_NAMES} names below it`, directory);
      if (entry.name.startsWith('.')) continue;
      const entryPath = join(path, entry.name);
      const hasEnding = entry.name.endsWith(ending);
      if (entry.isDirectory() || (entry.isSymbolicLink() && leadsToDirectory(entryPath, hasEnding))) {
        visit(entryPath, depth + 1);
        continue;
      }
      if (!hasEnding) continue;
      resolveInside(root, entryPath);
      files.push(entryPath);
      if (files.length > MAX_FILES) throw new Unreadable(`has more than ${MAX_FILES} files`, directory);
    }
  };
  visit(directory, 0);
  return { files: files.sort(), directories };
}

/** Resolves the links of a path. @throws Unreadable where they lead out of the root */
function resolveInside(root: string, path: string): string {
  const real = withUnreadable(path, () => realpathSync(path));
  if (real !== root && !real.startsWith(root.endsWith(sep) ? root : root + sep))
    throw new Unreadable('is a link out of the directory', path);
  return real;
}

/** Whether a link leads to a directory. One that leads nowhere is ignored, unless its name has the ending. @throws Unreadable */
function leadsToDirectory(path: string, hasEnding: boolean): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    if (hasEnding) throw toUnreadable(error, path);
    return false;
  }
}

function withUnreadable<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw toUnreadable(error, path);
  }
}

function toUnreadable(error: unknown, path: string): Error {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof Unreadable || code === undefined) return error as Error;
  return new Unreadable(code === 'ENOENT' ? 'there is no such file' : `can't be read: ${code}`, path);
}
