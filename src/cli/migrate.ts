/** `remit migrate`: brings the servers to what this Remit and its configuration need. A start changes none. */
import { loadConfig } from '../config/config.js';
import { readOptions, UsageError, type Command } from './command.js';
import { databaseMigration } from './migrate-database.js';
import { spicedbMigration } from './migrate-spicedb.js';

const HELP = `
Usage: remit migrate [--config FILE] [--check] [--yes] [--json]

Makes the tables in a PostgreSQL server, or brings those of an older Remit to this one's; and makes the schema of a
SpiceDB server that of the file: what is only added at once, but before anything is removed or changed, --yes is asked
for. SpiceDB refuses to remove what relationships exist of. It can be run by several at once, and again. Embedded
engines do the same by themselves, at start.

  --config FILE   the configuration (default: REMIT_CONFIG)
  --check         changes nothing; exit code 1 where something would
  --yes           removes from SpiceDB's schema and changes it, too
  --json          prints {"database": {"from": …, "to": …}, "spicedb": {"differences": […], "applied": …}}

Exit code 0 where nothing is left to do, 1 where --yes is needed.
`;

export const migrateCommand: Command = {
  help: HELP,
  run: async (args) => {
    const { values, positionals } = readOptions(args, {
      config: { type: 'string' },
      check: { type: 'boolean', default: false },
      yes: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    });
    if (positionals.length > 0)
      throw new UsageError(`"${positionals[0] ?? ''}" is not understood; see remit migrate --help`);
    const config = loadConfig(values.config);
    for (const note of config.warnings) process.stderr.write(`remit: ${note}\n`);
    const targets = [databaseMigration(config), spicedbMigration(config)].filter((part) => part !== undefined);
    const results: Record<string, object> = {};
    let pending = false;
    for (const { name, run } of targets) {
      const migration = await run(values);
      results[name] = migration.result;
      pending ||= migration.pending;
      if (!values.json) process.stdout.write(`${migration.lines.join('\n')}\n`);
    }
    if (values.json) process.stdout.write(`${JSON.stringify(results)}\n`);
    else if (targets.length === 0) process.stdout.write('The engines are embedded: there is nothing to migrate.\n');
    return pending ? 1 : 0;
  },
};
