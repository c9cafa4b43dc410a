/** The rules' files, and what is checked with them, at one moment. */
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

/** Plain data. */
export interface FilesSnapshot {
  readonly fingerprint: string;
  readonly read:
    { readonly sources: RuleSources; readonly world: SourceFile | undefined } | { readonly refused: string };
}

/** Never throws for what the files are: that they can't be read is what they are. */
export function readSnapshot({ sources: paths, world: path }: WatchedPaths): FilesSnapshot {
  try {
    const sources = readSources(paths);
    // A file that is being written is empty first, and without its policies the rest may well be valid.
    const empty = sources.policies.find(({ text }) => text === '');
    if (empty !== undefined) return createRefusedSnapshot(`${empty.name}: is empty`);
    const world = path === undefined ? undefined : readBoundedSource(path);
    return { fingerprint: fingerprintSources(sources, world), read: { sources, world } };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return createRefusedSnapshot(error.message);
  }
}

/** In place of files that can't be read. */
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

/** Of what a service has begun with. @param world its path; as it is now, and where it can't be read nothing is known */
export function fingerprintLoaded(sources: RuleSources, world: string | undefined): string {
  try {
    return fingerprintSources(sources, world === undefined ? undefined : readBoundedSource(world));
  } catch (error) {
    if (error instanceof ConfigError) return '';
    throw error;
  }
}

/** Where a change can happen: directories, since many editors put a new file in the place of the old one. */
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
