/** The tests beside the policies, as checking needs them: what they show of each policy, and what keeps them from being run. */
import { readBoundedSource, type SourcePaths } from '../../config/files.js';
import { FindingsError, type Finding } from '../../diagnostics/diagnostics.js';
import type { Rules } from '../../policy/load.js';
import type { SourceFile } from '../../diagnostics/source.js';
import { measureCoverage } from '../test/coverage.js';
import { testFilesBeside } from '../test/test-files.js';
import { TestEnvironment } from '../test/environment.js';
import { runCases } from '../test/run.js';
import { readSuites, cachedWorldReader } from '../test/session.js';

export interface TestFindings {
  readonly files: readonly SourceFile[];
  readonly findings: readonly Finding[];
  /**
   * Of each policy by its id, the kinds of questions that its scope takes without any test showing it decide; undefined
   * where no tests were run.
   */
  readonly unseen: ReadonlyMap<string, readonly string[]> | undefined;
}

/**
 * Runs them, whatever they expect: that is for `remit test` to hold.
 * @param world the configuration's
 * @throws ConfigError where one is too large; Fault where SpiceDB doesn't start
 */
export async function runTests(sources: SourcePaths, world: string | undefined, rules: Rules): Promise<TestFindings> {
  const { suites: paths } = testFilesBeside(sources);
  if (paths.length === 0) return { files: [], findings: [], unseen: undefined };
  const files = paths.map((path) => readBoundedSource(path));
  try {
    const cases = readSuites(paths, { rules, world: cachedWorldReader(world, rules) }).flatMap((suite) => suite.cases);
    const environment = await TestEnvironment.start(rules.graph);
    try {
      const { policies } = measureCoverage(rules, await runCases(cases, rules, environment));
      return { files, findings: [], unseen: new Map(policies.map(({ id, unseen }) => [id, unseen])) };
    } finally {
      await environment.close();
    }
  } catch (error) {
    if (!(error instanceof FindingsError)) throw error;
    return { files, findings: error.findings, unseen: undefined };
  }
}
