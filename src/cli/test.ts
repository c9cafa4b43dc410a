/** `remit test`: what the policies' authors expect of them, and what is decided. */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { loadConfig } from '../config/config.js';
import { shown } from '../config/files.js';
import { ConfigError } from '../model/faults.js';
import { junit } from '../author/test/junit.js';
import { Unusable, type Problem } from '../author/test/places.js';
import { allOf, reportJson, reportText, summaryOf } from '../author/test/report.js';
import { Session, type Report, type Selection } from '../author/test/session.js';
import { printable, readOptions, Usage, type Command } from './command.js';
import { watch } from './test-watch.js';

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
    const least = percentOf(values['min-coverage']);
    if (least !== undefined && values.filter !== undefined)
      throw new Usage('--min-coverage counts all tests, so it does not go with --filter');
    if (values.watch && values.json) throw new Usage('--watch prints for people, so it does not go with --json');
    const selection: Selection = { paths: positionals, filter: values.filter };
    const session = new Session();
    const once = async (): Promise<number> => {
      try {
        const report = await session.run(loadConfig(values.config), selection);
        if (values.junit !== undefined) write(values.junit, junit(report));
        process.stdout.write(
          values.json ? `${JSON.stringify(reportJson(report), undefined, 2)}\n` : reportText(report, printable),
        );
        return verdict(report, least);
      } catch (error) {
        if (!(error instanceof Unusable)) throw error;
        tell(error.problems, values.json);
        return 2;
      }
    };
    try {
      return values.watch ? await watch(once, () => loadConfig(values.config), positionals) : await once();
    } finally {
      await session.close();
    }
  },
};

function verdict(report: Report, least = 0): number {
  const { cases, passed } = summaryOf(allOf(report));
  const percent = report.coverage?.percent ?? 0;
  if (percent < least) process.stderr.write(`remit: coverage is ${percent} %, and ${least} % is asked for\n`);
  if (cases === 0) process.stderr.write('remit: no case was run\n');
  return passed === cases && cases > 0 && percent >= least ? 0 : 1;
}

function tell(problems: readonly Problem[], json: boolean): void {
  if (json) process.stdout.write(`${JSON.stringify({ problems }, undefined, 2)}\n`);
  for (const { file, line, column, message } of problems)
    process.stderr.write(`${printable(`${file}:${line}:${column}: ${message}`)}\n`);
}

function percentOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,3}$/.test(text) || Number(text) > 100) throw new Usage('--min-coverage must be a number from 0 to 100');
  return Number(text);
}

/** @throws ConfigError */
function write(file: string, text: string): void {
  try {
    writeFileSync(resolve(file), text);
  } catch (error) {
    throw new ConfigError(
      `can't be written: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
      shown(resolve(file)),
    );
  }
}
