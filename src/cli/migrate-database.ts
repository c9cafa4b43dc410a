/** `remit migrate`, where the database is a PostgreSQL server: its tables. */
import type { Config } from '../config/config.js';
import { databaseAddress } from '../store/database/postgres-connection.js';
import { PostgresDatabase } from '../store/database/postgres.js';
import { migrateSchema, SCHEMA_VERSION, readSchemaVersion } from '../store/migrations.js';
import type { MigrationTarget } from './migration-target.js';

/** A step over many rows takes what it takes, and so does waiting for somebody else's. */
const MIGRATION_STEP_MS = 3_600_000;

/** undefined: it is embedded. */
export function databaseMigration({ database: config }: Config): MigrationTarget | undefined {
  if (config.mode === 'embedded') return undefined;
  return {
    name: 'database',
    run: async ({ check }) => {
      const database = new PostgresDatabase({ ...config, statementMs: MIGRATION_STEP_MS });
      try {
        const from = check ? await readSchemaVersion(database) : await migrateSchema(database);
        const summary =
          from === SCHEMA_VERSION
            ? `is of version ${SCHEMA_VERSION} already`
            : `${check ? 'needs' : 'has been brought from'} version ${from} to ${SCHEMA_VERSION}`;
        return {
          result: { from, to: SCHEMA_VERSION },
          lines: [`${databaseAddress(config)} ${summary}.`],
          pending: check && from !== SCHEMA_VERSION,
        };
      } finally {
        await database.close();
      }
    },
  };
}
