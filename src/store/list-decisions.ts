/**
 * Pages of decision records, the newest first. The work for a page is bounded whatever the store holds: an index leads to
 * where the page begins, so many rows are looked at, and so many bytes are read. A page that this cuts short leads on.
 */
import type { DecisionRecord, SearchRecord } from '../model/decision.js';
import { BadRequest } from '../model/faults.js';
import type { Database, DatabaseRow, SqlStatement } from './database/port.js';

/** Selects records; undefined members select all. */
export interface DecisionFilter {
  /** The id of the client that asked. */
  readonly client?: string | undefined;
  /** RFC 3339: decisions made at this time or later. */
  readonly from?: string | undefined;
  /** RFC 3339: decisions made before this time. */
  readonly to?: string | undefined;
  readonly decision?: boolean | undefined;
}

export interface DecisionPage {
  readonly records: readonly (DecisionRecord | SearchRecord)[];
  /** The key after which the next page begins; undefined at the end. */
  readonly next: string | undefined;
}

/** The most rows that are looked at for a page, where only some of them are selected: no index tells allows from denies. */
export const MAX_SCANNED_ROWS = 2_000;
/** A page ends with the record that reaches this size, in bytes of its text: stored, it is compressed. */
const MAX_PAGE_BYTES = 512 * 1024;
/** The longest that a PostgreSQL server works on a page. */
const STATEMENT_TIMEOUT_MS = 2_000;

/**
 * Reads a page.
 * @param after the key of the page before; undefined for the first page
 * @throws Fault; BadRequest where the key is none
 */
export async function listDecisions(
  database: Database,
  filter: DecisionFilter,
  after: string | undefined,
  limit: number,
): Promise<DecisionPage> {
  const [, rows = [], ends = []] = await database.run(buildListStatements(filter, after, limit));
  const visibleRows = rows.filter((row) => row['record'] !== null);
  const [end] = ends;
  const last = rows.length > visibleRows.length ? visibleRows.at(-1) : end;
  return {
    records: visibleRows.map((row) => row['record'] as DecisionRecord | SearchRecord),
    next: last === undefined ? undefined : formatKey(last),
  };
}

/** The statements for a page: a limit of time, its rows, and the row at which looking for them ended. */
export function buildListStatements(
  { client, from, to, decision }: DecisionFilter,
  after: string | undefined,
  limit: number,
): readonly SqlStatement[] {
  const params: (string | number | boolean)[] = [];
  const param = (value: string | number | boolean): string => `$${params.push(value)}`;
  // Conditions that are left out, rather than true for null: only so does the planner choose the index of those that are there.
  const conditions = [
    ...(client === undefined ? [] : [`client = ${param(client)}`]),
    ...(from === undefined ? [] : [`at >= ${param(from)}::timestamptz`]),
    ...(to === undefined ? [] : [`at < ${param(to)}::timestamptz`]),
    ...(after === undefined ? [] : [formatAfter(parseKey(after), param)]),
  ];
  const where = conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`;
  const scannedCount = decision === undefined ? limit + 1 : MAX_SCANNED_ROWS;
  const scanned = `select id, at, decision from decisions ${where} order by at desc, id desc limit ${scannedCount}`;
  const scanParams = [...params];
  const picked = decision === undefined ? '' : `where decision = ${param(decision)}`;
  return [
    { sql: `set local statement_timeout = ${STATEMENT_TIMEOUT_MS}` },
    {
      // The record of a row beyond the page isn't read: that there is such a row says that a page follows.
      sql: `with scanned as materialized (${scanned}),
              picked as (select id, at from scanned ${picked} order by at desc, id desc limit ${limit + 1}),
              sized as (
                select p.id, p.at, row_number() over page as place,
                  sum(octet_length(d.record::text)) over page - octet_length(d.record::text) as size_before
                from picked p join decisions d on d.id = p.id window page as (order by p.at desc, p.id desc))
            select s.id, s.at, case when s.place <= ${limit} and s.size_before < ${MAX_PAGE_BYTES} then
                (select record from decisions d where d.id = s.id) end as record
            from sized s order by s.at desc, s.id desc`,
      params,
    },
    ...(decision === undefined
      ? []
      : [{ sql: `select id, at from (${scanned}) s offset ${MAX_SCANNED_ROWS - 1}`, params: scanParams }]),
  ];
}

interface PageKey {
  readonly at: string;
  readonly id: string;
}

function formatAfter({ at, id }: PageKey, param: (value: string) => string): string {
  return `(at, id) < (${param(at)}::timestamptz, ${param(id)}::uuid)`;
}

function formatKey({ at, id }: DatabaseRow): string {
  return `${(at as Date).toISOString()} ${String(id)}`;
}

function parseKey(text: string): PageKey {
  const [, at, id] = /^(\S+) (\S+)$/.exec(text) ?? [];
  if (at === undefined || id === undefined) throw new BadRequest('is not the next_token of this question', 'page_token');
  return { at, id };
} // prettier-ignore
