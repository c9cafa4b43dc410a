#!/usr/bin/env node
/** The command line: finds the command, turns failures into a sentence and an exit code. */
import { checkCommand } from './cli/check.js';
import { demo } from './cli/demo.js';
import { decideCommand } from './cli/decide.js';
import { diffCommand } from './cli/diff.js';
import { explainCommand } from './cli/explain.js';
import { fmtCommand } from './cli/fmt.js';
import { initCommand } from './cli/init.js';
import { replayCommand } from './cli/replay.js';
import { migrateCommand } from './cli/migrate.js';
import { schemaCommand } from './cli/schema.js';
import { serve } from './cli/serve.js';
import { testCommand } from './cli/test.js';
import { tokenCommand } from './cli/token.js';
import { Usage, type Command } from './cli/command.js';
import { ConfigError, Fault } from './model/faults.js';

const COMMANDS: readonly Command[] = [
  serve,
  demo,
  tokenCommand,
  decideCommand,
  initCommand,
  checkCommand,
  testCommand,
  fmtCommand,
  explainCommand,
  replayCommand,
  diffCommand,
  schemaCommand,
  migrateCommand,
];

const HELP = `remit: may this agent do this, for this person, to this thing, now, and why?

Usage: remit <command> [options]

${COMMANDS.map((c) => `  ${c.name.padEnd(8)} ${c.summary}`).join('\n')}

Each command has --help and --json. Exit codes: 0 fine, 1 a finding or a deny, 2 usage or an unusable input.
`;

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(HELP);
    return name === undefined ? 2 : 0;
  }
  const command = COMMANDS.find((c) => c.name === name);
  if (command === undefined) throw new Usage(`there is no command "${name}"; see remit --help`);
  if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(`${command.help.trim()}\n`);
    return 0;
  }
  return command.run(rest);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof Usage || error instanceof ConfigError) {
    process.stderr.write(`remit: ${error.message}\n`);
    process.exitCode = 2;
  } else if (error instanceof Fault) {
    process.stderr.write(`remit: ${error.message} ${error.detail ?? ''}\n`);
    process.exitCode = 2;
  } else {
    throw error;
  }
}
