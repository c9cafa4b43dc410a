/** `remit migrate`, where the database is a PostgreSQL server: its tables. */
import type { Config } from '../config/config.js';
import { placeOf, PostgresDatabase } from '../store/database/postgres.js';
import { migrate, VERSION, versionOf } from '../store/migrations.js';
import type { Part } from './migration-target.js';

/** A step over many rows takes what it takes, and so does waiting for somebody else's. */
const STEP_MS = 3_600_000;

/** undefined: it is embedded. */
export function databasePart({ database: config }: Config): Part | undefined {
  if (config.mode === 'embedded') return undefined;
  return {
    name: 'database',
    run: async ({ check }) => {
      const database = new PostgresDatabase({ ...config, statementMs: STEP_MS });
      try {
        const from = check ? await versionOf(database) : await migrate(database);
        const said =
          from === VERSION
            ? `is of version ${VERSION} already`
            : `${check ? 'needs' : 'has been brought from'} version ${from} to ${VERSION}`;
        return {
          result: { from, to: VERSION },
          lines: [`${placeOf(config)} ${said}.`],
          left: check && from !== VERSION,
        };
      } finally {
        await database.close();
      }
    },
  };
}
