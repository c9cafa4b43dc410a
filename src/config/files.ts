/** Files that the operator wrote, read with errors that name the place. */
import { readFileSync, statSync } from 'node:fs';
import { relative } from 'node:path';
import { ConfigError } from '../model/faults.js';
import type { RuleSources } from '../policy/load.js';
import type { SourceFile } from '../diagnostics/source.js';
import { filesBelow, MAX_BYTES, readBounded, Unreadable } from './read-directory.js';

export interface SourcePaths {
  readonly relationships: string;
  readonly actions: readonly string[];
  readonly policies: string;
}

/** The files that the rules are made of; names in messages are relative to where the operator stands. @throws ConfigError */
export function readSources(paths: SourcePaths): RuleSources {
  let left = MAX_BYTES;
  const read = (path: string): SourceFile => {
    const file = boundedSource(path, left);
    left -= Buffer.byteLength(file.text);
    return file;
  };
  return {
    relationships: read(paths.relationships),
    actions: paths.actions.map(read),
    policies: cedarFiles(paths.policies).map(read),
  };
}

/** Every `*.cedar` below the directory, by the rules of {@link filesBelow}. @throws ConfigError where there is none */
export function cedarFiles(directory: string): string[] {
  return placed(() => {
    if (!isDirectory(directory)) throw new Unreadable('there is no such directory', directory);
    const { files } = filesBelow(directory, '.cedar');
    if (files.length === 0) throw new Unreadable('there is no *.cedar file here', directory);
    return [...files];
  });
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** A regular file and no more than so many bytes of it. @throws ConfigError */
export function boundedSource(path: string, limit = MAX_BYTES): SourceFile {
  return placed(() => ({ name: shown(path), text: readBounded(path, limit) }));
}

function placed<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof Unreadable) throw new ConfigError(error.message, shown(error.path));
    throw error;
  }
}

/** @throws ConfigError */
export function source(path: string): SourceFile {
  return { name: shown(path), text: readText(path) };
}

export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(`can't be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`, shown(path));
  }
}

/** A path as messages name it. */
export function shown(path: string): string {
  const near = relative(process.cwd(), path);
  return near.startsWith('..') ? path : near;
}
