/** The configured database, opened: the embedded one brings its tables with it, a server's must be there. */
import { join } from 'node:path';
import type { Config } from '../config/config.js';
import { PgliteDatabase } from '../store/database/pglite.js';
import type { Database } from '../store/database/port.js';
import { placeOf, PostgresDatabase, type Reported } from '../store/database/postgres.js';
import { migrate, requireVersion } from '../store/migrations.js';

const GRAPH_IN_MEMORY =
  'an embedded SpiceDB holds the graph in the memory of its process, so a second one would decide by a graph of its own';

/** @throws ConfigError where it isn't for us to use, Fault. Nothing stays open after a throw */
export async function openDatabase(config: Config, reported: Reported = {}): Promise<Database> {
  if (config.database.mode === 'embedded') {
    const database = new PgliteDatabase(join(config.data, 'database'), reported.watch);
    await migrate(database).catch(closing(database));
    return database;
  }
  const database = new PostgresDatabase(config.database, reported);
  await requireVersion(database, placeOf(config.database))
    .then(() => (config.spicedb === undefined ? database.claim(GRAPH_IN_MEMORY) : undefined))
    .catch(closing(database));
  return database;
}

function closing(database: Database): (error: unknown) => Promise<never> {
  return async (error) => {
    await database.close();
    throw error;
  };
}
