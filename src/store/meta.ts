/** Single values that all replicas share. */
import type { Database } from './database/port.js';

export class MetaStore {
  constructor(private readonly database: Pick<Database, 'run'>) {}

  /** @returns undefined where there is none @throws Fault */
  async read(key: string): Promise<string | undefined> {
    const [rows] = await this.database.run([{ sql: 'select value from meta where key = $1', params: [key] }]);
    return rows?.[0] === undefined ? undefined : String(rows[0]['value']);
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
