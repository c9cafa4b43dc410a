/** The thread in which PGlite runs. */
import { PGlite, type Transaction } from '@electric-sql/pglite';
import { serve } from '../../runtime/worker-thread.js';
import type { Row, Statement } from './port.js';

await serve(async ({ directory }: { directory: string | undefined }) => {
  const database = await PGlite.create(directory ?? 'memory://');
  return {
    run: async (statements: readonly Statement[]): Promise<Row[][]> => {
      const [only, ...others] = statements;
      // A statement by itself is a transaction already: to begin and commit one are two more messages.
      if (only !== undefined && others.length === 0) return [await rowsOf(database, only)];
      return database.transaction(async (transaction) => {
        const results: Row[][] = [];
        for (const statement of statements) results.push(await rowsOf(transaction, statement));
        return results;
      });
    },
    close: () => database.close(),
  };
});

async function rowsOf(on: PGlite | Transaction, { sql, params }: Statement): Promise<Row[]> {
  return (await on.query<Row>(sql, params === undefined ? [] : [...params])).rows;
}
