/** Reads the operator's files; errors name the file as the operator knows it. */
import { readFileSync, statSync } from 'node:fs';
import { relative } from 'node:path';
import { ConfigError } from '../model/faults.js';
import type { RuleSources } from '../policy/load.js';
import type { SourceFile } from '../diagnostics/source.js';
import { listFiles, MAX_BYTES, readBounded, Unreadable } from './read-directory.js';

export interface SourcePaths {
  readonly relationships: string;
  readonly actions: readonly string[];
  readonly policies: string;
}

/** Reads the schemas and policies, at most {@link MAX_BYTES} together. @throws ConfigError */
export function readSources(paths: SourcePaths): RuleSources {
  const read = createBoundedReader();
  const sources = {
    relationships: read(paths.relationships),
    actions: paths.actions.map(read),
    policies: listCedarFiles(paths.policies).map(read),
  };
  // A file that is being written is empty at first, and without its policies the rest may be valid.
  const empty = sources.policies.find(({ text }) => text.trim() === '');
  if (empty !== undefined) throw new ConfigError('is empty: write its policies, or remove it', empty.name);
  return sources;
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

export function readTextFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new ConfigError('there is no such file', displayPath(path));
    throw new ConfigError(`can't be read: ${code ?? String(error)}`, displayPath(path));
  }
}

/** The path for messages: relative to the working directory where it is below that. */
export function displayPath(path: string): string {
  const relativePath = relative(process.cwd(), path);
  return relativePath.startsWith('..') ? path : relativePath;
}
