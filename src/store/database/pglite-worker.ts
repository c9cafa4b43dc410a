/** The worker thread in which PGlite runs; started by the embedded database. */
import { serveWorkerCalls } from '../../runtime/worker-thread.js';
import { openPglite } from './pglite-engine.js';
import { PgliteSession } from './pglite-session.js';
import type { DatabaseRow, SqlStatement } from './port.js';

await serveWorkerCalls(async ({ directory }: { directory: string }) => {
  const database = await openPglite(directory);
  const session = new PgliteSession(database);
  return {
    run: (statements: readonly SqlStatement[]): Promise<DatabaseRow[][]> => session.run(statements),
    close: () => database.close(),
  };
});
