/** Which files are run: those that are named, or all that stand beside the policies and the SpiceDB schema. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { shown, type SourcePaths } from '../config/files.js';
import { ConfigError } from '../model/faults.js';

export interface TestFiles {
  /** `*_test.yaml`. */
  readonly suites: readonly string[];
  /** SpiceDB validation files. */
  readonly validations: readonly string[];
}

const SUITE = /_test\.ya?ml$/;
/** The names by which `zed validate` files go; one that is named on the command line may have any. */
const VALIDATION = /(_validation|\.zed)\.ya?ml$/;

/**
 * @param paths files or directories; none: below the policies, and beside the SpiceDB schema
 * @throws ConfigError where a path isn't there, or nothing is found
 */
export function findTestFiles(paths: readonly string[], sources: SourcePaths): TestFiles {
  const suites = new Set<string>();
  const validations = new Set<string>();
  const take = (file: string): void => {
    if (SUITE.test(file)) suites.add(file);
    else if (VALIDATION.test(file)) validations.add(file);
  };
  for (const path of paths.map((p) => resolve(p))) {
    if (!existsSync(path)) throw new ConfigError('there is no such file or directory', shown(path));
    if (statSync(path).isDirectory()) below(path).forEach(take);
    else if (SUITE.test(path)) suites.add(path);
    else validations.add(path);
  }
  if (paths.length === 0) {
    if (existsSync(sources.policies)) below(sources.policies).forEach(take);
    const beside = dirname(sources.relationships);
    if (existsSync(beside))
      entries(beside)
        .filter((file) => VALIDATION.test(basename(file)))
        .forEach(take);
  }
  if (suites.size + validations.size === 0) {
    const where = paths.length === 0 ? shown(sources.policies) : paths.join(', ');
    throw new ConfigError('there is no *_test.yaml here', where);
  }
  return { suites: [...suites].sort(), validations: [...validations].sort() };
}

function below(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) => join(directory, name));
}

function entries(directory: string): string[] {
  return readdirSync(directory).map((name) => join(directory, name));
}
