/**
 * A revision of git, as far as a configuration needs it: its policies, schemas, world and tests, written into a directory
 * of their own. Git is asked for trees and blobs alone: no hook, filter, attribute or shell has a part in it, nothing is
 * fetched, and the working tree is left alone.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, posix } from 'node:path';
import { z } from 'zod';
import { parse } from 'yaml';
import { ConfigError } from '../../model/faults.js';

/** Of what is taken out of one revision. */
export const LIMITS = { files: 5000, fileBytes: 4 * 1024 * 1024, bytes: 64 * 1024 * 1024 } as const;
/** A listing of the trees that are looked at: enough for some hundred thousand files. */
const MAX_LISTING_BYTES = 32 * 1024 * 1024;
const TIMEOUT_MS = 60_000;
/** What schemas, policies, worlds and tests are called. */
const TAKEN = /\.(ya?ml|cedar|cedarschema|zed)$/;

export interface CheckedOut {
  /** Which stands for the repository's root. */
  readonly directory: string;
  readonly close: () => void;
}

/** @param path of a configuration, or of a directory with one, from the repository's root. @throws ConfigError */
export function checkOut(revision: string, path: string): CheckedOut {
  const place = `${revision}:${path}`;
  if (revision.startsWith('-')) throw new ConfigError('a revision must not begin with "-"', place);
  checkPath(path, place);
  const repository = new Repository(revision, place);
  const start = repository.list([path], false);
  const only = start.find((entry) => entry.path === path);
  const near = only?.type === 'tree' ? repository.list([`${path}/`], false) : start;
  const configurations = repository.read(near.filter(({ path: file }) => TAKEN.test(file)));
  const wanted = new Map<string, Entry>();
  const take = (entries: readonly Entry[]): void => {
    for (const entry of entries) if (entry.type !== 'tree') wanted.set(entry.path, entry);
  };
  take(near.filter(({ path: file }) => TAKEN.test(file)));
  for (const [file, text] of configurations) {
    const named = namedBy(text.toString('utf8'), posix.dirname(file));
    for (const one of [...named.files, ...named.directories]) checkPath(one, place);
    take(repository.list(named.files, false));
    take(repository.list(named.directories, true).filter(({ path: found }) => TAKEN.test(found)));
    // Worlds of tests and validation files stand beside what is named.
    const beside = named.files.map((one) => posix.dirname(one)).filter((one) => one !== '.');
    take(
      repository
        .list(
          beside.map((one) => `${one}/`),
          false,
        )
        .filter(({ path: found }) => TAKEN.test(found)),
    );
  }
  const texts = repository.read([...wanted.values()]);
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
    throw new ConfigError(`can't be written: ${(error as NodeJS.ErrnoException).code ?? 'unwritable'}`, directory);
  }
  return { directory, close };
}

/** A tree may name what no file system should see. @throws ConfigError */
function checkPath(path: string, place: string): void {
  const parts = path.split('/');
  const strange = (part: string): boolean =>
    ['', '.', '..'].includes(part) || part.toLowerCase() === '.git' || /[\0\\]/.test(part);
  if (path !== '' && path !== '.' && parts.some(strange))
    throw new ConfigError(`"${path}" is no path within the repository, from its root`, place);
}

/** What leads to the other files; whatever else a configuration says is read where they are. */
const parts = z.object({
  schema: z.object({ relationships: z.string(), actions: z.union([z.string(), z.array(z.string())]) }),
  policies: z.string(),
  world: z.string().optional().catch(undefined),
});

function namedBy(text: string, base: string): { readonly files: string[]; readonly directories: string[] } {
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 100 });
  } catch {
    // It is told when it is read.
  }
  const read = parts.safeParse(value).data;
  if (read === undefined) return { files: [], directories: [] };
  const within = (to: string): string => posix.join(base, to).replace(/\/$/, '');
  const { schema, policies, world } = read;
  const files = [schema.relationships, ...[schema.actions].flat(), ...(world === undefined ? [] : [world])];
  return { files: files.map(within), directories: [within(policies)] };
}

interface Entry {
  readonly mode: string;
  readonly type: string;
  readonly object: string;
  readonly bytes: number;
  readonly path: string;
}

class Repository {
  private readonly commit: string;

  constructor(
    revision: string,
    private readonly place: string,
  ) {
    const name = this.git(['rev-parse', '--verify', '--quiet', '--end-of-options', `${revision}^{commit}`], 4096);
    this.commit = name.toString('utf8').trim();
    if (!/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(this.commit)) throw new ConfigError('there is no such revision', place);
  }

  /** @param paths from the root; those that end with "/" stand for what is in them */
  list(paths: readonly string[], recursive: boolean): Entry[] {
    if (paths.length === 0) return [];
    const flags = ['-l', '-z', '--full-tree', ...(recursive ? ['-r'] : [])];
    const root = paths.some((path) => path === '' || path === '.' || path === './');
    const named = root ? [] : paths;
    const out = this.git(['ls-tree', ...flags, '--end-of-options', this.commit, ...named], MAX_LISTING_BYTES);
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

  /** @throws ConfigError for what is no plain file, or too much */
  read(entries: readonly Entry[]): ReadonlyMap<string, Buffer> {
    for (const { mode, path, bytes } of entries) {
      if (mode === '120000') throw new ConfigError(`"${path}" is a symbolic link, which is not followed`, this.place);
      if (mode !== '100644' && mode !== '100755') throw new ConfigError(`"${path}" is no plain file`, this.place);
      if (bytes > LIMITS.fileBytes)
        throw new ConfigError(`"${path}" is longer than ${LIMITS.fileBytes} bytes`, this.place);
    }
    const bytes = entries.reduce((sum, one) => sum + one.bytes, 0);
    if (entries.length > LIMITS.files || bytes > LIMITS.bytes)
      throw new ConfigError(
        `needs ${entries.length} files of ${bytes} bytes: more than ${LIMITS.files}, or than ${LIMITS.bytes} bytes`,
        this.place,
      );
    if (entries.length === 0) return new Map();
    const asked = entries.map(({ object }) => `${object}\n`).join('');
    const out = this.git(['cat-file', '--batch'], bytes + entries.length * 128, asked);
    const texts = new Map<string, Buffer>();
    let at = 0;
    for (const { path, object } of entries) {
      const end = out.indexOf(10, at);
      const [name, type, size] = out.subarray(at, end).toString('utf8').split(' ');
      if (name !== object || type !== 'blob') throw new ConfigError(`"${path}" can't be read`, this.place);
      texts.set(path, out.subarray(end + 1, end + 1 + Number(size)));
      at = end + 1 + Number(size) + 1;
    }
    return texts;
  }

  /** Never through a shell, and never over a network: what isn't here is not there. @throws ConfigError */
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
      throw new ConfigError(problemOf(error as NodeJS.ErrnoException & { stderr?: Buffer }), this.place);
    }
  }
}

function problemOf({ code, stderr }: NodeJS.ErrnoException & { readonly stderr?: Buffer }): string {
  if (code === 'ENOENT') return 'there is no git here to read revisions with';
  if (code === 'ENOBUFS') return 'the repository is too large to be looked through: name a smaller one, or a checkout';
  if (code === 'ETIMEDOUT') return 'git does not come to an end with it';
  const said = stderr?.toString('utf8').trim().split('\n')[0] ?? '';
  return said === '' ? 'there is no such revision' : said.replace(/^fatal: /, 'git: ').slice(0, 300);
}
