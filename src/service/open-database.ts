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

export interface EmbeddedDatabaseOptions {
  /** Throws where the lock of the data directory is lost. */
  readonly assertHeld?: DirectoryLock['assertHeld'];
  /** Called once where the embedded database is lost after its start. */
  readonly onLost?: (reason: string) => void;
}

/**
 * @throws ConfigError where the server's schema has another version or another process holds it; Fault. Nothing stays open then
 */
export async function openDatabase(
  config: Config,
  reported: DatabaseObservers = {},
  { assertHeld, onLost }: EmbeddedDatabaseOptions = {},
): Promise<Database> {
  if (config.database.mode === 'embedded') {
    const database = new PgliteDatabase(join(config.data, 'database'), reported.watch, assertHeld);
    await migrateSchema(database).catch(closeAndRethrow(database));
    if (onLost !== undefined) database.watchLoss(onLost);
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
