/**
 * Paths that must lie within a folder. A path counts as what it leads to: `.` and `..` are resolved first, and what can't
 * be resolved for certain lies nowhere.
 */
import { memoizeByObject } from '../runtime/memoize.js';
import { hasOneReading } from './path-name.js';

/** The longest path that is looked at, in characters. */
const MAX_CONSTRAINED_PATH_LENGTH = 4096;
/** Whether the path is the folder or lies in it; of a list, whether each of its paths does. An empty list lies nowhere. */
export function isWithinFolder(paths: unknown, folder: string): boolean {
  const names = Array.isArray(paths) ? resolveCommonNames(paths) : resolveIfText(paths);
  const folderNames = resolvePathNames(folder);
  return names !== undefined && folderNames?.every((name, i) => names[i] === name) === true;
}

/** The names that all paths of the list begin with; undefined where one can't be resolved. Each is resolved once. */
const resolveCommonNames = memoizeByObject((paths: readonly unknown[]): readonly string[] | undefined => {
  let common: readonly string[] | undefined;
  for (const path of paths) {
    const names = resolveIfText(path);
    if (names === undefined) return undefined;
    const before: readonly string[] = common ?? names;
    const end = before.findIndex((name, i) => names[i] !== name);
    common = end < 0 ? before : before.slice(0, end);
  }
  return common;
});

function resolveIfText(path: unknown): readonly string[] | undefined {
  return typeof path === 'string' ? resolvePathNames(path) : undefined;
}

/**
 * The names that lead from the root to where the path leads; undefined where that isn't certain: a relative path, one that
 * leads above the root, or one with a name that services read in different ways.
 */
export function resolvePathNames(path: string): readonly string[] | undefined {
  if (!path.startsWith('/') || path.length > MAX_CONSTRAINED_PATH_LENGTH) return undefined;
  const names: string[] = [];
  for (const name of path.split('/')) {
    if (name === '' || name === '.') continue;
    if (name === '..') {
      if (names.pop() === undefined) return undefined;
    } else if (hasOneReading(name)) names.push(name);
    else return undefined;
  }
  return names;
}
