/** `remit test`: the tests that authors write of their policies, run against the engines that decide. */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { loadConfig } from '../config/config.js';
import { createWriteError } from '../config/files.js';
import { FindingsError, formatProblem, type Finding } from '../diagnostics/diagnostics.js';
import { toJunitXml } from '../author/test/junit.js';
import { allResults, testReportJson, testReportText, summarizeResults } from '../author/test/report.js';
import { TestSession, type TestReport } from '../author/test/session.js';
import { defineCommand } from './command/define-command.js';
import { CONFIG_OPTION, wholeNumber } from './command/option-values.js';
import { printFindings } from './print/findings.js';
import { escapeForTerminal, printJson } from './print/terminal.js';
import { watchAndRun } from './test-watch.js';
import { UsageError } from './command/usage-error.js';

export const testCommand = defineCommand({
  name: 'test',
  description: `
    Runs the tests of the policies: every *_test.yaml below the policies (or the files and directories that are named),
    by the engines that decide in a service, on worlds, tokens and a clock of the tests' own. SpiceDB's validation files
    (*.zed.yaml, *_validation.yaml, any that is named, and those in a directory that is named) run as well. docs/guide/testing.md describes the format.`,
  rest: { name: 'PATHS', description: 'test files, or directories of such (default: below the policies)' },
  options: {
    config: CONFIG_OPTION,
    filter: {
      value: 'TEXT',
      description: "runs the cases that have this in their file's name, their test's or their own",
    },
    'min-coverage': {
      value: 'N',
      description:
        'exits with 1 where fewer than N percent of the policies are shown to decide and, if they have a condition, not to',
      parse: wholeNumber(0, 100),
    },
    watch: { description: 'runs again whenever a file changes, until it is interrupted' },
    json: { description: 'prints the report as data' },
    junit: { value: 'FILE', description: "writes the report as JUnit's XML as well" },
  },
  exitCodes: {
    0: 'all is as expected',
    1: 'something is not, the coverage is too low, or no case was run',
    2: "a test file, a policy or the configuration can't be used",
  },
  examples: ['remit test', 'remit test --filter payroll --watch', 'remit test --min-coverage 90 --junit report.xml'],
  run: async ({ rest, options }) => {
    const { filter, junit } = options;
    const minCoverage = options['min-coverage'];
    if (minCoverage !== undefined && filter !== undefined)
      throw new UsageError('--min-coverage counts all tests, so it does not go with --filter');
    if (options.watch && options.json) throw new UsageError('--watch prints for people, so it does not go with --json');
    const session = new TestSession();
    const runOnce = async (): Promise<number> => {
      try {
        const report = await session.run(loadConfig(options.config), { paths: rest, filter });
        if (junit !== undefined) writeJunitFile(junit, toJunitXml(report));
        if (options.json) printJson(testReportJson(report));
        else process.stdout.write(testReportText(report, escapeForTerminal));
        return exitCodeOf(report, minCoverage);
      } catch (error) {
        if (!(error instanceof FindingsError)) throw error;
        if (options.json) printJson({ problems: error.findings.map(toProblemJson) });
        printFindings(error.findings);
        return 2;
      }
    };
    try {
      return options.watch ? await watchAndRun(runOnce, () => loadConfig(options.config), rest) : await runOnce();
    } finally {
      await session.close();
    }
  },
});

/** Says on standard error why the code isn't 0, where no case does. */
function exitCodeOf(report: TestReport, minCoverage = 0): number {
  const { cases, passed } = summarizeResults(allResults(report));
  const percent = report.coverage?.percent ?? 0;
  if (percent < minCoverage)
    process.stderr.write(`remit: coverage is ${percent} %, and ${minCoverage} % is asked for\n`);
  if (cases === 0) process.stderr.write('remit: no case was run\n');
  if (report.files.some(({ isUnusable }) => isUnusable === true)) return 2;
  return passed === cases && cases > 0 && percent >= minCoverage ? 0 : 1;
}

/** @throws ConfigError */
function writeJunitFile(file: string, text: string): void {
  const path = resolve(file);
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw createWriteError(error, path);
  }
}

/** A problem as `--json` has it: its place, and the message with the suggestion. */
function toProblemJson(finding: Finding): object {
  const { file, line, column } = finding;
  return { file, line, column, message: formatProblem(finding) };
}
