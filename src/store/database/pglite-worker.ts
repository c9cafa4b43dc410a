/** The worker thread in which PGlite runs; started by the embedded database. */
import type { PGlite, Transaction } from '@electric-sql/pglite';
import { serveWorkerCalls } from '../../runtime/worker-thread.js';
import { openPglite } from './pglite-engine.js';
import type { DatabaseRow, SqlStatement } from './port.js';

await serveWorkerCalls(async ({ directory }: { directory: string }) => {
  const database = await openPglite(directory);
  return {
    run: async (statements: readonly SqlStatement[]): Promise<DatabaseRow[][]> => {
      const [single, ...others] = statements;
      // A single statement is a transaction by itself: begin and commit would be two more messages.
      if (single !== undefined && others.length === 0) return [await queryRows(database, single)];
      return database.transaction(async (transaction) => {
        const results: DatabaseRow[][] = [];
        for (const statement of statements) results.push(await queryRows(transaction, statement));
        return results;
      });
    },
    close: () => database.close(),
  };
});

async function queryRows(connection: PGlite | Transaction, { sql, params }: SqlStatement): Promise<DatabaseRow[]> {
  return (await connection.query<DatabaseRow>(sql, params === undefined ? [] : [...params])).rows;
}
