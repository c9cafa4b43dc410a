/**
 * Writes the files that a configuration needs out of a revision of git into a temporary directory: its policies, schemas,
 * world and tests. Git is only asked for trees and blobs, so no hook, filter, attribute or shell takes part, nothing is
 * fetched, and the working tree isn't touched.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, posix } from 'node:path';
import { z } from 'zod';
import { readYaml } from '../../config/yaml.js';
import { ConfigError } from '../../model/faults.js';
import { readSourceReferences } from '../check/source-references.js';

/** Limits of what is taken out of one revision. */
export const REVISION_LIMITS = { files: 5000, fileBytes: 4 * 1024 * 1024, bytes: 64 * 1024 * 1024 } as const;
/** The longest listing of trees that is read: enough for some hundred thousand files. */
const MAX_LISTING_BYTES = 32 * 1024 * 1024;
const TIMEOUT_MS = 60_000;
/** Names of schemas, policies, worlds and tests. */
const SOURCE_FILE = /\.(ya?ml|cedar|cedarschema|zed)$/;

export interface Checkout {
  /** Stands for the repository's root. */
  readonly directory: string;
  readonly close: () => void;
}

/**
 * @param path of a configuration or of a directory with one, from the repository's root
 * @throws ConfigError naming the revision and the path that can't be read
 */
export function checkOut(revision: string, path: string): Checkout {
  const place = `${revision}:${path}`;
  if (revision.startsWith('-')) throw new ConfigError('a revision must not begin with "-"', place);
  checkPath(path, place);
  const tree = new RevisionTree(revision, place);
  const startEntries = tree.list([path], false);
  const exactEntry = startEntries.find((entry) => entry.path === path);
  const nearbyEntries = exactEntry?.type === 'tree' ? tree.list([`${path}/`], false) : startEntries;
  const configurations = tree.read(nearbyEntries.filter(({ path: file }) => SOURCE_FILE.test(file)));
  const selection = new Map<string, TreeEntry>();
  const select = (entries: readonly TreeEntry[]): void => {
    for (const entry of entries) if (entry.type !== 'tree') selection.set(entry.path, entry);
  };
  select(nearbyEntries.filter(({ path: file }) => SOURCE_FILE.test(file)));
  for (const [file, text] of configurations) {
    const references = referencedPaths(text.toString('utf8'), posix.dirname(file));
    for (const reference of [...references.files, ...references.directories]) checkPath(reference, place);
    select(tree.list(references.files, false));
    select(tree.list(references.directories, true).filter(({ path: candidate }) => SOURCE_FILE.test(candidate)));
    // Worlds of tests and validation files stand beside the files that a configuration names.
    const directories = references.files
      .map((reference) => posix.dirname(reference))
      .filter((reference) => reference !== '.');
    select(
      tree
        .list(
          directories.map((directory) => `${directory}/`),
          false,
        )
        .filter(({ path: candidate }) => SOURCE_FILE.test(candidate)),
    );
  }
  const texts = tree.read([...selection.values()]);
  const directory = mkdtempSync(join(tmpdir(), 'remit-diff-'));
  const close = (): void => {
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    for (const [file, text] of texts) {
      const to = join(directory, file);
      mkdirSync(dirname(to), { recursive: true });
      writeFileSync(to, text, { flag: 'wx', mode: 0o600 });
    }
  } catch (error) {
    close();
    throw new ConfigError(
      `the files can't be written: ${(error as NodeJS.ErrnoException).code ?? 'unwritable'}`,
      directory,
    );
  }
  return { directory, close };
}

/** A tree may hold names that must never reach a file system, such as `..`. @throws ConfigError */
function checkPath(path: string, place: string): void {
  const parts = path.split('/');
  const isForbidden = (part: string): boolean =>
    ['', '.', '..'].includes(part) || part.toLowerCase() === '.git' || /[\0\\]/.test(part);
  if (path !== '' && path !== '.' && parts.some(isForbidden))
    throw new ConfigError(`"${path}" is no path within the repository, from its root`, place);
}

/** @param directory of the configuration, from the repository's root */
function referencedPaths(
  text: string,
  directory: string,
): { readonly files: string[]; readonly directories: string[] } {
  // The file is read again from the temporary directory, which reports an error at its place.
  const { raw } = readYaml({ name: directory, text }, z.unknown(), { rule: 'config-invalid' });
  const references = readSourceReferences(raw, (path) => posix.join(directory, path).replace(/\/$/, ''));
  if (references === undefined) return { files: [], directories: [] };
  const { relationships, actions, policies, world } = references;
  return { files: [relationships, ...actions, ...(world === undefined ? [] : [world])], directories: [policies] };
}

