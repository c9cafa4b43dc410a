/** Rows of records as their leaves are made of them, for the sequencer and for verifying. */
import type { LoggedRecord } from '../audit/leaf.js';
import type { DatabaseRow } from './database/port.js';
import { FOUND_COLUMNS, qualifyColumns } from './record-tables.js';

/** The columns that records are found by, without the time and the record, which leaves have by themselves. */
const KEY_COLUMNS_OF_LEAF = FOUND_COLUMNS.split(', ').filter((column) => column !== 'at' && column !== 'record');

/** The columns that a leaf is made of, of the table that the alias names. Times are told to the microsecond. */
export function selectLogged(alias: string): string {
  return `${alias}.id, ${alias}.kind, ${alias}.about, encode(${alias}.seed, 'hex') as seed, ${alias}.record,
    to_char(${alias}.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as logged_at,
    ${qualifyColumns(alias, KEY_COLUMNS_OF_LEAF.join(', '))}`;
}

/** A column that has nothing is no key, so that a column that is added later leaves older leaves as they are. */
export function toLoggedRecord(row: DatabaseRow): LoggedRecord {
  return {
    id: String(row['id']),
    kind: String(row['kind']),
    at: String(row['logged_at']),
    ...(typeof row['about'] === 'string' ? { about: row['about'] } : {}),
    seed: String(row['seed']),
    keys: Object.fromEntries(
      KEY_COLUMNS_OF_LEAF.flatMap((column) => (row[column] === null ? [] : [[column, row[column]]])),
    ),
    record: row['record'] as LoggedRecord['record'],
  };
}
