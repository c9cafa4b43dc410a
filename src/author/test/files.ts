/** Which files are run: those that are named, or all that stand beside the policies and the SpiceDB schema. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { shown, type SourcePaths } from '../../config/files.js';
import { ConfigError } from '../../model/faults.js';

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
  const found = paths.length === 0 ? testFilesBeside(sources) : named(paths);
  if (found.suites.length + found.validations.length === 0) {
    const where = paths.length === 0 ? shown(sources.policies) : paths.join(', ');
    throw new ConfigError('there is no *_test.yaml here', where);
  }
  return found;
}

/** Those below the policies, and beside the SpiceDB schema; there may be none. */
export function testFilesBeside({ policies, relationships }: SourcePaths): TestFiles {
  const files = existsSync(policies) ? below(policies) : [];
  const beside = dirname(relationships);
  const validations = existsSync(beside) ? entries(beside).filter((file) => VALIDATION.test(basename(file))) : [];
  return sorted([...files, ...validations].filter(isTestFile));
}

function named(paths: readonly string[]): TestFiles {
  return sorted(
    paths
      .map((path) => resolve(path))
      .flatMap((path) => {
        if (!existsSync(path)) throw new ConfigError('there is no such file or directory', shown(path));
        return statSync(path).isDirectory() ? below(path).filter(isTestFile) : [path];
      }),
  );
}

function isTestFile(file: string): boolean {
  return SUITE.test(file) || VALIDATION.test(file);
}

/** What isn't called a suite is a validation file, whatever it is called. */
function sorted(files: readonly string[]): TestFiles {
  const all = [...new Set(files)].sort();
  return { suites: all.filter((file) => SUITE.test(file)), validations: all.filter((file) => !SUITE.test(file)) };
}

function below(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) => join(directory, name));
}

function entries(directory: string): string[] {
  return readdirSync(directory).map((name) => join(directory, name));
}
