/** Opens one side of a comparison: a configuration file, a directory with one, or either in a revision of git. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readConfiguration } from '../check/configuration.js';
import { readSources, displayPath, type SourcePaths } from '../../config/files.js';
import { ConfigError } from '../../model/faults.js';
import { assertNoErrors, FindingsError, type SourceLocation } from '../../diagnostics/diagnostics.js';
import { loadRules, type Rules, type RuleSources } from '../../policy/load.js';
import type { TestCase } from '../test/case.js';
import { testFilesBeside } from '../test/test-files.js';
import { NO_APPROVER_RULES } from '../../govern/approvals/eligibility.js';
import { readSuites, cachedWorldReader } from '../test/session.js';
import type { SuiteContext } from '../test/suite.js';
import { checkOut } from './git-revision.js';

export interface DiffSide {
  /** The argument on the command line. */
  readonly name: string;
  readonly rules: Rules;
  /**
   * Reads the cases of its tests.
   * @throws ConfigError, FindingsError
   */
  readonly cases: () => readonly TestCase[];
  readonly close: () => void;
}

/** `revision:path`. A file whose name has a colon is not taken for one. */
const REVISION_PATH = /^(?<revision>[^:]+):(?<path>.*)$/s;

/**
 * @param schemas the sources whose schemas go with a directory that has policies and no configuration; undefined where such
 * a directory isn't taken
 * @throws ConfigError naming the file that can't be read, or has an error
 */
export function openSide(name: string, schemas?: SourcePaths): DiffSide {
  const parts = existsSync(name) ? undefined : REVISION_PATH.exec(name)?.groups;
  if (parts === undefined) {
    const path = resolve(name);
    if (schemas !== undefined && isPolicyDirectory(path)) return openPolicies(name, { ...schemas, policies: path });
    return loadSide(
      name,
      findConfiguration(path),
      (text) => text,
      () => undefined,
    );
  }
  const { revision = '', path = '' } = parts;
  const { directory, close } = checkOut(revision, path);
  // Errors name places in the revision, and not those in the temporary directory.
  const renamePath: PathRenamer = (text) =>
    text.replaceAll(`${displayPath(directory)}/`, `${revision}:`).replaceAll(`${directory}/`, `${revision}:`);
  try {
    return loadSide(name, findConfiguration(join(directory, path)), renamePath, close);
  } catch (error) {
    close();
    if (error instanceof ConfigError) throw new ConfigError(renamePath(error.message));
    throw error;
  }
}

function openPolicies(name: string, sources: SourcePaths): DiffSide {
  const rules = loadRules(readSources(sources));
  return {
    name,
    rules,
    cases: () => readSideCases(sources, { rules, world: undefined, approverRules: NO_APPROVER_RULES }, (text) => text),
    close: () => undefined,
  };
}

function loadSide(name: string, file: string, renamePath: PathRenamer, close: () => void): DiffSide {
  const { sources, world, findings, approverRules } = readConfiguration(file);
  if (sources === undefined) {
    assertNoErrors(findings);
    throw new ConfigError('the configuration names no schema and no policies', displayPath(file));
  }
  const rules = loadRules(renameSources(readSources(sources), renamePath));
  return { name, rules, cases: () => readSideCases(sources, { rules, world, approverRules }, renamePath), close };
}

function readSideCases(
  sources: SourcePaths,
  { world, ...context }: Omit<SuiteContext, 'world'> & { readonly world: string | undefined },
  renamePath: PathRenamer,
): readonly TestCase[] {
  try {
    const suites = readSuites(testFilesBeside(sources).suites, {
      ...context,
      world: cachedWorldReader(world, context.rules),
    });
    return suites
      .flatMap(({ cases }) => cases)
      .map(({ expected, ...testCase }) => ({
        ...testCase,
        expected: { ...expected, place: renamePlace(expected.place, renamePath) },
      }));
  } catch (error) {
    if (error instanceof FindingsError)
      throw new FindingsError(error.findings.map((finding) => renamePlace(finding, renamePath)));
    if (error instanceof ConfigError) throw new ConfigError(renamePath(error.message));
    throw error;
  }
}

function renamePlace<T extends SourceLocation>(place: T, renamePath: PathRenamer): T {
  return { ...place, file: renamePath(place.file) };
}

function renameSources(sources: RuleSources, renamePath: PathRenamer): RuleSources {
  const { relationships, actions, policies } = sources;
  const rename = (file: RuleSources['relationships']): RuleSources['relationships'] => ({
    ...file,
    name: renamePath(file.name),
  });
  return {
    ...sources,
    relationships: rename(relationships),
    actions: actions.map(rename),
    policies: policies.map(rename),
  };
}

/** Replaces temporary paths in a text by those of the revision. */
type PathRenamer = (text: string) => string;

const CONFIGURATION_NAME = /(^|\.)remit\.ya?ml$/;

/**
 * @param path a configuration file, or a directory with one
 * @throws ConfigError where there is no configuration, or there are several
 */
function findConfiguration(path: string): string {
  const state = statSync(path, { throwIfNoEntry: false });
  if (state === undefined) throw new ConfigError('there is no such file or directory', displayPath(path));
  if (!state.isDirectory()) return path;
  const files = listConfigurations(path);
  const configuration =
    files.find((file) => /^remit\.ya?ml$/.test(file)) ?? (files.length === 1 ? files[0] : undefined);
  if (configuration !== undefined) return join(path, configuration);
  if (files.length > 0) throw new ConfigError(`name one of ${files.join(', ')}`, displayPath(path));
  const message = 'there is no remit.yaml here';
  throw new ConfigError(
    isPolicyDirectory(path) ? `${message}: name the configuration that has these policies` : message,
    displayPath(path),
  );
}

function listConfigurations(directory: string): string[] {
  return readdirSync(directory)
    .filter((file) => CONFIGURATION_NAME.test(file))
    .sort();
}

/** Whether it is a directory that has policies, and no configuration that says where they are. */
function isPolicyDirectory(path: string): boolean {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true || listConfigurations(path).length > 0)
    return false;
  return readdirSync(path, { recursive: true, encoding: 'utf8' }).some((file) => file.endsWith('.cedar'));
}
