/** `remit fmt`: policies as Cedar's own formatter writes them. */
import { randomBytes } from 'node:crypto';
import { realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { readConfiguration } from '../author/check/configuration.js';
import { Formatter } from '../author/check/format.js';
import { resolveConfigPath } from '../config/config.js';
import { createWriteError, displayPath, listCedarFiles, readSource } from '../config/files.js';
import { ConfigError } from '../model/faults.js';
import { defineCommand } from './command/define-command.js';
import { CONFIG_OPTION } from './command/option-values.js';
import { printJsonLine } from './print/terminal.js';
import { UsageError } from './command/usage-error.js';

export const fmtCommand = defineCommand({
  name: 'fmt',
  description: `
    Formats policies as Cedar's own formatter does, policy by policy. Comments stay, and so does the text between
    policies; a file in which a policy, an annotation or a comment would not stay the same is left as it is. Nothing is
    written unless all of the files can be formatted. Cedar has no formatter for schemas that keeps their comments, so
    schemas are not formatted.`,
  rest: {
    name: 'FILES',
    description: '*.cedar files, or directories of such (default: the policies of the configuration)',
  },
  options: {
    config: CONFIG_OPTION,
    check: { description: 'writes nothing, and exits with 1 where a file would be changed' },
    json: { description: 'prints {"files": [{"file", "changed"}]}' },
  },
  exitCodes: {
    0: 'the files are formatted',
    1: 'with --check: a file is not formatted',
    2: "a file is missing, or can't be read as policies",
  },
  examples: ['remit fmt', 'remit fmt --check policies/documents.cedar'],
  run: async ({ rest, options }) => {
    if (options.config !== undefined && rest.length > 0)
      throw new UsageError('--config and FILES exclude each other: the configuration names its own');
    const formatter = new Formatter();
    const paths = rest.length > 0 ? rest.flatMap(policyFilesAt) : configuredPolicyFiles(options.config);
    const files = paths.map((path) => {
      const file = readSource(path);
      const formatted = formatter.format(file);
      return { path, file: displayPath(path), formatted, changed: formatted !== file.text };
    });
    const changedFiles = files.filter(({ changed }) => changed);
    if (!options.check) for (const { path, formatted } of changedFiles) replaceFile(path, formatted);
    if (options.json) printJsonLine({ files: files.map(({ file, changed }) => ({ file, changed })) });
    else process.stdout.write(changedFiles.map(({ file }) => `${file}\n`).join(''));
    return options.check && changedFiles.length > 0 ? 1 : 0;
  },
});

/** @throws ConfigError where the configuration can't be read, or names no policies */
function configuredPolicyFiles(config: string | undefined): string[] {
  const path = resolveConfigPath(config);
  const { sources } = readConfiguration(path);
  if (sources === undefined) throw new ConfigError('names no policies', displayPath(path));
  return listCedarFiles(sources.policies);
}

/** @throws ConfigError where there is no such file or directory, UsageError where the file has another ending */
function policyFilesAt(argument: string): string[] {
  const path = resolve(argument);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new ConfigError('there is no such file or directory', displayPath(path));
  if (stat.isDirectory()) return listCedarFiles(path);
  if (!path.endsWith('.cedar')) throw new UsageError(`"${argument}" is not a *.cedar file`);
  return [path];
}

/**
 * Replaces the file in one step: a crash must not leave half of a policy file, which may lack a forbid.
 * @throws ConfigError
 */
function replaceFile(path: string, text: string): void {
  const target = realpathSync(path);
  const temporary = join(dirname(target), `.${randomBytes(6).toString('hex')}.cedar.tmp`);
  try {
    writeFileSync(temporary, text, { flag: 'wx', mode: statSync(target).mode & 0o777 });
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw createWriteError(error, path);
  }
}
