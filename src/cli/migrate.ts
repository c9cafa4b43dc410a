/** `remit migrate`: brings the servers to what this version and its configuration need. A start changes no server. */
import { loadConfig } from '../config/config.js';
import { defineCommand } from './command/define-command.js';
import { databaseMigration } from './migrate-database.js';
import { spicedbMigration } from './migrate-spicedb.js';
import { CONFIG_OPTION } from './command/option-values.js';
import { printJsonLine } from './print/terminal.js';

export const migrateCommand = defineCommand({
  name: 'migrate',
  description: `
    Makes the tables in a PostgreSQL server, or brings those of an older Remit to this version's; and makes the schema of
    a SpiceDB server that of the file. Additions are applied at once; before a definition, relation or permission is
    removed or changed, --yes is needed. SpiceDB refuses to remove a relation that has relationships.

    Several processes can run it at the same time, and it can be run again. Embedded engines migrate at start.`,
  options: {
    config: CONFIG_OPTION,
    check: { description: 'changes nothing, and exits with 1 where something would be changed' },
    yes: { description: "removes from SpiceDB's schema and changes it as well" },
    json: {
      description: 'prints {"database": {"from", "to"}, "spicedb": {"differences": […], "applied"}}',
    },
  },
  exitCodes: { 0: 'nothing is left to do', 1: '--yes is needed, or with --check a change' },
  examples: ['remit migrate --check', 'remit migrate --yes'],
  run: async ({ options }) => {
    const config = loadConfig(options.config);
    for (const warning of config.warnings) process.stderr.write(`remit: ${warning}\n`);
    const targets = [databaseMigration(config), spicedbMigration(config)].filter((target) => target !== undefined);
    const results: Record<string, object> = {};
    let pending = false;
    for (const { name, run } of targets) {
      const migration = await run(options);
      results[name] = migration.result;
      pending ||= migration.pending;
      if (!options.json) process.stdout.write(`${migration.lines.join('\n')}\n`);
    }
    if (options.json) printJsonLine(results);
    else if (targets.length === 0) process.stdout.write('The engines are embedded: there is nothing to migrate.\n');
    return pending ? 1 : 0;
  },
});
