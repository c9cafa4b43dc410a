/** Reads what has been used of limits, for the consent step. It is reserved with the records: see record-statements.ts. */
import type { Charge, LimitState, LimitUses, RetryKey } from '../model/limits.js';
import type { Database } from './database/port.js';
import { nameCharge, nameRetry, type LimitNames } from './limit-names.js';

/** Counting has an end. */
const MAX_COUNTED = 100_000;

export class LimitStore implements LimitUses {
  constructor(
    private readonly database: Pick<Database, 'run'>,
    private readonly names: LimitNames,
  ) {}

  async read(charges: readonly Charge[], retry: RetryKey | undefined, approval?: string): Promise<LimitState> {
    const params = [
      JSON.stringify(
        charges
          .map((charge) => nameCharge(charge, this.names))
          .map(({ key, former, since }) => ({ key, former, since })),
      ),
      retry === undefined ? null : JSON.stringify(nameRetry(retry, this.names)),
    ];
    const [rows] = await this.database.run([
      approval === undefined
        ? { sql: 'select limit_state($1::jsonb, $2::jsonb) as state', params }
        : // One statement, and so of one moment.
          {
            sql: `select limit_state($1::jsonb, $2::jsonb) || jsonb_build_object('approval', jsonb_strip_nulls(jsonb_build_object(
                    'used_by', (select t.used_by from approval_tasks t where t.id = $3::uuid)))) as state`,
            params: [...params, approval],
          },
    ]);
    return rows?.[0]?.['state'] as LimitState;
  }

  /** Counts the decisions since then that have reserved something and got no outcome; so many at most. @throws Fault */
  async countOpen(since: number): Promise<number> {
    const [rows] = await this.database.run([
      {
        sql: `select count(*)::int as open from (
                select distinct u.decision from limit_uses u where u.at > $1::bigint and u.quantity > 0
                  and not exists (select from records o where o.about = u.decision and o.kind = 'outcome') limit ${MAX_COUNTED}) s`,
        params: [since],
      },
    ]);
    return Number(rows?.[0]?.['open']);
  }
}
