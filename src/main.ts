#!/usr/bin/env node
/** The command line `remit`: finds the command, runs it, and turns a failure into a sentence and an exit code. */
import { isAbsolute } from 'node:path';
import type { Command } from './cli/command/define-command.js';
import { sections, table } from './cli/command/help.js';
import { UsageError } from './cli/command/usage-error.js';
import { didYouMean } from './diagnostics/suggest.js';
import { ConfigError, Fault } from './model/faults.js';
import { VERSION } from './runtime/version.js';

interface CommandEntry {
  readonly name: string;
  /** The line in the list of commands. */
  readonly summary: string;
  /** Imports the command where it is run: importing all of them takes as long as a start does. */
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
    summary: 'explain a decision on record, and what would allow it',
    load: async () => (await import('./cli/explain.js')).explainCommand,
  },
  {
    name: 'replay',
    summary: 'make recorded decisions again, by the same rules or by others',
    load: async () => (await import('./cli/replay.js')).replayCommand,
  },
  {
    name: 'usage',
    summary: 'show what agents were granted and never used, and what would have been enough',
    load: async () => (await import('./cli/usage.js')).usageCommand,
  },
  {
    name: 'audit',
    summary: 'verify the log of records, prove that a record is in it, export it',
    load: async () => (await import('./cli/audit.js')).auditCommand,
  },
  {
    name: 'diff',
    summary: 'compare two sets of policies by the decisions that they make',
    load: async () => (await import('./cli/diff.js')).diffCommand,
  },
  {
    name: 'schema',
    summary: 'write the JSON Schemas with which editors complete YAML files',
    load: async () => (await import('./cli/schema.js')).schemaCommand,
  },
  {
    name: 'mcp',
    summary: 'make actions, policies and tests of the tools of an MCP server, and check them',
    load: async () => (await import('./cli/mcp.js')).mcpCommand,
  },
  {
    name: 'migrate',
    summary: 'bring the tables of a PostgreSQL server and the schema of a SpiceDB server up to date',
    load: async () => (await import('./cli/migrate.js')).migrateCommand,
  },
];

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === 'help' && rest[0] !== undefined) return main([...rest, '--help']);
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(programHelp());
    return name === undefined ? 2 : 0;
  }
  if (name === '--version' || name === '-v') {
    process.stdout.write(`${VERSION}\n`);
    return 0;
  }
  const entry = COMMANDS.find((candidate) => candidate.name === name);
  if (entry !== undefined) return (await entry.load()).run(rest);
  const suggestion = didYouMean(name, COMMANDS.map((candidate) => candidate.name)); // prettier-ignore
  throw new UsageError(`there is no command "${name}"${suggestion}; see remit --help`);
}

function programHelp(): string {
  return sections([
    'remit: may this agent do this, for this person, to this thing, now, and why?',
    'Usage: remit <command> [options]\n       remit <command> --help\n       remit --version',
    table('Commands', COMMANDS.map(({ name, summary }) => [name, summary])), // prettier-ignore
    'Exit codes: 0 fine, 1 a finding or a deny, 2 usage or an unusable input.',
  ]);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`remit: ${messageOf(error)}\n`);
  process.exitCode = 2;
}

/** Whether a path that leads nowhere is relative: npm runs Remit in Remit's own directory, wherever it is called. */
function namesMissingFile({ problem, place }: ConfigError): boolean {
  return place !== undefined && !isAbsolute(place.file) && /^there is no such (file|directory)/.test(problem);
}

/** @throws the error itself where it is a bug, which then ends with its stack */
function messageOf(error: unknown): string {
  if (error instanceof UsageError) return error.message;
  if (error instanceof ConfigError) return `${error.message}${namesMissingFile(error) ? ` in ${process.cwd()}` : ''}`;
  if (error instanceof Fault) return `${error.message} ${error.detail ?? ''}`.trimEnd();
  throw error;
}
