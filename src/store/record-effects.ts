/** Stores the effects of records in their own transaction, after them: of a record that isn't there as it was made, none. */
import type { RecordEffects } from '../model/record-effects.js';
import type { SqlStatement } from './database/port.js';

/** The effects of a record as its group carries them. */
export interface SerializedEffects {
  /** The rows of {@link reachedStatement}, as JSON without the brackets; empty where there are none. */
  readonly reached: string;
}

/** @param record as it was made */
export function serializeEffects(
  record: { readonly id: string; readonly evaluated_at: string; readonly decision: boolean },
  { reachedLimits }: RecordEffects,
): SerializedEffects | undefined {
  if (reachedLimits.length === 0) return undefined;
  const { id, decision, evaluated_at: at } = record;
  const rows = reachedLimits.map(({ key, until, ids, user }) => ({
    decision: id,
    allowed: decision,
    at,
    key,
    until,
    ids: { decision: id, ...ids },
    user_type: user?.type,
    user_id: user?.id,
  }));
  return { reached: JSON.stringify(rows).slice(1, -1) };
}

export function measureEffects(effects: SerializedEffects | undefined): number {
  return effects === undefined ? 0 : Buffer.byteLength(effects.reached);
}

/** The statements that store the effects of a group, after those of its records. */
export function effectStatements(
  group: readonly { readonly effects: SerializedEffects | undefined }[],
): SqlStatement[] {
  const reached = group.flatMap(({ effects }) => effects?.reached ?? []).filter((rows) => rows !== '');
  return reached.length === 0 ? [] : [reachedStatement(`[${reached.join(',')}]`)];
}

/** Tells of limits that are reached, once in the window of each. Its rows are locked in one order, as those of limits are. */
function reachedStatement(rows: string): SqlStatement {
  return {
    sql: `with reached as (
            select distinct on (t.key collate "C") t.*
            from jsonb_to_recordset($1::jsonb) as t (decision uuid, allowed boolean, at timestamptz, key text,
              until bigint, ids jsonb, user_type text, user_id text)
            join decisions d on d.id = t.decision and d.decision = t.allowed
            order by t.key collate "C", t.at),
          noted as (
            insert into limit_notices as n (key, until) select key, until from reached order by key collate "C"
            on conflict (key) do update set until = excluded.until
              where n.until <= (select extract(epoch from min(at)) * 1000 from reached)
            returning key)
          insert into events (event, at, ids, user_type, user_id)
          select 'limit.reached', at, ids, user_type, user_id from reached join noted using (key)`,
    params: [rows],
  };
}
