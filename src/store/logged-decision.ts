/** A decision with its leaf and the seed of its commitments: what a receipt is made of. */
import type { LoggedRecord } from '../audit/leaf.js';
import type { DecisionRecord, SearchRecord } from '../model/decision.js';
import type { Database } from './database/port.js';
import { selectLogged, toLoggedRecord } from './log-rows.js';
import type { LogEntry } from './log-store.js';
import type { RecordValues } from './record-values.js';

export interface LoggedDecision {
  /** The record with its values, as far as they are there. */
  readonly record: DecisionRecord | SearchRecord;
  /** The record as the log has it. */
  readonly logged: LoggedRecord;
  /** undefined: it is not sequenced yet. */
  readonly entry: LogEntry | undefined;
  /** The secret of the commitments in the record; undefined where its values are gone. */
  readonly seed: Buffer | undefined;
}

/** Finds a decision or a list; the correction of one that was answered otherwise than it was recorded at first. @throws Fault */
export async function findLoggedDecision(
  database: Pick<Database, 'run'>,
  values: Pick<RecordValues, 'openWithSeeds'>,
  id: string,
): Promise<LoggedDecision | undefined> {
  const [rows] = await database.run([
    {
      sql: `select ${selectLogged('r')}, l.index, l.leaf, encode(v.sealed, 'base64') as sealed, v.persons
            from records d
            left join records c on c.about = d.id and c.kind = 'correction'
            join records r on r.id = coalesce(c.id, d.id)
            left join log_leaves l on l.id = r.id left join record_values v on v.record = r.id
            where d.id = $1::uuid and d.decision is not null`,
      params: [id],
    },
  ]);
  const row = rows?.[0];
  if (row === undefined) return undefined;
  const [opened] = await values.openWithSeeds([row]);
  return {
    record: opened?.record as DecisionRecord | SearchRecord,
    logged: toLoggedRecord(row),
    entry: row['index'] === null ? undefined : { index: Number(row['index']), leaf: String(row['leaf']) },
    seed: opened?.seed,
  };
}
