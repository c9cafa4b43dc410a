/**
 * Policy and schema files, with the world and the tests that they are checked by, at one moment. The reader thread reads
 * them.
 */
import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import { isSuiteName } from '../../author/test/test-files.js';
import { displayPath, listYamlFiles, readBoundedSources, readSources, type SourcePaths } from '../../config/files.js';
import { listFiles, Unreadable } from '../../config/read-directory.js';
import { readWorldSource } from '../../config/world.js';
import { ConfigError } from '../../model/faults.js';
import type { ApproverRules } from '../../govern/approvals/eligibility.js';
import type { RuleSources } from '../../policy/load.js';
import { sha256 } from '../../runtime/sha256.js';
import type { SourceFile } from '../../diagnostics/source.js';
import type { SuiteFile } from './candidate.js';

export interface WatchedPaths {
  readonly sources: SourcePaths;
  readonly world: string | undefined;
  /** The configuration says who may approve, also in tests. */
  readonly approverRules: ApproverRules;
}

/** The files that a set of policies is checked by. */
export interface CheckingFiles {
  readonly world: SourceFile | undefined;
  /** Every YAML file below the policies: test suites, and the worlds that these name. */
  readonly tests: readonly SourceFile[];
}

export interface FilesSnapshot {
  /** The start of the reading, in nanoseconds of the host's monotonic clock. */
  readonly readAt: bigint;
  readonly fingerprint: string;
  /** The names of the policies and of the YAML files beside them; undefined where they could not be listed. */
  readonly files: readonly string[] | undefined;
  readonly read: ({ readonly sources: RuleSources } & CheckingFiles) | { readonly refused: string };
}

/** Reads the files. Files that can not be read or are empty make a refused snapshot; only bugs are thrown. */
export function readSnapshot(paths: WatchedPaths): FilesSnapshot {
  const readAt = process.hrtime.bigint();
  try {
    const sources = readSources(paths.sources);
    const checking = readCheckingFiles(paths);
    return {
      readAt,
      fingerprint: fingerprintSources(sources, checking),
      files: [...sources.policies, ...checking.tests].map(({ name }) => name),
      read: { sources, ...checking },
    };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return createRefusedSnapshot(error.message, readAt, listFileNames(paths));
  }
}

/** The names of the files that are there, whether or not they can be read. */
function listFileNames({ sources: { policies } }: WatchedPaths): string[] | undefined {
  try {
    return [...listFiles(policies, '.cedar').files, ...listYamlFiles(policies)].map(displayPath);
  } catch (error) {
    if (error instanceof Unreadable || error instanceof ConfigError) return undefined;
    throw error;
  }
}

/** @throws ConfigError */
export function readCheckingFiles({ sources: { policies }, world }: WatchedPaths): CheckingFiles {
  return {
    world: world === undefined ? undefined : readWorldSource(world),
    tests: readBoundedSources(listYamlFiles(policies)),
  };
}

export function listSuites({ tests }: CheckingFiles): SuiteFile[] {
  return tests.filter(({ name }) => isSuiteName(name)).map(({ name, text }) => ({ name, sha256: sha256(text) }));
}

/** The snapshot of files that can not be read. */
export function createRefusedSnapshot(
  refused: string,
  readAt: bigint,
  files: readonly string[] | undefined,
): FilesSnapshot {
  return { readAt, fingerprint: `refused: ${refused}`, files, read: { refused } };
}

export function fingerprintSources(
  { relationships, actions, policies }: RuleSources,
  { world, tests }: CheckingFiles = { world: undefined, tests: [] },
): string {
  const hash = createHash('sha256');
  const rules = [relationships, ...actions, ...policies];
  for (const { name, text } of [...rules, ...(world === undefined ? [] : [world]), ...tests])
    hash.update(JSON.stringify([name, text.length])).update(text);
  return hash.digest('hex');
}

export interface LoadedFiles {
  /** Empty, so equal to none, where the world or the tests can't be read. */
  readonly fingerprint: string;
  readonly suites: readonly SuiteFile[];
}

/**
 * The files that a service was started with.
 * @param paths its world and tests are read as they are now
 */
export function readLoadedFiles(sources: RuleSources, paths: WatchedPaths): LoadedFiles {
  try {
    const checking = readCheckingFiles(paths);
    return { fingerprint: fingerprintSources(sources, checking), suites: listSuites(checking) };
  } catch (error) {
    if (error instanceof ConfigError) return { fingerprint: '', suites: [] };
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
