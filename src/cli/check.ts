/** `remit check`: what is wrong, or dubious, about a configuration, its schemas, policies and world. */
import { checkProject } from '../author/check/check.js';
import { toSarif } from '../author/check/report/sarif.js';
import { findingsText, summarizeFindings, checkSummaryText } from '../author/check/report/text.js';
import { CHECK_RULES } from '../author/check/check-rules.js';
import { defineCommand } from './command/define-command.js';
import { CONFIG_OPTION } from './command/option-values.js';
import { escapeForTerminal, printJson } from './print/terminal.js';
import { UsageError } from './command/usage-error.js';

export const checkCommand = defineCommand({
  name: 'check',
  description: `
    Reads the configuration, the SpiceDB schema, the Cedar schema, the policies and the world as a start of the service
    does, and prints everything that is wrong with them, and what is valid but probably not intended. Each finding has
    its rule, its place and, where there is one, the cure. Tests beside the policies are run: one that fails is an
    error, and a permit is found that is wider than what they show. No other process can reach what the command starts.

    docs/guide/policies.md lists the rules, and says how a warning is ignored.`,
  options: {
    config: CONFIG_OPTION,
    strict: { description: 'treats warnings as errors' },
    'no-tests': { description: 'runs no tests, and reports no permit as untested' },
    json: { description: 'prints {"findings": […], "summary": {"policies", "errors", "warnings"}}' },
    sarif: { description: 'prints SARIF 2.1.0, for code hosts' },
  },
  exitCodes: {
    0: 'there is no error',
    1: 'there is an error, or with --strict a warning',
    2: 'a file is missing, or the command line is not understood',
  },
  examples: ['remit check', 'remit check --config company/remit.yaml --strict'],
  run: async ({ options }) => {
    if (options.json && options.sarif) throw new UsageError('--json and --sarif exclude each other');
    const { findings, files, rules } = await checkProject(options.config, { tests: !options['no-tests'] });
    const summary = summarizeFindings(findings, rules?.policies.size ?? 0);
    if (options.json) printJson({ findings, summary });
    else if (options.sarif) printJson(toSarif(findings, CHECK_RULES));
    else process.stdout.write(`${findingsText(findings, files, escapeForTerminal)}${checkSummaryText(summary)}\n`);
    return summary.errors > 0 || (options.strict && summary.warnings > 0) ? 1 : 0;
  },
});
