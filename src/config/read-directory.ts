/**
 * Reading files of a directory that anybody may have put anything into: only regular files, only within the directory,
 * and only so much. Nothing here waits: a pipe that nobody writes to is refused like any other thing that is no file.
 */
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync, realpathSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';

/** Of one file, and of all that are read together, in bytes. */
export const MAX_BYTES = 16 * 1024 * 1024;
export const MAX_FILES = 5_000;
/** Names that are looked at on the way to those files. */
const MAX_NAMES = 50_000;
const MAX_DIRECTORY_DEPTH = 16;

const CHUNK = 64 * 1024;

/** Why a file or a directory isn't read, as a sentence about it. */
export class Unreadable extends Error {
  override readonly name = 'Unreadable';
  constructor(
    message: string,
    readonly path: string,
  ) {
    super(message);
  }
}

/** @param limit in bytes; what is longer is refused and not cut off. @throws Unreadable */
export function readBounded(path: string, limit = MAX_BYTES): string {
  // Opening waits for nobody, and what was opened is what is asked: by its name it might be another thing by then.
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
    // Some files don't say how long they are, and some grow.
    for (let whole = false; !whole;) {
      if (size > limit || length > limit) throw new Unreadable(`is larger than ${limit} bytes`, path);
      const part = Buffer.allocUnsafe(size === 0 ? CHUNK : Math.min(size + 1, CHUNK));
      const bytesRead = withUnreadable(path, () => readSync(file, part, 0, part.length, null));
      parts.push(part.subarray(0, bytesRead));
      length += bytesRead;
      whole = bytesRead === 0;
    }
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(parts));
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
  /** Every directory that was looked into, the first one included. */
  readonly directories: readonly string[];
}

/**
 * The files below a directory whose names end so. Names that begin with a dot are passed over: editors keep theirs
 * there, and Kubernetes the directories that its links lead to. Links are followed within the directory and refused
 * where they lead out of it.
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
    // By a link that leads back.
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

/** Where a path really leads. @throws Unreadable where that is outside */
function resolveInside(root: string, path: string): string {
  const real = withUnreadable(path, () => realpathSync(path));
  if (real !== root && !real.startsWith(root.endsWith(sep) ? root : root + sep))
    throw new Unreadable('is a link out of the directory', path);
  return real;
}

/** A link that leads nowhere is somebody else's, unless it has the name of a file that counts. */
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
  return new Unreadable(`can't be read: ${code}`, path);
}
