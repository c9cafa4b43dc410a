/** Runs tests from a configuration to a report. Where tests are watched, the environment is kept for the next run. */
import type { Config } from '../../config/config.js';
import { displayPath, readSources } from '../../config/files.js';
import type { GraphSchema } from '../../graph/schema/schema.js';
import { ConfigError } from '../../model/faults.js';
import { loadRules, type Rules } from '../../policy/load.js';
import { readWorldFile, type LoadedWorld } from '../../config/world.js';
import { readWorldWarnings } from '../check/world-warnings.js';
import { combinationText, type TestCase, type TestSuite } from './case.js';
import { measureCoverage, type TestCoverage } from './coverage.js';
import { findTestFiles } from './test-files.js';
import { MAX_CASES } from './format.js';
import { TestEnvironment } from './environment.js';
import { errorAt, FindingsError, formatProblem, type Finding } from '../../diagnostics/diagnostics.js';
import { toTestResult, type TestResult } from './result.js';
import { runCases, type CaseResult } from './run.js';
import { readSuite, type SuiteContext } from './suite.js';
import { runValidationFile } from './validation.js';

export interface TestSelection {
  /** Files and directories; empty for all test files beside the policies. */
  readonly paths: readonly string[];
  /** A text in the name of the file, the test or the case; other cases aren't run. */
  readonly filter?: string | undefined;
}

export interface FileReport {
  readonly file: string;
  readonly results: readonly TestResult[];
  /** Whether the file has errors, of which the results tell. */
  readonly isUnusable?: true;
}

export interface TestReport {
  readonly files: readonly FileReport[];
  /** undefined where no case was run that policies decide. */
  readonly coverage: TestCoverage | undefined;
  /** The agents and users that the tests' worlds name in relationships alone. */
  readonly warnings: readonly Finding[];
  readonly milliseconds: number;
}

export class TestSession {
  private environment: TestEnvironment | undefined;

  /**
   * @throws ConfigError where the configuration or its files have errors
   * @throws FindingsError where test files have errors
   * @throws Fault where SpiceDB doesn't start
   */
  async run(config: Config, selection: TestSelection): Promise<TestReport> {
    const startedAt = performance.now();
    const rules = loadRules(readSources(config.sources));
    const testFiles = findTestFiles(selection.paths, config.sources);
    const readWorld = cachedWorldReader(config.world, rules);
    const worldPaths = new Set<string>();
    const world: SuiteContext['world'] = (path = config.world) => {
      if (path !== undefined) worldPaths.add(path);
      return readWorld(path);
    };
    const suites = readSuites(testFiles.suites, { rules, world, approverRules: config.approvals });
    const isSelected = nameFilter(selection.filter);
    const selectedSuites = suites.map(({ file, cases }) => ({
      file,
      cases: cases.filter((c) => isSelected(file, c.test, combinationText(c))),
    }));
    const results = await this.runSelected(
      selectedSuites.flatMap(({ cases }) => cases),
      rules,
    );
    const byCase = new Map(results.map((t) => [t.case, t]));
    const files: FileReport[] = selectedSuites.map(({ file, cases }) => ({
      file,
      results: cases.flatMap((testCase) => byCase.get(testCase) ?? []).map((t) => toTestResult(t, rules)),
    }));
    files.push(...(await runValidationFiles(testFiles.validations, rules.graph, isSelected)));
    const coverage = results.length === 0 ? undefined : measureCoverage(rules, results);
    const warnings = [...worldPaths].flatMap((path) => readWorldWarnings(path, rules));
    return { files, coverage, warnings, milliseconds: performance.now() - startedAt };
  }

  async close(): Promise<void> {
    await this.environment?.close();
  }

  private async runSelected(cases: readonly TestCase[], rules: Rules): Promise<readonly CaseResult[]> {
    if (cases.length === 0) return [];
    if (this.environment?.fits(rules) === false) {
      await this.environment.close();
      this.environment = undefined;
    }
    this.environment ??= await TestEnvironment.start(rules.graph);
    return runCases(cases, rules, this.environment);
  }
}

/** A file that can't be used is reported beside the others. @throws Fault where SpiceDB doesn't start */
async function runValidationFiles(
  paths: readonly string[],
  graph: GraphSchema,
  isSelected: (...names: readonly string[]) => boolean,
): Promise<FileReport[]> {
  const reports: FileReport[] = [];
  for (const path of paths) {
    try {
      reports.push(await runValidationFile(path, graph, isSelected));
    } catch (error) {
      const start = { file: displayPath(path), line: 1, column: 1 };
      if (error instanceof ConfigError) reports.push(reportUnusable(path, [errorAt('test-invalid', start, error)]));
      else if (error instanceof FindingsError) reports.push(reportUnusable(path, error.findings));
      else throw error;
    }
  }
  return reports;
}

function reportUnusable(path: string, findings: readonly Finding[]): FileReport {
  const results = findings.map((finding): TestResult => {
    const common = { place: finding, test: 'file', name: 'can be used', differences: [] };
    return { ...common, outcome: 'error', because: [formatProblem(finding)] };
  });
  return { file: displayPath(path), results, isUnusable: true };
}

/** @throws FindingsError with the problems of all files */
export function readSuites(paths: readonly string[], context: SuiteContext): TestSuite[] {
  const suiteReadings = paths.map((path) => readSuite(path, context));
  const findings = suiteReadings.flatMap((reading) => ('findings' in reading ? reading.findings : []));
  if (findings.length > 0) throw new FindingsError(findings);
  const suites = suiteReadings.flatMap((reading) => ('suite' in reading ? reading.suite : []));
  if (suites.reduce((sum, { cases }) => sum + cases.length, 0) > MAX_CASES)
    throw new ConfigError(`there are more than ${MAX_CASES} cases: run fewer files at a time`);
  return suites;
}

/** Reads each world file once, so that tests share it. @param defaultPath the world of the configuration */
export function cachedWorldReader(defaultPath: string | undefined, rules: Rules): SuiteContext['world'] {
  const worldsByPath = new Map<string, LoadedWorld>();
  return (path = defaultPath) => {
    if (path === undefined) return EMPTY_WORLD;
    const world = worldsByPath.get(path) ?? readWorldFile(path, rules);
    worldsByPath.set(path, world);
    return world;
  };
}

const EMPTY_WORLD: LoadedWorld = { relationships: [], entities: [] };

function nameFilter(filter: string | undefined): (...names: readonly string[]) => boolean {
  const text = filter?.toLowerCase();
  return text === undefined ? () => true : (...names) => names.join(' › ').toLowerCase().includes(text);
}
