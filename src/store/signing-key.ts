/** The key that a deployment signs with, where none is configured: made once, and the same for every replica. */
import type { Database } from './database/port.js';

/**
 * Reads the key that is stored; stores one where there is none.
 * @param make makes the key's text; what another process has stored meanwhile wins over it
 * @throws Fault
 */
export async function ensureSigningKey(database: Database, make: () => Promise<string>): Promise<string> {
  const read = { sql: `select value from meta where key = 'signing_key'` };
  const [stored] = await database.run([read]);
  if (stored?.[0] !== undefined) return String(stored[0]['value']);
  const insert = {
    sql: `insert into meta values ('signing_key', $1) on conflict do nothing`,
    params: [await make()],
  };
  const results = await database.run([insert, read]);
  return String(results[1]?.[0]?.['value']);
}

/** The name of the deployment, which what it signs is for. @throws Fault */
export async function readDeploymentName(database: Database): Promise<string> {
  const [rows] = await database.run([{ sql: `select value from meta where key = 'store_id'` }]);
  return `urn:uuid:${String(rows?.[0]?.['value'])}`;
}
