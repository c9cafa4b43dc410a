/** `remit fmt`: policies as Cedar's own formatter writes them. */
import { randomBytes } from 'node:crypto';
import { realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Formatter } from '../author/check/format.js';
import { resolveConfigPath } from '../config/config.js';
import { listCedarFiles, displayPath, readSource } from '../config/files.js';
import { readConfiguration } from '../author/check/configuration.js';
import { ConfigError } from '../model/faults.js';
import { readOptions, UsageError, type Command } from './command.js';

const HELP = `
Usage: remit fmt [--check] [--json] [--config FILE] [FILES…]

Formats policies as Cedar's own formatter does, policy by policy. Comments stay, and what stands between policies; where
a policy, an annotation or a comment would not come out the same, the file is left as it is. Nothing is written unless
all of the files can be. Cedar has no formatter for schemas that keeps their comments, so there is none here.

  FILES           *.cedar files, or directories of such; by default the policies of the configuration
  --config FILE   the configuration (default: REMIT_CONFIG, or the sample's)
  --check         writes nothing; exit code 1 where a file would be changed
  --json          prints {"files": [{"file", "changed"}]}

Exit code 2 where a file is missing, or can't be read as policies.
`;

export const fmtCommand: Command = {
  help: HELP,
  run: async (args) => {
    const { values, positionals } = readOptions(args, {
      config: { type: 'string' },
      check: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    });
    if (values.config !== undefined && positionals.length > 0)
      throw new UsageError('--config and FILES exclude each other: the configuration names its own');
    const formatter = new Formatter();
    const files = (
      positionals.length > 0 ? positionals.flatMap(policyFilesAt) : configuredPolicyFiles(values.config)
    ).map((path) => {
      const file = readSource(path);
      const formatted = formatter.format(file);
      return { path, file: displayPath(path), formatted, changed: formatted !== file.text };
    });
    const changed = files.filter((file) => file.changed);
    if (!values.check) for (const { path, formatted } of changed) replaceFile(path, formatted);
    if (values.json)
      process.stdout.write(`${JSON.stringify({ files: files.map(({ file, changed }) => ({ file, changed })) })}\n`);
    else process.stdout.write(changed.map(({ file }) => `${file}\n`).join(''));
    return values.check && changed.length > 0 ? 1 : 0;
  },
};

function configuredPolicyFiles(config: string | undefined): string[] {
  const path = resolveConfigPath(config);
  const { sources } = readConfiguration(path);
  if (sources === undefined) throw new ConfigError('names no policies', displayPath(path));
  return listCedarFiles(sources.policies);
}

function policyFilesAt(argument: string): string[] {
  const path = resolve(argument);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new ConfigError('there is no such file or directory', displayPath(path));
  if (stat.isDirectory()) return listCedarFiles(path);
  if (!path.endsWith('.cedar')) throw new UsageError(`"${argument}" is no *.cedar file`);
  return [path];
}

/** Whole or not at all: a crash in the middle must not leave half of a policy file, which may lack a forbid. */
function replaceFile(path: string, text: string): void {
  const target = realpathSync(path);
  const temporary = join(dirname(target), `.${randomBytes(6).toString('hex')}.cedar.tmp`);
  try {
    writeFileSync(temporary, text, { flag: 'wx', mode: statSync(target).mode & 0o777 });
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new ConfigError(
      `can't be written: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
      displayPath(path),
    );
  }
}
