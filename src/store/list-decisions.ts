/**
 * Pages of decision records, the newest first. The work for a page is bounded whatever the store holds: an index leads to
 * where the page begins, so many rows are looked at, and so many bytes are read. A page that this cuts short leads on.
 */
import type { DecisionRecord, SearchRecord } from '../model/decision.js';
import { BadRequest } from '../model/faults.js';
import type { Database, DatabaseRow, SqlStatement } from './database/port.js';
import { parseDescribedRef } from '../model/ids.js';
import type { RecordValues } from './record-values.js';
import { toSearchKey } from './record-row.js';
import { qualifyColumns } from './record-tables.js';

/** Selects records; undefined members select all. */
export interface DecisionFilter {
  /** The id of the client that asked. */
  readonly client?: string | undefined;
  /** The user that it was asked for, as `type:id`. */
  readonly user?: string | undefined;
  /** The agent that acted, as `type:id`. */
  readonly agent?: string | undefined;
  /** The resource, as `type:id`: of a decision, or among those that a list returned. */
  readonly resource?: string | undefined;
  readonly action?: string | undefined;
  /** The code of a deny's first reason. */
  readonly reason?: string | undefined;
  readonly task?: string | undefined;
  /** The session of the token. */
  readonly session?: string | undefined;
  /** RFC 3339: decisions made at this time or later. */
  readonly since?: string | undefined;
  /** RFC 3339: decisions made before this time. */
  readonly until?: string | undefined;
  readonly decision?: boolean | undefined;
  /**
   * Whether nothing but the user's own records is looked at: however many others there are, neither the length of a page nor the
   * number of pages tells of them.
   */
  readonly readsOwnOnly?: boolean | undefined;
}

/** The columns of what is selected by a text, each with an index of its own: those that select the fewest records first. */
const KEY_COLUMNS = {
  resource: 'resource_key',
  task: 'task',
  session: 'session',
  user: 'user_key',
  reason: 'reason',
  agent: 'agent_key',
  client: 'client',
  action: 'action',
} as const satisfies { readonly [member in keyof DecisionFilter]?: string };

export interface DecisionPage<Shown = DecisionRecord | SearchRecord> {
  readonly records: readonly Shown[];
  /** The key after which the next page begins; undefined at the end. */
  readonly next: string | undefined;
}

/** The most rows that are looked at for a page, where only some of them are selected: no index tells allows from denies. */
export const MAX_SCANNED_ROWS = 1_000;
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
  values: Pick<RecordValues, 'findName' | 'nameTask' | 'open'>,
  filter: DecisionFilter,
  after: string | undefined,
  limit: number,
): Promise<DecisionPage> {
  const { records: rows, next } = await listDecisionRows(database, values, filter, after, limit);
  return { records: (await values.open(rows)) as readonly (DecisionRecord | SearchRecord)[], next };
}

/** Reads the same page as its rows, with their values sealed. @throws Fault; BadRequest where the key is none */
export async function listDecisionRows(
  database: Database,
  values: Pick<RecordValues, 'findName' | 'nameTask'>,
  filter: DecisionFilter,
  after: string | undefined,
  limit: number,
): Promise<DecisionPage<DatabaseRow>> {
  const named = await nameParties(values, filter);
  if (named === undefined) return { records: [], next: undefined };
  const [, rows = [], [end] = []] = await database.run(buildListStatements(named, after, limit));
  const visibleRows = rows.filter((row) => row['record'] !== null);
  const last = rows.length > visibleRows.length ? visibleRows.at(-1) : end;
  return { records: visibleRows, next: last === undefined ? undefined : formatKey(last) };
}

/**
 * The statements for a page: a limit of time, its rows, and the row at which looking for them ended. One index leads to the rows
 * that are looked at, and the other members of the filter pick from them.
 */
