/** The configured database, opened: the embedded one brings its tables with it, a server's must be there. */
import { join } from 'node:path';
import type { Config } from '../config/config.js';
import { PgliteDatabase } from '../store/database/pglite.js';
import type { Database } from '../store/database/port.js';
import { databaseAddress } from '../store/database/postgres-connection.js';
import { PostgresDatabase, type DatabaseObservers } from '../store/database/postgres.js';
import { migrateSchema, requireSchemaVersion } from '../store/migrations.js';

const GRAPH_IN_MEMORY =
  'an embedded SpiceDB holds the graph in the memory of its process, so a second one would decide by a graph of its own';

/** @throws ConfigError where it isn't for us to use, Fault. Nothing stays open after a throw */
export async function openDatabase(config: Config, reported: DatabaseObservers = {}): Promise<Database> {
  if (config.database.mode === 'embedded') {
    const database = new PgliteDatabase(join(config.data, 'database'), reported.watch);
    await migrateSchema(database).catch(closeAndRethrow(database));
    return database;
  }
  const database = new PostgresDatabase(config.database, reported);
  await requireSchemaVersion(database, databaseAddress(config.database))
    .then(() => (config.spicedb === undefined ? database.acquireLease(GRAPH_IN_MEMORY) : undefined))
    .catch(closeAndRethrow(database));
  return database;
}

function closeAndRethrow(database: Database): (error: unknown) => Promise<never> {
  return async (error) => {
    await database.close();
    throw error;
  };
}
