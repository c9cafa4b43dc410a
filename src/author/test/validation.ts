/**
 * Runs the validation files of SpiceDB for `remit test`: assertions about relationships, and the relations by which subjects
 * have a permission.
 */
import { dirname, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { displayPath, readBoundedSource, requireKind } from '../../config/files.js';
import { readYaml } from '../../config/yaml.js';
import { errorAt, FindingsError } from '../../diagnostics/diagnostics.js';
import { GraphSandbox, type Permissionship } from '../../graph/embedded/sandbox.js';
import { BadRequest, ConfigError } from '../../model/faults.js';
import type { GraphSchema } from '../../graph/schema/schema.js';
import type { OutcomeDifference } from './compare.js';
import { TEST_YAML } from './format.js';
import type { TestResult } from './result.js';
import { SuiteFindings } from './suite-findings.js';
import {
  ASSERTION_RESULTS,
  memberText,
  validationFileFormat,
  ValidationReader,
  type ValidationFile,
} from './validation-file.js';

/**
 * @param graph the schema of the configuration, for a file that names none
 * @param isSelected whether the case of that file, test and name is to be run
 * @throws ConfigError where the file or its schema can't be read
 * @throws FindingsError where the file has errors
 * @throws Fault where SpiceDB doesn't start
 */
export async function runValidationFile(
  path: string,
  graph: GraphSchema,
  isSelected: (...names: readonly string[]) => boolean,
): Promise<{ readonly file: string; readonly results: readonly TestResult[] }> {
  const { value, file: source, locate, findings: yamlFindings } = readYaml(path, validationFileFormat, TEST_YAML);
  if (value === undefined) throw new FindingsError(yamlFindings);
  const findings = new SuiteFindings(locate);
  const reader = new ValidationReader(value, findings);
  const relationships = reader.relationships();
  const assertions = reader.assertions();
  const expectations = reader.expectations();
  if (findings.all.length > 0) throw new FindingsError(findings.all);
  const { text, file } = resolveSchema(value, path, graph);
  const membership = await GraphSandbox.start(text, relationships, file).catch((error: unknown) => {
    if (error instanceof BadRequest)
      throw new FindingsError([errorAt('test-invalid', locate(['relationships']), error)]);
    throw error;
  });
  try {
    const asserted = assertions.filter(({ kind, text: name }) => isSelected(source.name, kind, name));
    const expected = expectations.filter(({ key }) => isSelected(source.name, 'validation', key));
    const answers = await membership.check(asserted.map(({ assertion }) => assertion));
    const results = asserted.map(({ kind, text: name, path: at }, i): TestResult => {
      const answer = answers[i] ?? { refused: 'no answer' };
      const common = { place: locate(at), test: kind, name };
      if (typeof answer !== 'string')
        return { ...common, outcome: 'error', differences: [], because: [answer.refused] };
      return { ...common, ...passOrFail(findDifference('permission', ASSERTION_RESULTS[kind], answer)) };
    });
    for (const { key, resource, permission, members, path: at } of expected) {
      const common = { place: locate(at), test: 'validation', name: key };
      try {
        const actual = (await membership.findHolders(resource, permission)).map(memberText).sort();
        results.push({ ...common, ...passOrFail(findDifference('members', members, actual)) });
      } catch (error) {
        if (!(error instanceof BadRequest)) throw error;
        results.push({ ...common, outcome: 'error', differences: [], because: [error.message] });
      }
    }
    return { file: source.name, results };
  } finally {
    membership.close();
  }
}

function passOrFail(
  differences: readonly OutcomeDifference[],
): Pick<TestResult, 'outcome' | 'differences' | 'because'> {
  return { outcome: differences.length === 0 ? 'passed' : 'failed', differences, because: [] };
}

function findDifference(
  aspect: 'permission' | 'members',
  expected: Permissionship | readonly string[],
  actual: Permissionship | readonly string[],
): OutcomeDifference[] {
  return isDeepStrictEqual(expected, actual) ? [] : [{ what: aspect, expected, actual }];
}

/** The schema that the file has or names; otherwise the one of the configuration. @throws ConfigError */
function resolveSchema(
  { schema, schemaFile }: ValidationFile,
  path: string,
  graph: GraphSchema,
): { text: string; file: string } {
  if (schema !== undefined && schemaFile !== undefined)
    throw new ConfigError('the file has both "schema" and "schemaFile", and may have only one', displayPath(path));
  if (schema !== undefined) return { text: schema, file: `${displayPath(path)} (schema)` };
  if (schemaFile === undefined) return { text: graph.text, file: graph.file };
  const file = resolve(dirname(path), schemaFile);
  return { text: readBoundedSource(requireKind(file, 'a SpiceDB schema')).text, file: displayPath(file) };
}