export function buildListStatements(
  filter: DecisionFilter,
  after: string | undefined,
  limit: number,
): readonly SqlStatement[] {
  const { scanned, scannedCount, scanParams, others } = buildScan(filter, after, limit);
  const params = [...scanParams];
  const { decision } = filter;
  const pick = (column: string, place: string): string =>
    column === KEY_COLUMNS.resource
      ? // A scalar: an "exists" is planned as a table of all lists that the resource is in, once the plan is made for any values.
        `(${column} = ${place} or (select true from record_items i where i.item = ${place} and i.at = s.at and i.id = s.id))`
      : `${column} = ${place}`;
  const picked = [
    // What was corrected is told by its correction.
    `not exists (select from records c where c.about = s.id and c.kind = 'correction')`,
    ...(decision === undefined ? [] : [`decision = $${params.push(decision)}`]),
    ...others.map(({ column, value }) => pick(column, `$${params.push(value)}`)),
  ];
  return [
    { sql: `set local statement_timeout = ${STATEMENT_TIMEOUT_MS}` },
    {
      // One record after the other is read, until the page is full: a list's may be a MiB long. That there is a row beyond the
      // page, whose record isn't read, says that a page follows.
      sql: `with recursive scanned as materialized (${scanned}),
              picked as (select id, at from scanned s where ${picked.join(' and ')}
                order by at desc, id desc limit ${limit + 1}),
              placed as materialized (select id, at, row_number() over (order by at desc, id desc) as place from picked),
              page as (
                select p.place, (select record from records where id = p.id) as record, 0::bigint as size_before
                from placed p where p.place = 1
                union all
                select p.place, (select record from records where id = p.id), s.size
                from (select place, size_before + octet_length(record::text) as size from page offset 0) s
                join placed p on p.place = s.place + 1
                where s.size < ${MAX_PAGE_BYTES} and p.place <= ${limit})
            select p.id, p.at, g.record, (select protected from records where id = p.id) as protected, encode(v.sealed, 'base64') as sealed, v.persons
            from placed p left join page g on g.place = p.place
            left join record_values v on v.record = p.id and g.record is not null order by p.place`,
      params,
    },
    { sql: `select id, at from (${scanned}) s offset ${scannedCount - 1}`, params: scanParams },
  ];
}

interface RecordScan {
  /** Selects the rows that are looked at. */
  readonly scanned: string;
  readonly scannedCount: number;
  readonly scanParams: readonly (string | number | boolean)[];
  /** The columns that pick from them. */
  readonly others: readonly { readonly column: string; readonly value: string }[];
}

function buildScan(filter: DecisionFilter, after: string | undefined, limit: number): RecordScan {
  const params: string[] = [];
  const param = (value: string): string => `$${params.push(value)}`;
  const keys = Object.entries(KEY_COLUMNS).flatMap(([member, column]) => {
    const value = filter[member as keyof typeof KEY_COLUMNS];
    return value === undefined ? [] : [{ column, value: toSearchKey(value) }];
  });
  const leading = keys.find(({ column }) => filter.readsOwnOnly !== true || column === KEY_COLUMNS.user);
  const others = keys.filter((key) => key !== leading);
  const { since, until, decision } = filter;
  // Conditions that are left out, rather than true for null: only so does the planner choose the index of those that are there.
  const key = leading === undefined ? undefined : { column: leading.column, value: param(leading.value) };
  const keyed = key === undefined ? [] : [`${key.column} = ${key.value}`];
  const times = [
    ...(since === undefined ? [] : [`at >= ${param(since)}::timestamptz`]),
    ...(until === undefined ? [] : [`at < ${param(until)}::timestamptz`]),
    ...(after === undefined ? [] : [formatAfter(parseKey(after), param)]),
  ];
  const picksNone = decision === undefined && others.length === 0;
  const scannedCount = picksNone ? limit + 1 : MAX_SCANNED_ROWS;
  const columns = ['id', 'at', 'decision', ...others.map(({ column }) => column)].join(', ');
  const order = `order by at desc, id desc limit ${scannedCount}`;
  const select = (names: string): string => `select ${names} from records
            where ${['decision is not null', ...keyed, ...times].join(' and ')} ${order}`;
  if (key?.column !== KEY_COLUMNS.resource)
    return { scanned: select(columns), scannedCount, scanParams: params, others };
  // The lists that returned the resource have an index of their own. One that was about it as well is found by both. Indexes alone
  // say which rows are looked at, so that no more records are read than those.
  const byItem = `select at, id from record_items where ${[`item = ${key.value}`, ...times].join(' and ')} ${order}`;
  const scanned = `select ${qualifyColumns('r', columns)}
              from (select at, id from ((${select('at, id')}) union (${byItem})) u ${order}) k join records r on r.id = k.id
              order by r.at desc, r.id desc`;
  return { scanned, scannedCount, scanParams: params, others };
}

/** The filter with the names that the log has of people and tasks; undefined where it has none, so no record is theirs. */
async function nameParties(
  values: Pick<RecordValues, 'findName' | 'nameTask'>,
  filter: DecisionFilter,
): Promise<DecisionFilter | undefined> {
  const named: Partial<Record<'user' | 'agent' | 'resource', string>> = {};
  for (const member of ['user', 'agent', 'resource'] as const) {
    const text = filter[member];
    if (text === undefined) continue;
    const ref = parseDescribedRef(text);
    const name = ref && (await values.findName(ref));
    if (ref === undefined || name === undefined) return undefined;
    named[member] = `${ref.type}:${name}`;
  }
  const { task } = filter;
  return { ...filter, ...named, ...(task === undefined ? {} : { task: values.nameTask(task) }) };
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
