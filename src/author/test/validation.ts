/**
 * Runs the validation files of SpiceDB for `remit test`: assertions about relationships, and the relations by which subjects
 * have a permission.
 */
import { isDeepStrictEqual } from 'node:util';
import { readYaml } from '../../config/yaml.js';
import { errorAt, FindingsError, type Finding } from '../../diagnostics/diagnostics.js';
import { GraphSandbox, type Permissionship } from '../../graph/embedded/sandbox.js';
import { BadRequest } from '../../model/faults.js';
import type { Relationship } from '../../model/relationships.js';
import { GraphSchema } from '../../graph/schema/schema.js';
import { relationshipProblem } from '../../graph/schema/validate-relationship.js';
import type { OutcomeDifference } from './compare.js';
import { TEST_YAML } from './format.js';
import { Membership, MembershipError } from './membership.js';
import type { TestResult } from './result.js';
import { SuiteFindings } from './suite-findings.js';
import {
  ASSERTION_RESULTS,
  validationFileFormat,
  ValidationReader,
  type ExpectedMembers,
  type FileRelationship,
} from './validation-file.js';
import { readValidationSchema, type ValidationSchema } from './validation-schema.js';

/** The name of the case of a file that asserts nothing. */
const LOADED = 'the schema and the relationships fit';

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
  const reader = new ValidationReader(value, source, findings);
  const fileRelationships = reader.relationships();
  const assertions = reader.assertions();
  const expectations = reader.expectations();
  if (findings.all.length > 0) throw new FindingsError(findings.all);
  const schema = readValidationSchema(value, path, graph);
  const relationships = fileRelationships.map(({ relationship }) => relationship);
  const sandbox = await GraphSandbox.start(schema.text, relationships, schema.file, schema.formatPlace).catch(
    (error: unknown) => {
      if (!(error instanceof BadRequest)) throw error;
      const misfits = findMisfits(fileRelationships, schema);
      throw new FindingsError(
        misfits.length > 0 ? misfits : [errorAt('test-invalid', locate(['relationships']), error)],
      );
    },
  );
  try {
    const asserted = assertions.filter(({ kind, text: name }) => isSelected(source.name, kind, name));
    const expected = expectations.filter(({ key }) => isSelected(source.name, 'validation', key));
    const answers = await sandbox.check(asserted.map(({ assertion }) => assertion));
    const results = asserted.map(({ kind, text: name, path: at }, i): TestResult => {
      const answer = answers[i] ?? { refused: 'no answer' };
      const common = { place: locate(at), test: kind, name };
      if (typeof answer !== 'string')
        return { ...common, outcome: 'error', differences: [], because: [answer.refused] };
      return { ...common, ...passOrFail(findDifference('permission', ASSERTION_RESULTS[kind], answer)) };
    });
    const membership = expected.length === 0 ? undefined : createMembership(schema, relationships);
    if (membership !== undefined)
      for (const expectation of expected) {
        const common = { place: locate(expectation.path), test: 'validation', name: expectation.key };
        results.push({ ...common, ...checkExpectedMembers(expectation, membership) });
      }
    // SpiceDB took both, which is all that a file with no assertion says.
    if (assertions.length + expectations.length === 0 && isSelected(source.name, 'schema', LOADED))
      results.push({ place: locate([]), test: 'schema', name: LOADED, ...passOrFail([]) });
    return { file: source.name, results };
  } finally {
    sandbox.close();
  }
}

/** The relationships that the schema doesn't allow, as far as Remit can tell. */
function findMisfits(relationships: readonly FileRelationship[], { text, file }: ValidationSchema): Finding[] {
  const graph = GraphSchema.tryParse(text, file);
  if (!(graph instanceof GraphSchema)) return [];
  return relationships.flatMap(({ relationship, text: line, place }) => {
    const problem = relationshipProblem(relationship, graph);
    const { message, suggestion } = problem ?? {};
    return message === undefined
      ? []
      : [errorAt('test-invalid', place, { message: `"${line}" ${message}`, suggestion })];
  });
}

/** @throws ConfigError where SpiceDB can read the schema and Remit can't */
function createMembership({ text, file }: ValidationSchema, relationships: readonly Relationship[]): Membership {
  // eslint-disable-next-line no-restricted-syntax -- SpiceDB goes by the host's clock in these files
  return new Membership(GraphSchema.parse(text, file), relationships, new Date());
}

function checkExpectedMembers(
  { resource, permission, members }: ExpectedMembers,
  membership: Membership,
): Pick<TestResult, 'outcome' | 'differences' | 'because'> {
  try {
    const actual = membership.findMembers(resource.type, resource.id, permission);
    return passOrFail(findDifference('members', members, actual));
  } catch (error) {
    if (!(error instanceof MembershipError)) throw error;
    return { outcome: 'error', differences: [], because: [error.message] };
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
