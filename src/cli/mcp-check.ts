/** `remit mcp check`: what of calls to imported tools no policy can see. */
import { dirname } from 'node:path';
import { checkProject } from '../author/check/check.js';
import { checkTools } from '../author/mcp/check-tools.js';
import { listPinnedServers, readPinnedServer } from '../author/mcp/pinned-server.js';
import { resolveConfigPath } from '../config/config.js';
import { displayPath } from '../config/files.js';
import { ConfigError } from '../model/faults.js';
import { defineCommand } from './command/define-command.js';
import { CONFIG_OPTION } from './command/option-values.js';
import { escapedLines, printJson } from './print/terminal.js';

export const mcpCheckCommand = defineCommand({
  name: 'mcp check',
  description: `
    Holds the tools that "remit mcp import" has accepted, in the directory "mcp" beside the configuration, against the Cedar
    schema. It finds mappings that can't be used, actions that the schema doesn't have, actions without a scope, and every
    argument that isn't part of the question: a call with another value of it is decided the same.`,
  options: {
    config: CONFIG_OPTION,
    ignore: {
      value: 'ARGUMENT',
      description: 'an argument that is dropped on purpose, as SERVER/TOOL.ARGUMENT',
      multiple: true,
    },
    strict: { description: 'treats warnings as errors' },
    json: { description: 'prints {"findings": […], "summary": {"tools", "errors", "warnings"}}' },
  },
  exitCodes: {
    0: 'there is no error',
    1: 'there is an error, or with --strict a warning',
    2: 'a file is missing or can not be used, or the command line is not understood',
  },
  examples: ['remit mcp check --config company/remit.yaml --strict --ignore weather/forecast.units'],
  run: async ({ options }) => {
    const path = resolveConfigPath(options.config, undefined);
    const directory = dirname(path);
    const servers = listPinnedServers(directory).map((server) => readPinnedServer(directory, server));
    if (servers.length === 0)
      throw new ConfigError('has no tools beside it, in a directory "mcp": remit mcp import puts them there', displayPath(path)); // prettier-ignore
    const { rules } = await checkProject(path);
    if (rules === undefined)
      throw new ConfigError('the schemas or the policies have errors, which remit check names', displayPath(path));
    const findings = checkTools(servers, rules.vocabulary, new Set(options.ignore));
    const errors = findings.filter(({ severity }) => severity === 'error').length;
    const tools = servers.reduce((sum, server) => sum + server.tools.length, 0);
    const summary = { tools, errors, warnings: findings.length - errors };
    if (options.json) printJson({ findings, summary });
    else {
      const lines = findings.map(({ server, tool, severity, rule, message }) => `${server}/${tool}: ${severity} [${rule}] ${message}`); // prettier-ignore
      process.stdout.write(escapedLines([...lines, `${tools} tools checked: ${errors} errors, ${summary.warnings} warnings.`])); // prettier-ignore
    }
    return errors > 0 || (options.strict && summary.warnings > 0) ? 1 : 0;
  },
});
