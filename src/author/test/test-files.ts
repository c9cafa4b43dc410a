/** Finds the test files: those that the command line names, or all beside the policies and the SpiceDB schema. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { displayPath, listYamlFiles, readBoundedSource, type SourcePaths } from '../../config/files.js';
import { ConfigError } from '../../model/faults.js';
import { TEST_YAML } from './format.js';

export interface TestFiles {
  /** Files named `*_test.yaml`. */
  readonly suites: readonly string[];
  /** SpiceDB validation files. */
  readonly validations: readonly string[];
}

const SUITE_NAME = /_test\.ya?ml$/;
/** Usual names of files for `zed validate`. A file that the command line names may have any name, and those of a directory. */
const VALIDATION_NAME = /(_validation|\.zed)\.ya?ml$/;

/**
 * @param paths files or directories; empty for those below the policies and beside the SpiceDB schema
 * @throws ConfigError where a path doesn't exist, or no test file is found
 */
export function findTestFiles(paths: readonly string[], sources: SourcePaths): TestFiles {
  const files = paths.length === 0 ? testFilesBeside(sources) : expandPaths(paths);
  if (files.suites.length + files.validations.length === 0) {
    const where = paths.length === 0 ? displayPath(sources.policies) : paths.join(', ');
    throw new ConfigError('there is no *_test.yaml here', where);
  }
  return files;
}

/** The test files below the policies and beside the SpiceDB schema, if any. @throws ConfigError as {@link listYamlFiles} */
export function testFilesBeside({ policies, relationships }: SourcePaths): TestFiles {
  const files = listYamlFiles(policies);
  const schemaDirectory = dirname(relationships);
  const validations = existsSync(schemaDirectory)
    ? filesIn(schemaDirectory).filter((file) => VALIDATION_NAME.test(basename(file)))
    : [];
  return classifyFiles([...files, ...validations].filter(isTestFile));
}

function expandPaths(paths: readonly string[]): TestFiles {
  return classifyFiles(
    paths
      .map((path) => resolve(path))
      .flatMap((path) => {
        if (!existsSync(path)) throw new ConfigError('there is no such file or directory', displayPath(path));
        return statSync(path).isDirectory()
          ? listYamlFiles(path).filter((file) => isTestFile(file) || hasAssertions(file))
          : [path];
      }),
  );
}

/** Whether a file has the name of a test suite. */
export function isSuiteName(file: string): boolean {
  return SUITE_NAME.test(file);
}

function isTestFile(file: string): boolean {
  return isSuiteName(file) || VALIDATION_NAME.test(file);
}

/** Whether it is a validation file by its content: the members that no other file has stand at the beginning of lines. */
function hasAssertions(file: string): boolean {
  if (statSync(file).size > TEST_YAML.maxBytes) return false;
  const names = new Set(
    [
      ...readBoundedSource(file, TEST_YAML.maxBytes).text.matchAll(
        /^(schema|schemaFile|relationships|assertions|validation):/gm,
      ),
    ].map(([, name]) => name),
  );
  const hasSchema = names.has('schema') || names.has('schemaFile');
  return names.has('assertions') || names.has('validation') || (hasSchema && names.has('relationships'));
}

/** A file that isn't named like a suite is a validation file, whatever its name is. */
function classifyFiles(files: readonly string[]): TestFiles {
  const all = [...new Set(files)].sort();
  return {
    suites: all.filter(isSuiteName),
    validations: all.filter((file) => !isSuiteName(file)),
  };
}

function filesIn(directory: string): string[] {
  return readdirSync(directory).map((name) => join(directory, name));
}
