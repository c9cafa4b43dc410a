/** `remit check`: everything that is wrong, or dubious, about a configuration, its schemas, policies and world. */
import { checkProject } from '../author/check/check.js';
import { toSarif } from '../author/check/report/sarif.js';
import { findingsText, summarizeFindings, checkSummaryText } from '../author/check/report/text.js';
import { CHECK_RULES } from '../author/check/check-rules.js';
import { escapeForTerminal, readOptions, UsageError, type Command } from './command.js';

const HELP = `
Usage: remit check [--config FILE] [--strict] [--no-tests] [--json | --sarif]

Reads the configuration, the SpiceDB schema, the Cedar schema, the policies and the world as a start does, and says all
that is wrong with them, and what is valid and still hardly meant: each with its rule, its place and, where there is one,
the cure. Where tests stand beside the policies they are run, so that a permit is found that is wider than what they
show. Starts nothing that others could reach. docs/guide/policies.md lists the rules, and how a warning is ignored.

  --config FILE   the configuration (default: REMIT_CONFIG, or the sample's)
  --strict        warnings count as errors do
  --no-tests      leaves the tests unread: then no permit is called untested
  --json          prints {"findings": […], "summary": {"policies", "errors", "warnings"}}
  --sarif         prints SARIF 2.1.0, for code hosts

Exit code 0 where there is no error, 1 where there is one, 2 where a file is missing.
`;

export const checkCommand: Command = {
  help: HELP,
  run: async (args) => {
    const { values, positionals } = readOptions(args, {
      config: { type: 'string' },
      strict: { type: 'boolean', default: false },
      'no-tests': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      sarif: { type: 'boolean', default: false },
    });
    if (positionals.length > 0)
      throw new UsageError(`"${positionals[0] ?? ''}" is not understood; see remit check --help`);
    if (values.json && values.sarif) throw new UsageError('--json and --sarif exclude each other');
    const { findings, files, rules } = await checkProject(values.config, { tests: !values['no-tests'] });
    const summary = summarizeFindings(findings, rules?.policies.size ?? 0);
    if (values.json) process.stdout.write(`${JSON.stringify({ findings, summary }, undefined, 2)}\n`);
    else if (values.sarif) process.stdout.write(`${JSON.stringify(toSarif(findings, CHECK_RULES), undefined, 2)}\n`);
    else process.stdout.write(`${findingsText(findings, files, escapeForTerminal)}${checkSummaryText(summary)}\n`);
    return summary.errors > 0 || (values.strict && summary.warnings > 0) ? 1 : 0;
  },
};
