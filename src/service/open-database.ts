/** Opens the configured database. The embedded one is migrated; a server's schema must be there already. */
import { join } from 'node:path';
import type { Config } from '../config/config.js';
import type { DirectoryLock } from '../runtime/directory-lock.js';
import { PgliteDatabase } from '../store/database/pglite.js';
import type { Database } from '../store/database/port.js';
import { databaseAddress } from '../store/database/postgres-connection.js';
import { PostgresDatabase, type DatabaseObservers } from '../store/database/postgres.js';
import { migrateSchema, requireSchemaVersion } from '../store/migrations.js';

const GRAPH_IN_MEMORY =
  'an embedded SpiceDB holds the graph in the memory of its process, so a second one would decide by a graph of its own';

/**
 * @param assertHeld of the data directory's lock
 * @throws ConfigError where the server's schema has another version or another process holds it; Fault. Nothing stays open then
 */
export async function openDatabase(
  config: Config,
  reported: DatabaseObservers = {},
  assertHeld?: DirectoryLock['assertHeld'],
): Promise<Database> {
  if (config.database.mode === 'embedded') {
    const database = new PgliteDatabase(join(config.data, 'database'), reported.watch, assertHeld);
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
