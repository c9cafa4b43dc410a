/** Single values that all replicas share. */
import { Fault } from '../model/faults.js';
import type { Database } from './database/port.js';

export class MetaStore {
  constructor(private readonly database: Pick<Database, 'run'>) {}

  /** @returns undefined where there is none @throws Fault */
  async read(key: string): Promise<string | undefined> {
    const [rows] = await this.database.run([{ sql: 'select value from meta where key = $1', params: [key] }]);
    return rows?.[0] === undefined ? undefined : String(rows[0]['value']);
  }

  /** Reads a value that is there from the first start on. @throws Fault */
  async require(key: string): Promise<string> {
    const value = await this.read(key);
    if (value === undefined) throw new Fault('database_unavailable', `the database has no "${key}"`);
    return value;
  }

  /**
   * Reads a value; stores one where there is none.
   * @param make makes the value; what another process has stored meanwhile wins over it
   * @throws Fault
   */
  async ensure(key: string, make: () => Promise<string>): Promise<string> {
    const stored = await this.read(key);
    if (stored !== undefined) return stored;
    const insert = { sql: 'insert into meta (key, value) values ($1, $2) on conflict do nothing' };
    await this.database.run([{ ...insert, params: [key, await make()] }]);
    return this.require(key);
  }

  /** @throws Fault */
  async write(key: string, value: string): Promise<void> {
    await this.database.run([
      {
        sql: 'insert into meta (key, value) values ($1, $2) on conflict (key) do update set value = excluded.value',
        params: [key, value],
      },
    ]);
  }
}
