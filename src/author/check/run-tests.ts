/**
 * Runs the tests beside the policies, for `remit check` and for a service that is to take the policies: tests that fail or
 * can't be run are errors, and permits that no test covers are told.
 */
import { readBoundedSource, type SourcePaths } from '../../config/files.js';
import type { ApproverRules } from '../../govern/approvals/eligibility.js';
import { errorAt, FindingsError, type Finding } from '../../diagnostics/diagnostics.js';
import type { Rules } from '../../policy/load.js';
import type { SourceFile } from '../../diagnostics/source.js';
import { measureCoverage } from '../test/coverage.js';
import { testFilesBeside } from '../test/test-files.js';
import { TestEnvironment } from '../test/environment.js';
import { differenceText } from '../test/report.js';
import { toTestResult, type TestResult } from '../test/result.js';
import { runCases } from '../test/run.js';
import { readSuites, cachedWorldReader } from '../test/session.js';

export interface TestFindings {
  readonly files: readonly SourceFile[];
  readonly findings: readonly Finding[];
  /**
   * Kinds of questions that a policy's scope takes and that no test shows it deciding, by the policy's id; undefined
   * where no tests were run.
   */
  readonly unseen: ReadonlyMap<string, readonly string[]> | undefined;
}

/** The part of a configuration that tests are run by. */
export interface TestedPaths {
  readonly sources: SourcePaths;
  /** Path of the configuration's world. */
  readonly world: string | undefined;
  readonly approverRules: ApproverRules;
}

/**
 * Runs every test suite that belongs to the policies.
 * @throws ConfigError where a file is too large
 * @throws Fault where SpiceDB doesn't start
 */
export async function runTests({ sources, world, approverRules }: TestedPaths, rules: Rules): Promise<TestFindings> {
  const { suites: paths } = testFilesBeside(sources);
  if (paths.length === 0) return { files: [], findings: [], unseen: undefined };
  const files = paths.map((path) => readBoundedSource(path));
  try {
    const cases = readSuites(paths, { rules, approverRules, world: cachedWorldReader(world, rules) }).flatMap(
      (suite) => suite.cases,
    );
    const environment = await TestEnvironment.start(rules.graph);
    try {
      const results = await runCases(cases, rules, environment);
      return {
        files,
        findings: results.flatMap((result) => failureFindings(toTestResult(result, rules))),
        unseen: new Map(measureCoverage(rules, results).policies.map(({ id, unseen }) => [id, unseen])),
      };
    } finally {
      await environment.close();
    }
  } catch (error) {
    if (!(error instanceof FindingsError)) throw error;
    return { files, findings: error.findings, unseen: undefined };
  }
}

function failureFindings({ outcome, place, test, name, differences, because }: TestResult): Finding[] {
  if (outcome === 'passed') return [];
  const details = outcome === 'failed' ? differences.map(differenceText) : because;
  return [errorAt('test-failed', place, { message: `${test} › ${name}: ${details.join('; ')}` })];
}
