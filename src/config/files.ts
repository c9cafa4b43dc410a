/** Reads the operator's files; errors name the file as the operator knows it. */
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { relative } from 'node:path';
import { ConfigError } from '../model/faults.js';
import type { RuleSources } from '../policy/load.js';
import type { SourceFile } from '../diagnostics/source.js';
import { listFiles, MAX_BYTES, readBounded, Unreadable } from './read-directory.js';

export interface SourcePaths {
  readonly relationships: string;
  readonly actions: readonly string[];
  readonly policies: string;
  /** The time zone that policies read the local time of; undefined for UTC. */
  readonly zone?: string | undefined;
  /** The longest window that policies may look back, in milliseconds; undefined for a day. */
  readonly longestHistoryMs?: number | undefined;
}

/** The kinds of files that a configuration leads to, by the endings of their names. */
const ENDINGS = {
  'a SpiceDB schema': ['.zed'],
  'a Cedar schema': ['.cedarschema'],
  'a world': ['.yaml', '.yml', '.json'],
} as const;
export type FileKind = keyof typeof ENDINGS;

/** Reads the schemas and policies, at most {@link MAX_BYTES} together. @throws ConfigError */
export function readSources(paths: SourcePaths): RuleSources {
  const read = createBoundedReader();
  const sources = {
    relationships: read(requireKind(paths.relationships, 'a SpiceDB schema')),
    actions: paths.actions.map((path) => read(requireKind(path, 'a Cedar schema'))),
    policies: listCedarFiles(paths.policies).map(read),
    zone: paths.zone,
    longestHistoryMs: paths.longestHistoryMs,
  };
  // A file that is being written is empty at first, and without its policies the rest may be valid.
  const empty = sources.policies.find(({ text }) => text.trim() === '');
  if (empty !== undefined) throw new ConfigError('is empty: write its policies, or remove it', empty.name);
  return sources;
}

/**
 * Refuses a file whose name, or the name of the file that it links to, is another kind's. What is wrong with a file is
 * said with words and lines of it, and a configuration that names `/etc/shadow` must not have that printed.
 * @returns the path
 * @throws ConfigError
 */
export function requireKind(path: string, kind: FileKind): string {
  const endings: readonly string[] = ENDINGS[kind];
  const hasEnding = (name: string): boolean => endings.some((ending) => name.endsWith(ending));
  if (hasEnding(path) && hasEnding(resolveLinks(path))) return path;
  const names = endings.map((ending) => `*${ending}`).join(' or ');
  throw new ConfigError(`is not named ${names}, so it is not read as ${kind}`, displayPath(path));
}

/** The path without links; the path itself where it leads nowhere, which reading it reports. */
function resolveLinks(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** Reads files, at most {@link MAX_BYTES} together. @throws ConfigError */
export function readBoundedSources(paths: readonly string[]): SourceFile[] {
  return paths.map(createBoundedReader());
}

function createBoundedReader(): (path: string) => SourceFile {
  let remainingBytes = MAX_BYTES;
  return (path) => {
    const file = readBoundedSource(path, remainingBytes);
    remainingBytes -= Buffer.byteLength(file.text);
    return file;
  };
}

/** Lists every `*.cedar` below the directory as {@link listFiles} does. @throws ConfigError where there is none */
export function listCedarFiles(directory: string): string[] {
  return withConfigErrors(() => {
    if (!isDirectory(directory)) throw new Unreadable('there is no such directory', directory);
    const { files } = listFiles(directory, '.cedar');
    if (files.length === 0) throw new Unreadable('there is no *.cedar file here', directory);
    return [...files];
  });
}

/** Lists every YAML file below the directory as {@link listFiles} does; none where there is no directory. @throws ConfigError */
export function listYamlFiles(directory: string): string[] {
  return withConfigErrors(() =>
    isDirectory(directory) ? ['.yaml', '.yml'].flatMap((ending) => listFiles(directory, ending).files) : [],
  );
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Reads a regular file. @param limit in bytes. @throws ConfigError, also where the file is longer */
export function readBoundedSource(path: string, limit = MAX_BYTES): SourceFile {
  return withConfigErrors(() => ({ name: displayPath(path), text: readBounded(path, limit) }));
}

function withConfigErrors<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof Unreadable) throw new ConfigError(error.message, displayPath(error.path));
    throw error;
  }
}

/** @throws ConfigError */
export function readSource(path: string): SourceFile {
  return { name: displayPath(path), text: readTextFile(path) };
}

/**
 * Reads a file whose text is UTF-8 throughout: a replaced character could make one text of two. A byte order mark is
 * left out.
 * @throws ConfigError
 */
export function readTextFile(path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path));
  } catch (error) {
    if (error instanceof TypeError) throw new ConfigError('is not well-formed UTF-8', displayPath(path));
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new ConfigError('there is no such file', displayPath(path));
    throw new ConfigError(`can't be read: ${code ?? String(error)}`, displayPath(path));
  }
}

/** A kind of key that is read from a file. */
interface KeyFileKind<T> {
  /** The setting that names the file. */
  readonly setting: string;
  /** Reads the key; returns undefined, or throws, where the text has none. */
  readonly parse: (text: string) => T | undefined;
  /** The problem of a file that has none. */
  readonly problem: string;
}

/** Reads the key of a file, of which no message quotes anything. @throws ConfigError naming the setting */
export function readKeyFile<T>(file: string, { setting, parse, problem }: KeyFileKind<T>): T {
  const refuse = (told: string): never => {
    throw new ConfigError(told, { file: displayPath(file), key: setting });
  };
  const read = (): string => {
    try {
      return readFileSync(file, 'utf8');
    } catch (error) {
      return refuse(`the key can not be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
    }
  };
  const text = read();
  try {
    const key = parse(text);
    if (key !== undefined) return key;
  } catch {
    // The text of the error may quote the key.
  }
  return refuse(problem);
}

/** The error of a file that can't be written. */
export function createWriteError(error: unknown, path: string): ConfigError {
  return new ConfigError(
    `can't be written: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
    displayPath(path),
  );
}

/** The path for messages: relative to the working directory where it is below that. */
export function displayPath(path: string): string {
  const relativePath = relative(process.cwd(), path) || '.';
  return relativePath.startsWith('..') ? path : relativePath;
}
