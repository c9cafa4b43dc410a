/** `remit fmt`: policies as Cedar's own formatter writes them. */
import { randomBytes } from 'node:crypto';
import { realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Formatter } from '../author/check/format.js';
import { configPath } from '../config/config.js';
import { cedarFiles, shown, source } from '../config/files.js';
import { readConfiguration } from '../author/check/configuration.js';
import { ConfigError } from '../model/faults.js';
import { readOptions, Usage, type Command } from './command.js';

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
      throw new Usage('--config and FILES exclude each other: the configuration names its own');
    const formatter = new Formatter();
    const files = (positionals.length > 0 ? positionals.flatMap(filesOf) : configured(values.config)).map((path) => {
      const file = source(path);
      const formatted = formatter.format(file);
      return { path, file: shown(path), formatted, changed: formatted !== file.text };
    });
    const changed = files.filter((file) => file.changed);
    if (!values.check) for (const { path, formatted } of changed) replace(path, formatted);
    if (values.json)
      process.stdout.write(`${JSON.stringify({ files: files.map(({ file, changed }) => ({ file, changed })) })}\n`);
    else process.stdout.write(changed.map(({ file }) => `${file}\n`).join(''));
    return values.check && changed.length > 0 ? 1 : 0;
  },
};

function configured(config: string | undefined): string[] {
  const path = configPath(config);
  const { sources } = readConfiguration(path);
  if (sources === undefined) throw new ConfigError('names no policies', shown(path));
  return cedarFiles(sources.policies);
}

function filesOf(given: string): string[] {
  const path = resolve(given);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new ConfigError('there is no such file or directory', shown(path));
  if (stat.isDirectory()) return cedarFiles(path);
  if (!path.endsWith('.cedar')) throw new Usage(`"${given}" is no *.cedar file`);
  return [path];
}

/** Whole or not at all: a crash in the middle must not leave half of a policy file, which may lack a forbid. */
function replace(path: string, text: string): void {
  const target = realpathSync(path);
  const draft = join(dirname(target), `.${randomBytes(6).toString('hex')}.cedar.tmp`);
  try {
    writeFileSync(draft, text, { flag: 'wx', mode: statSync(target).mode & 0o777 });
    renameSync(draft, target);
  } catch (error) {
    rmSync(draft, { force: true });
    throw new ConfigError(`can't be written: ${(error as NodeJS.ErrnoException).code ?? String(error)}`, shown(path));
  }
}
