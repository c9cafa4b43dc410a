/**
 * Paths that must lie within a folder. A path counts as what it leads to: `.` and `..` are resolved first, and what can't
 * be resolved for certain lies nowhere.
 */
import { memoizeByObject } from '../runtime/memoize.js';

/** The longest path that is looked at, in characters. */
const MAX_CONSTRAINED_PATH_LENGTH = 4096;
/** An encoded dot, separator or percent sign: the service that opens the path may decode it. */
const ENCODED_PART = /%(?:2e|2f|5c|25)/i;
/** A name that some systems take for `.` or `..`: with blanks or more dots, or with a parameter. */
const NEARLY_DOTS = /^[. ]+$|^\.{1,2};/;
const SEPARATOR_OR_DOT = /[./\\]/;

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
 * leads above the root, or one with characters that services read in different ways.
 */
export function resolvePathNames(path: string): readonly string[] | undefined {
  if (!path.startsWith('/') || path.length > MAX_CONSTRAINED_PATH_LENGTH || !path.isWellFormed()) return undefined;
  if (/[\p{Cc}\\]/u.test(path) || ENCODED_PART.test(path) || path.normalize('NFC') !== path) return undefined;
  if (Array.from(path).some(isCompatibilityForm)) return undefined;
  const names: string[] = [];
  for (const name of path.split('/')) {
    if (name === '' || name === '.') continue;
    if (name === '..') {
      if (names.pop() === undefined) return undefined;
    } else if (NEARLY_DOTS.test(name)) return undefined;
    else names.push(name);
  }
  return names;
}

/** Whether the character stands for a dot or a separator where a service normalizes text: `／`, `‥`. */
function isCompatibilityForm(character: string): boolean {
  if (character.charCodeAt(0) < 0x80) return false;
  return SEPARATOR_OR_DOT.test(character.normalize('NFKC'));
}
