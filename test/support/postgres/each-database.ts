/** Runs suites about what is stored on each database: on PGlite, and on two replicas of one PostgreSQL server. */
import { v7 as uuid } from 'uuid';
import { describe } from 'vitest';
import { ScratchDatabase } from './scratch-database.js';
import type { Database } from '../../../src/store/database/port.js';
import { PostgresDatabase } from '../../../src/store/database/postgres.js';
import { migrateSchema } from '../../../src/store/migrations.js';
import { databaseUrl, dropDatabase, NEEDS, postgresConfig, SERVER } from './databases.js';

export type OpenDatabases = () => Promise<{
  readonly databases: readonly Database[];
  readonly close: () => Promise<void>;
}>;

/** @param suite declares the suite of that name, on the databases of a deployment that it opens and closes */
export function runOnEachDatabase(subject: string, suite: (name: string, open: OpenDatabases) => void): void {
  suite(`${subject} on PGlite`, async () => {
    const database = new ScratchDatabase();
    await migrateSchema(database);
    return { databases: [database], close: () => database.close() };
  });

  describe.skipIf(SERVER === undefined)(NEEDS, () => {
    suite(`${subject} on two replicas`, async () => {
      const url = await databaseUrl(uuid());
      const databases = [0, 1].map(() => new PostgresDatabase(postgresConfig(url)));
      await migrateSchema(databases[0] as Database);
      return {
        databases,
        close: async () => {
          await Promise.all(databases.map((database) => database.close()));
          await dropDatabase(url);
        },
      };
    });
  });
}
