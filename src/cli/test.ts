/** `remit test`: what the policies' authors expect of them, and what is decided. */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { loadConfig } from '../config/config.js';
import { displayPath } from '../config/files.js';
import { ConfigError } from '../model/faults.js';
import { toJunitXml } from '../author/test/junit.js';
import { FindingsError, formatFinding, formatProblem, type Finding } from '../diagnostics/diagnostics.js';
import { allResults, testReportJson, testReportText, summarizeResults } from '../author/test/report.js';
import { TestSession, type TestReport, type TestSelection } from '../author/test/session.js';
import { escapeForTerminal, readOptions, UsageError, type Command } from './command.js';
import { watchAndRun } from './test-watch.js';

const HELP = `
Usage: remit test [PATHS…] [options]

Runs the tests of the policies: every *_test.yaml below the policies (or the files and directories that are named), with
the engines that decide in a service, on worlds, tokens and a clock of the tests' own. SpiceDB's validation files
(*.zed.yaml, *_validation.yaml, or any that is named) run as well. docs/guide/testing.md describes the format.

  --config FILE      the configuration (default: REMIT_CONFIG, or the sample's)
  --filter TEXT      only cases with this in their file's name, their test's or their own
  --min-coverage N   fails below N percent: of all policies, how many are shown to decide, and not to where they have
                     a condition
  --watch            runs again whenever a file changes, until it is interrupted
  --json             prints the report as data
  --junit FILE       writes the report as JUnit's XML as well

Exit code 0 where all is as expected, 1 where something isn't or the coverage is too low, 2 for a test file, a policy or
a configuration that can't be used.
`;

export const testCommand: Command = {
  help: HELP,
  run: async (args) => {
    const { values, positionals } = readOptions(args, {
      config: { type: 'string' },
      filter: { type: 'string' },
      'min-coverage': { type: 'string' },
      watch: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      junit: { type: 'string' },
    });
    const minCoverage = parsePercent(values['min-coverage']);
    if (minCoverage !== undefined && values.filter !== undefined)
      throw new UsageError('--min-coverage counts all tests, so it does not go with --filter');
    if (values.watch && values.json) throw new UsageError('--watch prints for people, so it does not go with --json');
    const selection: TestSelection = { paths: positionals, filter: values.filter };
    const session = new TestSession();
    const runOnce = async (): Promise<number> => {
      try {
        const report = await session.run(loadConfig(values.config), selection);
        if (values.junit !== undefined) writeJunitFile(values.junit, toJunitXml(report));
        process.stdout.write(
          values.json
            ? `${JSON.stringify(testReportJson(report), undefined, 2)}\n`
            : testReportText(report, escapeForTerminal),
        );
        return exitCodeOf(report, minCoverage);
      } catch (error) {
        if (!(error instanceof FindingsError)) throw error;
        printFindings(error.findings, values.json);
        return 2;
      }
    };
    try {
      return values.watch ? await watchAndRun(runOnce, () => loadConfig(values.config), positionals) : await runOnce();
    } finally {
      await session.close();
    }
  },
};

function exitCodeOf(report: TestReport, minCoverage = 0): number {
  const { cases, passed } = summarizeResults(allResults(report));
  const percent = report.coverage?.percent ?? 0;
  if (percent < minCoverage)
    process.stderr.write(`remit: coverage is ${percent} %, and ${minCoverage} % is asked for\n`);
  if (cases === 0) process.stderr.write('remit: no case was run\n');
  return passed === cases && cases > 0 && percent >= minCoverage ? 0 : 1;
}

function printFindings(findings: readonly Finding[], json: boolean): void {
  const problems = findings.map((finding) => {
    const { file, line, column } = finding;
    return { file, line, column, message: formatProblem(finding) };
  });
  if (json) process.stdout.write(`${JSON.stringify({ problems }, undefined, 2)}\n`);
  for (const finding of findings) process.stderr.write(`${escapeForTerminal(formatFinding(finding))}\n`);
}

function parsePercent(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,3}$/.test(text) || Number(text) > 100)
    throw new UsageError('--min-coverage must be a number from 0 to 100');
  return Number(text);
}

/** @throws ConfigError */
function writeJunitFile(file: string, text: string): void {
  try {
    writeFileSync(resolve(file), text);
  } catch (error) {
    throw new ConfigError(
      `can't be written: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
      displayPath(resolve(file)),
    );
  }
}