interface TreeEntry {
  readonly mode: string;
  readonly type: string;
  readonly object: string;
  readonly bytes: number;
  readonly path: string;
}

class RevisionTree {
  private readonly commit: string;

  constructor(
    revision: string,
    private readonly place: string,
  ) {
    const name = this.git(['rev-parse', '--verify', '--quiet', '--end-of-options', `${revision}^{commit}`], 4096);
    this.commit = name.toString('utf8').trim();
    if (!/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(this.commit)) throw new ConfigError('there is no such revision', place);
  }

  /** @param paths from the root; one that ends with "/" stands for the entries in it */
  list(paths: readonly string[], recursive: boolean): TreeEntry[] {
    if (paths.length === 0) return [];
    const flags = ['-l', '-z', '--full-tree', ...(recursive ? ['-r'] : [])];
    const root = paths.some((path) => path === '' || path === '.' || path === './');
    const pathspecs = root ? [] : paths;
    const out = this.git(['ls-tree', ...flags, '--end-of-options', this.commit, ...pathspecs], MAX_LISTING_BYTES);
    const entries = out
      .toString('utf8')
      .split('\0')
      .flatMap((line) => {
        const [, mode = '', type = '', object = '', size = '', path = ''] =
          /^(\d+) (\w+) ([0-9a-f]+) +(\S+)\t(.*)$/s.exec(line) ?? [];
        return path === '' ? [] : [{ mode, type, object, bytes: Number(size) || 0, path }];
      });
    for (const { path } of entries) checkPath(path, this.place);
    return entries;
  }

  /** @throws ConfigError where an entry is not a regular file, or there are too many or too large ones */
  read(entries: readonly TreeEntry[]): ReadonlyMap<string, Buffer> {
    for (const { mode, path, bytes } of entries) {
      if (mode === '120000') throw new ConfigError(`"${path}" is a symbolic link, which is not followed`, this.place);
      if (mode !== '100644' && mode !== '100755') throw new ConfigError(`"${path}" is not a regular file`, this.place);
      if (bytes > REVISION_LIMITS.fileBytes)
        throw new ConfigError(`"${path}" is longer than ${REVISION_LIMITS.fileBytes} bytes`, this.place);
    }
    const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
    if (entries.length > REVISION_LIMITS.files || bytes > REVISION_LIMITS.bytes)
      throw new ConfigError(
        `the configuration needs ${entries.length} files of ${bytes} bytes: more than ${REVISION_LIMITS.files}, or than ${REVISION_LIMITS.bytes} bytes`,
        this.place,
      );
    if (entries.length === 0) return new Map();
    const objectNames = entries.map(({ object }) => `${object}\n`).join('');
    const out = this.git(['cat-file', '--batch'], bytes + entries.length * 128, objectNames);
    const texts = new Map<string, Buffer>();
    let offset = 0;
    for (const { path, object } of entries) {
      const end = out.indexOf(10, offset);
      const [name, type, size] = out.subarray(offset, end).toString('utf8').split(' ');
      if (name !== object || type !== 'blob') throw new ConfigError(`"${path}" can't be read`, this.place);
      texts.set(path, out.subarray(end + 1, end + 1 + Number(size)));
      offset = end + 1 + Number(size) + 1;
    }
    return texts;
  }

  /**
   * Runs git without a shell and without a network: an object that isn't in the local repository doesn't exist.
   * @throws ConfigError
   */
  private git(args: readonly string[], maxBuffer: number, input?: string): Buffer {
    const guards = ['--no-pager', '--literal-pathspecs', '-c', 'protocol.allow=never', '-c', 'core.fsmonitor=false'];
    try {
      return execFileSync('git', [...guards, ...args], {
        maxBuffer,
        timeout: TIMEOUT_MS,
        stdio: ['pipe', 'pipe', 'pipe'],
        ...(input === undefined ? {} : { input }),
      });
    } catch (error) {
      throw new ConfigError(gitProblem(error as NodeJS.ErrnoException & { stderr?: Buffer }), this.place);
    }
  }
}

function gitProblem({ code, stderr }: NodeJS.ErrnoException & { readonly stderr?: Buffer }): string {
  if (code === 'ENOENT') return 'git is not installed, so no revision can be read';
  if (code === 'ENOBUFS')
    return 'the repository is too large to be listed: name a smaller one, or a checked-out directory';
  if (code === 'ETIMEDOUT') return `git did not finish within ${TIMEOUT_MS / 1000} seconds`;
  const message = stderr?.toString('utf8').trim().split('\n')[0] ?? '';
  return message === '' ? 'there is no such revision' : message.replace(/^fatal: /, 'git: ').slice(0, 300);
}
