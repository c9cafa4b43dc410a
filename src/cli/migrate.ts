/** `remit migrate`: makes the schema of a SpiceDB server that of the file. */
import { loadConfig } from '../config.js';
import { readSources, shown } from '../config/files.js';
import { ConfigError } from '../model/faults.js';
import { loadRules } from '../rules/load.js';
import { readOptions, Usage, type Command } from './command.js';

const HELP = `
Usage: remit migrate [--config FILE] [--yes] [--json]

Holds the schema of the SpiceDB server against the file of the configuration and applies the file. What is only added
is applied at once; before anything is removed or changed, --yes is asked for. SpiceDB refuses to remove what
relationships exist of. With the embedded SpiceDB there is nothing to do: it takes the schema at start.

  --config FILE   the configuration (default: REMIT_CONFIG, or the sample's)
  --yes           removes and changes, too
  --json          prints what differs, and whether it was applied, as JSON

Exit code 0 where they are the same in the end, 1 where --yes is needed.
`;

const SIGNS = { add: '+', remove: '-', change: '~' } as const;

export const migrateCommand: Command = {
  name: 'migrate',
  summary: 'apply the schema to a SpiceDB server',
  help: HELP,
  run: async (args) => {
    const { values, positionals } = readOptions(args, {
      config: { type: 'string' },
      yes: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    });
    if (positionals.length > 0)
      throw new Usage(`"${positionals[0] ?? ''}" is not understood; see remit migrate --help`);
    const config = loadConfig(values.config);
    for (const note of config.notes) process.stderr.write(`remit: ${note}\n`);
    // All of the rules are read, so that no schema is applied that the policies don't fit.
    const { graph } = loadRules(readSources(config.sources));
    const { spicedb } = config;
    if (spicedb === undefined) {
      say(values.json, { embedded: true, differences: [], applied: false }, [
        `SpiceDB is embedded (${shown(config.file)}) and takes its schema at start: nothing to do.`,
      ]);
      return 0;
    }
    const { Connection, patiently } = await import('../engines/spicedb/connection.js');
    const { applySchema, differences } = await import('../engines/spicedb/schema.js');
    const connection = new Connection(spicedb, config.deadlineMs);
    try {
      const { found } = await patiently(() => differences(connection, graph), spicedb);
      const hold = !values.yes && found.some(({ change }) => change !== 'add');
      if (found.length > 0 && !hold) {
        await applySchema(connection, graph);
        const { found: left } = await differences(connection, graph);
        if (left.length > 0)
          throw new ConfigError('somebody else changes the schema at the same time', spicedb.endpoint);
      }
      const applied = found.length > 0 && !hold;
      say(values.json, { differences: found.map(({ change, what }) => ({ change, what })), applied }, [
        `${graph.file} against SpiceDB at ${spicedb.endpoint}:`,
        ...found.map(({ change, what }) => `  ${SIGNS[change]} ${what}`),
        found.length === 0
          ? '  the same'
          : applied
            ? 'Applied.'
            : 'Nothing is applied: --yes removes and changes, too.',
      ]);
      return hold ? 1 : 0;
    } finally {
      connection.close();
    }
  },
};

function say(json: boolean, result: object, lines: readonly string[]): void {
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : `${lines.join('\n')}\n`);
}
