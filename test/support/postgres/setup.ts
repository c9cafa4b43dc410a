/** After a run over PostgreSQL, the server is as it was before. */
import { dropAll, SERVER } from './databases.js';

export async function teardown(): Promise<void> {
  if (SERVER !== undefined) await dropAll();
}
