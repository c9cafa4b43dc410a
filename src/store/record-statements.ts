/** Stores a group of records in one transaction, each with what it reserves of limits and with its effects. record-queue.ts calls it. */
import type { LimitState, RecordResult, Reservation, ReservedEvent } from '../model/limits.js';
import { formatQuantityNumber } from '../model/quantities.js';
import type { Database, DatabaseRow, SqlStatement } from './database/port.js';
import type { QueuedRecord } from './record-backlog.js';
import { insertValuesSql } from './record-values.js';
import { serializeQuery } from './history.js';
import type { NamedCharge } from './limit-names.js';
import { insertEventsSql } from './history-tables.js';
import { effectStatements } from './record-effects.js';
import { FOUND_COLUMNS, qualifyColumns, ROW_COLUMNS, ROW_TYPES, VALUE_COLUMNS } from './record-tables.js';

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
  const corrections = group.filter(({ correction }) => correction !== undefined);
  const plain = group.filter(({ reservation, correction }) => reservation === undefined && correction === undefined);
  const reserving = group.filter(({ reservation }) => reservation !== undefined);
  const released = group.flatMap(({ id, releases }) => (releases ? [id] : []));
  const statements: SqlStatement[] = [];
  // Corrections first: their rows wait for a transaction that was given up and still runs, so what it reserves is seen.
  if (corrections.length > 0) statements.push(...correctionStatements(corrections));
  if (plain.length > 0) statements.push(insertStatement(plain.map(({ text }) => text)));
  if (reserving.length + released.length > 0) statements.push(buildReservation(reserving, released));
  const results = await database.run([...statements, ...effectStatements(group)]);
  const rows = reserving.length + released.length > 0 ? results[statements.length - 1] : undefined;
  return new Map((rows ?? []).map((row) => [String(row['id']), toResult(row)]));
}

/** Inserts records in one statement. One that is there already stays as it is. */
function insertStatement(rows: readonly string[]): SqlStatement {
  return {
    sql: `with given as (select * from jsonb_to_recordset($1::jsonb) as r (${ROW_TYPES}, events jsonb)),
            stored as (
              insert into records (${ROW_COLUMNS}) select ${ROW_COLUMNS} from given on conflict (id) do nothing returning id),
            happened as (${insertEventsSql('(select g.id, g.events from given g join stored using (id))')})
          ${insertValuesSql('(select g.* from given g join stored using (id))')}`,
    params: [`[${rows.join(',')}]`],
  };
}

/**
 * Stores that decisions were answered otherwise than they were given to be recorded. Where the first record isn't there, the
 * correction takes its place, and the first will find it there; it waits for one that is on its way. Where it is there, it
 * stays, and the correction is a record of its own.
 */
function correctionStatements(corrections: readonly QueuedRecord[]): SqlStatement[] {
  const rows = corrections.map(({ correction = '', text }) => `{"correction":"${correction}","row":${text}}`);
  return [
    insertStatement(corrections.map(({ text }) => text)),
    {
      // A statement of its own: the one before may have waited for a row that it could not see yet.
      sql: `with given as (
              select c.correction as id, r.id as about, ${qualifyColumns('r', VALUE_COLUMNS)}, ${qualifyColumns('r', FOUND_COLUMNS)}
              from jsonb_to_recordset($1::jsonb) as c (correction uuid, row jsonb)
              cross join lateral jsonb_to_record(c.row) as r (${ROW_TYPES})),
              stored as (
                insert into records (id, kind, about, ${FOUND_COLUMNS})
                select g.id, 'correction', g.about, ${qualifyColumns('g', FOUND_COLUMNS)}
                from given g join records d on d.id = g.about and d.record is distinct from g.record
                on conflict do nothing returning id)
            ${insertValuesSql('(select g.* from given g join stored using (id))')}`,
      params: [`[${rows.join(',')}]`],
    },
  ];
}

function buildReservation(records: readonly QueuedRecord[], released: readonly string[]): SqlStatement {
  const requests = records.map(({ id, text, reservation = '' }) => `{"id":"${id}","row":${text},${reservation}}`);
  return {
    sql: 'select id, accepted, state from store_reserving($1::jsonb, $2::uuid[])',
    params: [`[${requests.join(',')}]`, `{${released.join(',')}}`],
  };
}

/**
 * The events of a record that reserves nothing, and rests on nothing before it, as a member of its row; undefined for any other.
 * Most agents' reads are such, and storing them with their reservation takes several times as long.
 */
export function serializeEvents(reservation: Reservation): string | undefined {
  const { at, parts, retry, repeat, approval, others, history } = reservation;
  const reserves = [retry, repeat, approval, others].some((member) => member !== undefined) || parts.length > 0;
  if (reserves || history === undefined || history.answered.length > 0) return undefined;
  return `"events":${JSON.stringify(history.events.map((event) => ({ ...serializeEvent(event), at })))}`;
}

function serializeEvent({ lastsMs, ...event }: ReservedEvent): object {
  return { ...event, lasts: lastsMs };
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
    parts: parts.map(({ charges, count, items }) => ({
      count,
      items,
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
            events: history.events.map(serializeEvent),
          },
        }),
    ...(others === undefined
      ? {}
      : { others: others.map(({ key, former, since }: NamedCharge) => ({ key, former, since })) }),
  });
  return text.slice(1, -1);
}

function serializeCharge(
  { limit: { bound }, key, former, required, since, end, length, expires }: NamedCharge,
  at: number,
): object {
  const { decimals, unit } = bound;
  return {
    key,
    former,
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
