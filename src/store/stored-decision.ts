/** A decision or a list as it is read: its row, which has the values sealed beside the record, and what was reported of it. */
import type { DecisionRecord } from '../model/decision.js';
import type { Database, DatabaseRow } from './database/port.js';

export interface ReportedOutcome {
  readonly outcome: 'executed' | 'failed' | 'abandoned';
  readonly at?: string | undefined;
  readonly detail?: string | undefined;
  readonly properties?: Readonly<Record<string, unknown>> | undefined;
  /** The quantity that was used of limits; all that was reserved where it doesn't say. */
  readonly actual?:
    | {
        readonly count?: number | undefined;
        readonly amount?: { readonly value: number; readonly unit: string; readonly decimals: number } | undefined;
      }
    | undefined;
}

export interface StoredDecision<Shown = DecisionRecord> {
  readonly record: Shown;
  readonly outcome?: (ReportedOutcome & { readonly reported_at: string; readonly reported_by: string }) | undefined;
}

/** A record whose values stay sealed, for readers who may not see them. */
export interface ClosedRecord {
  /** The record as the log has it. */
  readonly record: Readonly<Record<string, unknown>>;
  /** Whether the log has it without people and values; records of versions before have them in clear. */
  readonly isProtected: boolean;
}

/** Finds the row that tells a decision: of one that was answered otherwise than it was recorded, its correction's. @throws Fault */
export async function findDecisionRow(database: Pick<Database, 'run'>, id: string): Promise<DatabaseRow | undefined> {
  const [rows] = await database.run([
    {
      sql: `select coalesce(c.record, d.record) as record, encode(v.sealed, 'base64') as sealed,
              v.persons, coalesce(c.protected, d.protected) as protected, o.record as outcome, o.at, o.client
            from records d
            left join records o on o.kind = 'outcome'
              and o.about = coalesce((d.record->'reservation'->>'decision')::uuid, d.id)
            left join records c on c.about = d.id and c.kind = 'correction'
            left join record_values v on v.record = coalesce(c.id, d.id)
            where d.id = $1::uuid and d.decision is not null`,
      params: [id],
    },
  ]);
  return rows?.[0];
}

/** @param row with `outcome`, `at` and `client` */
export function toStoredDecision<Shown>(row: DatabaseRow, record: Shown): StoredDecision<Shown> {
  if (row['outcome'] === null) return { record };
  const reported = { reported_at: (row['at'] as Date).toISOString(), reported_by: String(row['client']) };
  return { record, outcome: { ...(row['outcome'] as ReportedOutcome), ...reported } };
}

/** @param row with `record` and `protected` */
export function toClosedRecord(row: DatabaseRow): ClosedRecord {
  return { record: row['record'] as ClosedRecord['record'], isProtected: row['protected'] === true };
}
