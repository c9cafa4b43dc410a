/** Reads a test file into cases, one for each combination of each test, or reports every problem of the file. */
import { dirname, resolve } from 'node:path';
import { readYaml } from '../../config/yaml.js';
import type { Finding } from '../../diagnostics/diagnostics.js';
import type { ApproverRules } from '../../govern/approvals/eligibility.js';
import { ConfigError } from '../../model/faults.js';
import type { Rules } from '../../policy/load.js';
import { validateWorld, type LoadedWorld } from '../../config/world.js';
import type { Scene, TestCase, TestSuite } from './case.js';
import { resolveExpectations, resolveNames, type TestMatrix } from './expectations.js';
import { MAX_CASES, TEST_YAML, testFileFormat, type TestSpec, type TestFile } from './format.js';
import { TestNames } from './names.js';
import { SuiteFindings, type Path } from './suite-findings.js';
import { SceneBuilder } from './scenes.js';
import { StatedGrants } from './stated-grants.js';
import { StatedParties } from './stated-parties.js';
import { StatedProperties } from './stated-properties.js';

/** The rules and worlds that test files refer to. */
export interface SuiteContext {
  readonly rules: Rules;
  /**
   * @param path of a world file; undefined for the world of the configuration
   * @returns the same object each time
   * @throws ConfigError
   */
  readonly world: (path: string | undefined) => LoadedWorld;
  /** The configuration says who may approve. */
  readonly approverRules: ApproverRules;
}

/** @throws ConfigError where the file can't be read */
export function readSuite(
  path: string,
  context: SuiteContext,
): { readonly suite: TestSuite } | { readonly findings: readonly Finding[] } {
  const { value, file, locate, findings: yamlFindings } = readYaml(path, testFileFormat, TEST_YAML);
  if (value === undefined) return { findings: yamlFindings };
  const findings = new SuiteFindings(locate);
  const names = new TestNames(value, context.rules, findings);
  const { approverRules } = context;
  const world = readSuiteWorld(value, path, context, findings);
  const cases = world === undefined ? [] : buildCases(value, names, { world, approverRules }, context.rules, findings);
  return findings.all.length > 0 ? { findings: findings.all } : { suite: { file: file.name, cases } };
}

function readSuiteWorld(
  { world }: TestFile,
  path: string,
  context: SuiteContext,
  findings: SuiteFindings,
): LoadedWorld | undefined {
  const { file, line } = findings.locate(['world']);
  try {
    if (typeof world === 'object') return validateWorld(world, context.rules, `${file}:${line}`);
    return context.world(world === undefined ? undefined : resolve(dirname(path), world));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    findings.report(['world'], error.message);
    return undefined;
  }
}

function buildCases(
  file: TestFile,
  names: TestNames,
  surroundings: Pick<Scene, 'world' | 'approverRules'>,
  rules: Rules,
  findings: SuiteFindings,
): TestCase[] {
  const scenes = new SceneBuilder({ ...surroundings, now: new Date(file.now) }, rules, findings);
  const stated = new StatedProperties(file, rules, findings);
  const grants = new StatedGrants(surroundings.world, rules, findings);
  const parties = new StatedParties(surroundings.world, rules, findings);
  const cases: TestCase[] = [];
  const testNames = new Set<string>();
  for (const [i, test] of file.tests.entries()) {
    const at = ['tests', i];
    if (testNames.has(test.name)) findings.report([...at, 'name'], `"${test.name}" is the name of another test`);
    testNames.add(test.name);
    if (cases.length + countCombinations(test) > MAX_CASES) {
      findings.report(at, `there must be at most ${MAX_CASES} combinations`);
      break;
    }
    const scene = scenes.sceneFor(test, at);
    grants.check(test, at);
    const matrix = buildMatrix(test, at, names, rules, findings);
    parties.check(test, at, matrix.requesters);
    if (test.context !== undefined)
      stated.checkContext(
        [...at, 'context'],
        test.context,
        new Set(matrix.actions.map(({ name }) => name)),
        new Set(matrix.resources.map(({ type }) => type)),
      );
    const expectedFor = resolveExpectations(test, at, matrix, rules.policies, findings);
    for (const requester of matrix.requesters)
      for (const action of matrix.actions)
        for (const resource of matrix.resources)
          cases.push({
            test: test.name,
            requester,
            action,
            resource,
            context: test.context ?? {},
            supportedObligations: test.supported_obligations,
            approvals: test.approvals ?? [],
            scene,
            expected: expectedFor(requester, action, resource),
          });
  }
  return cases;
}

function buildMatrix(
  test: TestSpec,
  at: Path,
  names: TestNames,
  { vocabulary }: Rules,
  findings: SuiteFindings,
): TestMatrix {
  const requesters = resolveNames(
    test.who,
    [...at, 'who'],
    (text, path) => names.resolveRequester(text, path),
    findings,
  );
  const actions = resolveNames(
    test.actions,
    [...at, 'actions'],
    (text, path) => names.resolveAction(text, path),
    findings,
  );
  const resources = resolveNames(
    test.resources,
    [...at, 'resources'],
    (text, path) => names.resolveResource(text, path),
    findings,
  );
  for (const { name } of actions)
    for (const type of new Set(resources.map((r) => r.type)))
      if (vocabulary.typesByObject.has(type) && vocabulary.find(name, type) === undefined)
        findings.report([...at, 'actions'], `no action "${name}" applies to "${type}"`);
  return { requesters, actions, resources };
}

function countCombinations({ who: requesters, actions, resources }: TestSpec): number {
  return [requesters].flat().length * [actions].flat().length * [resources].flat().length;
}
