/** Policy and schema files, and the world that is checked with them, at one moment. The reader thread reads them. */
import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { readBoundedSource, readSources, type SourcePaths } from '../../config/files.js';
import { listFiles, Unreadable } from '../../config/read-directory.js';
import { ConfigError } from '../../model/faults.js';
import type { RuleSources } from '../../policy/load.js';
import type { SourceFile } from '../../diagnostics/source.js';

export interface WatchedPaths {
  readonly sources: SourcePaths;
  readonly world: string | undefined;
}

export interface FilesSnapshot {
  readonly fingerprint: string;
  readonly read:
    { readonly sources: RuleSources; readonly world: SourceFile | undefined } | { readonly refused: string };
}

/** Reads the files. Files that can not be read or are empty make a refused snapshot; only bugs are thrown. */
export function readSnapshot({ sources: paths, world: path }: WatchedPaths): FilesSnapshot {
  try {
    const sources = readSources(paths);
    // A file that is being written is empty at first, and without its policies the rest may be valid.
    const empty = sources.policies.find(({ text }) => text === '');
    if (empty !== undefined) return createRefusedSnapshot(`${empty.name}: is empty`);
    const world = path === undefined ? undefined : readBoundedSource(path);
    return { fingerprint: fingerprintSources(sources, world), read: { sources, world } };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return createRefusedSnapshot(error.message);
  }
}

/** The snapshot of files that can not be read. */
export function createRefusedSnapshot(refused: string): FilesSnapshot {
  return { fingerprint: `refused: ${refused}`, read: { refused } };
}

export function fingerprintSources(
  { relationships, actions, policies }: RuleSources,
  world: SourceFile | undefined,
): string {
  const hash = createHash('sha256');
  for (const { name, text } of [relationships, ...actions, ...policies, ...(world === undefined ? [] : [world])])
    hash.update(JSON.stringify([name, text.length])).update(text);
  return hash.digest('hex');
}

/**
 * The fingerprint of the files that a service has loaded; empty, so equal to none, where the world can't be read.
 * @param world its path; it is read as it is now
 */
export function fingerprintLoaded(sources: RuleSources, world: string | undefined): string {
  try {
    return fingerprintSources(sources, world === undefined ? undefined : readBoundedSource(world));
  } catch (error) {
    if (error instanceof ConfigError) return '';
    throw error;
  }
}

/** The directories of all files: many editors replace a file rather than write to it, which only its directory shows. */
export function listWatchedDirectories({ sources, world }: WatchedPaths): string[] {
  const single = [sources.relationships, ...sources.actions, ...(world === undefined ? [] : [world])];
  return [...new Set([...single.map((path) => dirname(path)), ...listPolicyDirectories(sources.policies)])];
}

function listPolicyDirectories(directory: string): readonly string[] {
  try {
    return listFiles(directory, '.cedar').directories;
  } catch (error) {
    if (error instanceof Unreadable) return [directory];
    throw error;
  }
}
