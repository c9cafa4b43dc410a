/** A decision or a list as it is read: its row, which has the values sealed beside the record, and what was reported of it. */
import type { DecisionRecord } from '../model/decision.js';
import { isCommitment } from '../runtime/commitment.js';
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
              v.persons, coalesce(c.protected, d.protected) as protected, o.record as outcome, o.at, o.client,
              o.about as outcome_about, o.protected as outcome_protected, encode(w.sealed, 'base64') as outcome_sealed,
              w.persons as outcome_persons
            from records d
            left join records o on o.kind = 'outcome'
              and o.about = coalesce((d.record->'reservation'->>'decision')::uuid, d.id)
            left join records c on c.about = d.id and c.kind = 'correction'
            left join record_values v on v.record = coalesce(c.id, d.id)
            left join record_values w on w.record = o.id
            where d.id = $1::uuid and d.decision is not null`,
      params: [id],
    },
  ]);
  return rows?.[0];
}

/** The outcome of a decision's row as a row of its own, as records are opened; undefined where none was reported. */
export function toOutcomeRow(row: DatabaseRow): DatabaseRow | undefined {
  if (row['outcome'] === null) return undefined;
  return {
    record: row['outcome'],
    decision: row['outcome_about'],
    protected: row['outcome_protected'],
    sealed: row['outcome_sealed'],
    persons: row['outcome_persons'],
  };
}

/**
 * @param row with `at` and `client`
 * @param outcome as it is opened, or as it is stored: what is hidden of it is left out
 */
export function toStoredDecision<Shown>(row: DatabaseRow, record: Shown, outcome: unknown): StoredDecision<Shown> {
  if (typeof outcome !== 'object' || outcome === null) return { record };
  const shown = Object.entries(outcome).filter(([name, value]) => name !== 'values_erased' && !isCommitment(value));
  const reported = { reported_at: (row['at'] as Date).toISOString(), reported_by: String(row['client']) };
  return { record, outcome: { ...(Object.fromEntries(shown) as unknown as ReportedOutcome), ...reported } };
}

/** @param row with `record` and `protected` */
export function toClosedRecord(row: DatabaseRow): ClosedRecord {
  return { record: row['record'] as ClosedRecord['record'], isProtected: row['protected'] === true };
}
