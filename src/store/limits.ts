/** Reads what has been used of limits, for the consent step. It is reserved with the records: see record-statements.ts. */
import type { Charge, LimitState, LimitUses, RetryKey } from '../model/limits.js';
import type { Database } from './database/port.js';

export class LimitStore implements LimitUses {
  constructor(private readonly database: Pick<Database, 'run'>) {}

  async read(charges: readonly Charge[], retry: RetryKey | undefined): Promise<LimitState> {
    const [rows] = await this.database.run([
      {
        sql: 'select limit_state($1::jsonb, $2::jsonb) as state',
        params: [
          JSON.stringify(charges.map(({ key, since }) => ({ key, since }))),
          retry === undefined ? null : JSON.stringify(retry),
        ],
      },
    ]);
    return rows?.[0]?.['state'] as LimitState;
  }
}
