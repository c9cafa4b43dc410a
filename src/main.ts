#!/usr/bin/env node
/** The command line: finds the command, turns failures into a sentence and an exit code. */
import { UsageError, type Command } from './cli/command.js';
import { ConfigError, Fault } from './model/faults.js';

interface CommandEntry {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Each is loaded by those only who use it: together they take as long as a start does. */
  readonly load: () => Promise<Command>;
}

const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'serve',
    summary: 'start the service',
    load: async () => (await import('./cli/serve.js')).serveCommand,
  },
  {
    name: 'demo',
    summary: 'a short tour of decisions',
    load: async () => (await import('./cli/demo.js')).demoCommand,
  },
  {
    name: 'token',
    summary: 'mint, inspect or verify a delegation token',
    load: async () => (await import('./cli/token.js')).tokenCommand,
  },
  {
    name: 'decide',
    summary: 'make one decision and print why',
    load: async () => (await import('./cli/decide.js')).decideCommand,
  },
  {
    name: 'init',
    summary: 'make a new company from a template',
    load: async () => (await import('./cli/init.js')).initCommand,
  },
  {
    name: 'check',
    summary: 'find what is wrong with policies, schemas, world and configuration',
    load: async () => (await import('./cli/check.js')).checkCommand,
  },
  {
    name: 'test',
    summary: 'run the tests of the policies',
    load: async () => (await import('./cli/test.js')).testCommand,
  },
  {
    name: 'fmt',
    summary: 'format policies',
    load: async () => (await import('./cli/fmt.js')).fmtCommand,
  },
  {
    name: 'explain',
    summary: 'tell the story of a decision on record',
    load: async () => (await import('./cli/explain.js')).explainCommand,
  },
  {
    name: 'replay',
    summary: 'make recorded decisions again, by the same rules or by others',
    load: async () => (await import('./cli/replay.js')).replayCommand,
  },
  {
    name: 'diff',
    summary: 'compare two sets of policies by the decisions that they make',
    load: async () => (await import('./cli/diff.js')).diffCommand,
  },
  {
    name: 'schema',
    summary: 'write the JSON Schemas that editors complete YAML files by',
    load: async () => (await import('./cli/schema.js')).schemaCommand,
  },
  {
    name: 'migrate',
    summary: 'make or update the tables of a PostgreSQL and the schema of a SpiceDB server',
    load: async () => (await import('./cli/migrate.js')).migrateCommand,
  },
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
  const entry = COMMANDS.find((c) => c.name === name);
  if (entry === undefined) throw new UsageError(`there is no command "${name}"; see remit --help`);
  const command = await entry.load();
  if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(`${command.help.trim()}\n`);
    return 0;
  }
  return command.run(rest);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof UsageError || error instanceof ConfigError) {
    process.stderr.write(`remit: ${error.message}\n`);
    process.exitCode = 2;
  } else if (error instanceof Fault) {
    process.stderr.write(`remit: ${error.message} ${error.detail ?? ''}\n`);
    process.exitCode = 2;
  } else {
    throw error;
  }
}
