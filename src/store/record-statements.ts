/** Stores a group of records in one transaction, each with what it reserves of limits and with its effects. record-queue.ts calls it. */
import type { Charge, LimitState, RecordResult, Reservation } from '../model/limits.js';
import { formatQuantityNumber } from '../model/quantities.js';
import type { Database, DatabaseRow, SqlStatement } from './database/port.js';
import type { QueuedRecord } from './record-backlog.js';
import { serializeQuery } from './history.js';
import { effectStatements } from './record-effects.js';

/** The result of a record that reserves nothing. */
export const STORED: RecordResult = { kind: 'stored', accepted: [] };

/** The longest after which an outcome may be reported; until then its uses are kept, however short the window. */
const LONGEST_SETTLING_MS = 24 * 3_600_000;
/** The most that the clocks of replicas may differ for uses to be counted exactly. */
const REPLICA_CLOCK_SLACK_MS = 3_600_000;

/** @returns the results of the records that reserve something, by their ids */
export async function storeRecords(
  database: Database,
  group: readonly QueuedRecord[],
): Promise<ReadonlyMap<string, RecordResult>> {
  const plain = group.filter(({ reservation }) => reservation === undefined);
  const reserving = group.filter(({ reservation }) => reservation !== undefined);
  const released = group.flatMap(({ id, releases }) => (releases ? [id] : []));
  const statements: SqlStatement[] = [];
  // Corrections first: their rows wait for a transaction that was given up and still runs, so what it reserves is seen.
  if (plain.length > 0) statements.push(buildInsert(plain));
  if (reserving.length + released.length > 0) statements.push(buildReservation(reserving, released));
  const results = await database.run([...statements, ...effectStatements(group)]);
  const rows = reserving.length + released.length > 0 ? results[statements.length - 1] : undefined;
  return new Map((rows ?? []).map((row) => [String(row['id']), toResult(row)]));
}

/** Inserts records in one statement. Of a record that is there already, a deny is the last word. */
function buildInsert(records: readonly QueuedRecord[]): SqlStatement {
  return {
    sql: `insert into decisions (id, at, client, decision, record)
          select (r->>'id')::uuid, (r->>'evaluated_at')::timestamptz, r->>'client', (r->>'decision')::boolean, r
          from jsonb_array_elements($1::jsonb) r
          on conflict (id) do update set decision = excluded.decision, record = excluded.record
            where not excluded.decision`,
    params: [`[${records.map((record) => record.text).join(',')}]`],
  };
}

function buildReservation(records: readonly QueuedRecord[], released: readonly string[]): SqlStatement {
  const requests = records.map(({ id, text, reservation = '' }) => `{"id":"${id}","record":${text},${reservation}}`);
  return {
    sql: 'select id, accepted, state from store_reserving($1::jsonb, $2::uuid[])',
    params: [`[${requests.join(',')}]`, `{${released.join(',')}}`],
  };
}

/** The reservation as the members that the statement reads beside the record's. */
export function serializeReservation({
  at,
  parts,
  partial,
  retry,
  repeat,
  approval,
  others,
  history,
}: Reservation): string {
  const text = JSON.stringify({
    at,
    partial,
    parts: parts.map(({ charges, count }) => ({
      count,
      charges: charges.map((charge) => serializeCharge(charge, at)),
    })),
    ...(retry === undefined ? {} : { retry }),
    ...(repeat === undefined ? {} : { repeat }),
    ...(approval === undefined ? {} : { approval }),
    ...(history === undefined
      ? {}
      : {
          history: {
            answered: history.answered.map(({ query, value }) => ({ ...serializeQuery(query), value })),
            events: history.events.map(({ lastsMs, ...event }) => ({ ...event, lasts: lastsMs })),
          },
        }),
    ...(others === undefined ? {} : { others: others.map(({ key, since }) => ({ key, since })) }),
  });
  return text.slice(1, -1);
}

function serializeCharge({ limit: { bound }, key, required, since, end, length, expires }: Charge, at: number): object {
  const { decimals, unit } = bound;
  return {
    key,
    bound: formatQuantityNumber(bound),
    quantity: formatQuantityNumber({ value: required, decimals }),
    ...(unit === undefined ? {} : { unit }),
    ...(since === undefined ? {} : { since }),
    expires_at: end ?? (length === undefined ? (expires ?? null) : at + length),
    forgotten: at - Math.max(length ?? 0, LONGEST_SETTLING_MS) - REPLICA_CLOCK_SLACK_MS,
  };
}

function toResult(row: DatabaseRow): RecordResult {
  const accepted = row['accepted'] as readonly number[] | null;
  return accepted === null ? { kind: 'overtaken', state: row['state'] as LimitState } : { kind: 'stored', accepted };
}
