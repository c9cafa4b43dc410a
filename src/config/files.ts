/** Files that the operator wrote, read with errors that name the place. */
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

/** The files that the rules are made of; names in messages are relative to where the operator stands. @throws ConfigError */
export function readSources(paths: SourcePaths): RuleSources {
  let remainingBytes = MAX_BYTES;
  const read = (path: string): SourceFile => {
    const file = readBoundedSource(path, remainingBytes);
    remainingBytes -= Buffer.byteLength(file.text);
    return file;
  };
  return {
    relationships: read(paths.relationships),
    actions: paths.actions.map(read),
    policies: listCedarFiles(paths.policies).map(read),
  };
}

/** Every `*.cedar` below the directory, by the rules of {@link listFiles}. @throws ConfigError where there is none */
export function listCedarFiles(directory: string): string[] {
  return withConfigErrors(() => {
    if (!isDirectory(directory)) throw new Unreadable('there is no such directory', directory);
    const { files } = listFiles(directory, '.cedar');
    if (files.length === 0) throw new Unreadable('there is no *.cedar file here', directory);
    return [...files];
  });
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** A regular file and no more than so many bytes of it. @throws ConfigError */
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
    throw new ConfigError(
      `can't be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
      displayPath(path),
    );
  }
}

/** A path as messages name it. */
export function displayPath(path: string): string {
  const relativePath = relative(process.cwd(), path);
  return relativePath.startsWith('..') ? path : relativePath;
}
