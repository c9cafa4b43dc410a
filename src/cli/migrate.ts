/** `remit migrate`: brings the tables of a PostgreSQL server to what this Remit needs. A start changes none. */
import { loadConfig } from '../config.js';
import { placeOf, PostgresDatabase } from '../engines/database/postgres.js';
import { migrate, VERSION, versionOf } from '../stores/migrations.js';
import { readOptions, Usage, type Command } from './command.js';

const HELP = `
Usage: remit migrate [--config FILE] [--check] [--json]

Makes the tables in a PostgreSQL server, or brings those of an older Remit to this one's. It can be run by several at
once, and again. Embedded engines do the same by themselves, at start.

  --config FILE   the configuration (default: REMIT_CONFIG)
  --check         changes nothing; exit code 1 where something would
  --json          prints {"database": {"from": …, "to": …}}
`;

/** A step over many rows takes what it takes, and so does waiting for somebody else's. */
const STEP_MS = 3_600_000;

export const migrateCommand: Command = {
  name: 'migrate',
  summary: 'make or update the tables of a PostgreSQL server',
  help: HELP,
  run: async (args) => {
    const { values, positionals } = readOptions(args, {
      config: { type: 'string' },
      check: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    });
    if (positionals.length > 0)
      throw new Usage(`"${positionals[0] ?? ''}" is not understood; see remit migrate --help`);
    const { database: config, notes } = loadConfig(values.config);
    for (const note of notes) process.stderr.write(`remit: ${note}\n`);
    if (config.mode === 'embedded') {
      process.stdout.write(values.json ? '{}\n' : 'The engines are embedded: there is nothing to migrate.\n');
      return 0;
    }
    const database = new PostgresDatabase({ ...config, statementMs: STEP_MS });
    try {
      const from = values.check ? await versionOf(database) : await migrate(database);
      const said =
        from === VERSION
          ? `is of version ${VERSION} already`
          : `${values.check ? 'needs' : 'has been brought from'} version ${from} to ${VERSION}`;
      process.stdout.write(
        values.json ? `${JSON.stringify({ database: { from, to: VERSION } })}\n` : `${placeOf(config)} ${said}.\n`,
      );
      return values.check && from !== VERSION ? 1 : 0;
    } finally {
      await database.close();
    }
  },
};
