/** The thread in which PGlite runs. */
import { PGlite } from '@electric-sql/pglite';
import { serve } from '../worker.js';
import type { Row, Statement } from './port.js';

await serve(async ({ directory }: { directory: string | undefined }) => {
  const database = await PGlite.create(directory ?? 'memory://');
  return {
    run: (statements: readonly Statement[]): Promise<Row[][]> =>
      database.transaction(async (tx) => {
        const results: Row[][] = [];
        for (const { sql, params } of statements) {
          results.push((await tx.query<Row>(sql, params === undefined ? [] : [...params])).rows);
        }
        return results;
      }),
    close: () => database.close(),
  };
});
