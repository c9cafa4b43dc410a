/** Stores the effects of records in their own transaction, after them: of a record that isn't there as it was made, none. */
import type { RecordEffects } from '../model/record-effects.js';
import { formatRef } from '../model/ids.js';
import type { SqlStatement } from './database/port.js';
import { dropReviewsStatement, openReviewsStatement } from './reviews.js';

/** The effects of a record as its group carries them: rows of JSON without the brackets, empty where there are none. */
export interface SerializedEffects {
  readonly reached: string;
  readonly reviews: string;
}

/**
 * @param record as it was made
 * @param reviewDueMs the time within which a review is due
 */
export function serializeEffects(
  record: { readonly id: string; readonly evaluated_at: string; readonly decision: boolean },
  { reachedLimits, reviews }: RecordEffects,
  reviewDueMs: number,
): SerializedEffects | undefined {
  if (reachedLimits.length + reviews.length === 0) return undefined;
  const { id, decision, evaluated_at: at } = record;
  const reached = reachedLimits.map(({ key, until, ids, user, unless }) => ({
    decision: id,
    // What a list reserves may make another decision of it.
    ...(unless === undefined ? { allowed: decision } : unless),
    at,
    key,
    until,
    ids: { decision: id, ...ids },
    user_type: user?.type,
    user_id: user?.id,
  }));
  const opened = reviews.map(({ permission, resource, action, user, agents, barred }) => ({
    decision: id,
    permission,
    resource_type: resource.type,
    resource_id: resource.id,
    action,
    user_type: user?.type,
    user_id: user?.id,
    agents,
    barred: barred.map(formatRef),
    opened: at,
    due: new Date(Date.parse(at) + reviewDueMs).toISOString(),
  }));
  return { reached: JSON.stringify(reached).slice(1, -1), reviews: JSON.stringify(opened).slice(1, -1) };
}

export function measureEffects(effects: SerializedEffects | undefined): number {
  return effects === undefined ? 0 : Buffer.byteLength(effects.reached) + Buffer.byteLength(effects.reviews);
}

/** The statements that store the effects of a group, after those of its records. */
export function effectStatements(
  group: readonly {
    readonly id: string;
    readonly correction: string | undefined;
    readonly effects: SerializedEffects | undefined;
  }[],
): SqlStatement[] {
  const join = (kind: keyof SerializedEffects): string =>
    group.flatMap(({ effects }) => (effects === undefined || effects[kind] === '' ? [] : effects[kind])).join(',');
  const [reached, reviews] = [join('reached'), join('reviews')];
  const corrected = group.flatMap(({ id, correction }) => (correction === undefined ? [] : [id]));
  return [
    ...(corrected.length === 0 ? [] : [dropReviewsStatement(corrected)]),
    ...(reached === '' ? [] : [reachedStatement(`[${reached}]`)]),
    ...(reviews === '' ? [] : [openReviewsStatement(`[${reviews}]`)]),
  ];
}

/**
 * Tells of limits that are reached, once in the window of each. Its rows are locked in one order, as those of limits are.
 * `offset 0` has each decision looked up, as reviews.ts has it.
 */
function reachedStatement(rows: string): SqlStatement {
  return {
    sql: `with reached as (
            select distinct on (t.key collate "C") t.*
            from jsonb_to_recordset($1::jsonb) as t (decision uuid, allowed boolean, at timestamptz, key text,
              until bigint, ids jsonb, user_type text, user_id text, since bigint, bound numeric, required numeric)
            cross join lateral (
              select from records where id = t.decision and decision = coalesce(t.allowed, decision) offset 0) d
            where t.bound is null or t.bound < t.required + (select r.used from limit_reading(t.key, t.since) r)
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
