/**
 * The store of the retention: what it has said, which is on record itself, and the records that are old enough to go. A leaf stays
 * as it is, so that the log still verifies.
 */
import type { LoggedRecord } from '../audit/leaf.js';
import { ADVISORY_LOCKS, LOCK_NAMESPACE } from './database/locks.js';
import type { Database, DatabaseRow } from './database/port.js';
import { selectLogged, toLoggedRecord } from './log-rows.js';

/** Outcomes are found by their times as decisions are, and notes of the retention among all records. */
export const RETENTION_INDEXES = [
  `create index records_later on records (at, id) where decision is null`,
  `create index records_retention on records (at) where kind = 'retention'`,
] as const;

/** One note of the retention. */
export interface StoredRetention {
  readonly id: string;
  /** Its text, with the signatures where keys sign the log. */
  readonly note: string;
  /** Its place in the log; undefined while it waits for that. */
  readonly index: number | undefined;
  /** The list that the note refers to, of what a legal hold keeps; read of the newest alone. */
  readonly held?: string | undefined;
}

export interface RetentionState {
  /** The clock of the database. */
  readonly databaseNow: Date;
  /** The newest first, up to a bound. */
  readonly retentions: readonly StoredRetention[];
  /** The number of all of them. */
  readonly count: number;
}

/** A record that may be pruned, with its leaf. */
export interface AgedRecord {
  readonly logged: LoggedRecord;
  readonly index: number;
  readonly leaf: string;
  /** Whether it has one of the names that are on hold. */
  readonly isHeld: boolean;
}

export interface AgedQuery {
  /** RFC 3339. */
  readonly olderThan: string;
  /** The place in the log that they are below. */
  readonly below: number;
  /** Texts that a record on hold has one of. */
  readonly heldNames: readonly string[];
}

/** Decisions, lists and corrections go before what was reported or proved of them. */
export type AgedKind = 'decided' | 'later';

/** More than are made between two keys of the log; those before them say nothing that these don't. */
const MAX_SHOWN_RETENTIONS = 50;
/** Their lists may be long. The newest alone counts, and one before it while that waits for its place or its time. */
const RETENTIONS_WITH_LISTS = 3;
/** The records that are looked at and deleted at a time: few, since a decision may wait for the database meanwhile. */
const MAX_AGED_RECORDS = 100;
const MAX_AGED_BYTES = 512 * 1024;
/** The client of a record that the service makes by itself: no client is named so. */
const OWN_CLIENT = '';

/** Changes of what is in force, erasures and the retention's own notes stay: they are few, and say what holds now. */
const AGED_CONDITIONS: Readonly<Record<AgedKind, string>> = {
  decided: 'r.decision is not null',
  // The first outcome of a decision counts, so it stays while there is anything that it is the outcome of. A proved path goes with it.
  later: `r.kind in ('outcome', 'path') and not exists (select from records d where d.id = r.about)
    and not exists (select from history_events h where h.decision = r.about)`,
};

/** The records that the retention prunes, each in its time. */
const PRUNED_CONDITION = `(r.decision is not null or r.kind in ('outcome', 'path'))`;

export class RetentionStore {
  constructor(private readonly database: Pick<Database, 'run'>) {}

  /** @throws Fault */
  async readState(): Promise<RetentionState> {
    const [clock, rows = []] = await this.database.run([
      { sql: `select now() as now, (select count(*)::int from records where kind = 'retention') as count` },
      {
        sql: `select r.id, r.record->>'note' as note, l.index,
                case when row_number() over (order by l.index desc nulls first) <= ${RETENTIONS_WITH_LISTS} then r.record->>'held' end as held
              from records r left join log_leaves l on l.id = r.id
              where r.kind = 'retention' order by l.index desc nulls first limit ${MAX_SHOWN_RETENTIONS}`,
      },
    ]);
    return {
      databaseNow: clock?.[0]?.['now'] as Date,
      retentions: rows.map(toStoredRetention),
      count: Number(clock?.[0]?.['count']),
    };
  }

  /**
   * Puts what the retention says on record, unless another replica has since the state was read.
   * @param held the list that the note refers to
   * @throws Fault
   */
  async add(
    { note, held }: { readonly note: string; readonly held?: string | undefined },
    at: Date,
    { count }: Pick<RetentionState, 'count'>,
  ): Promise<void> {
    await this.database.run([
      { sql: `select pg_advisory_xact_lock(${LOCK_NAMESPACE}, ${ADVISORY_LOCKS.retention})` },
      {
        sql: `insert into records (id, kind, at, client, record)
              select gen_random_uuid(), 'retention', $1::timestamptz, '${OWN_CLIENT}',
                jsonb_strip_nulls(jsonb_build_object('note', $2::text, 'held', $4::text))
              where (select count(*) from records where kind = 'retention') = $3::int`,
        params: [at.toISOString(), note, count, held ?? null],
      },
    ]);
  }

  /**
   * Reads records that are old enough, in the order of their times, with their leaves.
   * @param after the one to begin after; undefined for the first page
   * @throws Fault
   */
  async readAged(
    kind: AgedKind,
    { olderThan, below, heldNames }: AgedQuery,
    after: AgedRecord | undefined,
  ): Promise<readonly AgedRecord[]> {
    const start = after === undefined ? '' : 'and (r.at, r.id) > ($4::timestamptz, $5::uuid)';
    const [rows = []] = await this.database.run([
      {
        sql: `with aged as materialized (
                select r.id, r.at, l.index, l.leaf, octet_length(r.record::text) as bytes
                from records r join log_leaves l on l.id = r.id
                where ${AGED_CONDITIONS[kind]} and r.at < $1::timestamptz and l.index < $2::bigint ${start}
                order by r.at, r.id limit ${MAX_AGED_RECORDS}),
              sized as (select *, sum(bytes) over (order by at, id) - bytes as bytes_before from aged)
              select ${selectLogged('r')}, s.index, s.leaf, exists (
                select from jsonb_array_elements_text($3::jsonb) n where position(n in r.record::text) > 0) as is_held
              from sized s join records r on r.id = s.id
              where s.bytes_before < ${MAX_AGED_BYTES} order by s.at, s.id`,
        params: [
          olderThan,
          below,
          JSON.stringify(heldNames),
          ...(after === undefined ? [] : [after.logged.at, after.logged.id]),
        ],
      },
    ]);
    return rows.map((row) => ({
      logged: toLoggedRecord(row),
      index: Number(row['index']),
      leaf: String(row['leaf']),
      isHeld: row['is_held'] === true,
    }));
  }

  /**
   * Finds the places of records, and of what was reported or proved of them, as far as a note covers them.
   * @throws Fault
   */
  async listPlaces(
    ids: readonly string[],
    { olderThan, below }: Pick<AgedQuery, 'olderThan' | 'below'>,
  ): Promise<readonly number[]> {
    if (ids.length === 0) return [];
    const [rows = []] = await this.database.run([
      {
        sql: `select l.index from records r join log_leaves l on l.id = r.id
              where (r.id = any ($1::uuid[]) or r.about = any ($1::uuid[])) and ${PRUNED_CONDITION}
                and r.at < $2::timestamptz and l.index < $3::bigint`,
        params: [`{${ids.join(',')}}`, olderThan, below],
      },
    ]);
    return rows.map(({ index }) => Number(index));
  }

  /** Selects the places of which the record is gone. @throws Fault */
  async selectMissing(places: readonly number[]): Promise<readonly number[]> {
    const [rows = []] = await this.database.run([
      {
        sql: `select l.index from log_leaves l join records r on r.id = l.id
              where l.index in (select p::bigint from jsonb_array_elements_text($1::jsonb) p)`,
        params: [JSON.stringify(places)],
      },
    ]);
    const present = new Set(rows.map(({ index }) => Number(index)));
    return places.filter((place) => !present.has(place));
  }

  /**
   * Deletes records, with their values and with what lists are found by.
   * @returns whether it was this replica's turn: one at a time deletes
   * @throws Fault
   */
  async prune(ids: readonly string[]): Promise<boolean> {
    const [rows] = await this.database.run([
      {
        sql: `with turn as materialized (
                select pg_try_advisory_xact_lock(${LOCK_NAMESPACE}, ${ADVISORY_LOCKS.retention}) as is_ours),
              old as materialized (
                select r.id, r.at, r.kind, r.record from records r, turn where is_ours and r.id = any ($1::uuid[])),
              items as (
                delete from record_items i using old, jsonb_array_elements(old.record->'items') e
                where old.kind = 'list' and i.item = search_key((e->>'type') || ':' || (e->>'id'))
                  and i.at = old.at and i.id = old.id),
              gone as (delete from records where id in (select id from old))
              select is_ours from turn`,
        params: [`{${ids.join(',')}}`],
      },
    ]);
    return rows?.[0]?.['is_ours'] === true;
  }
}

function toStoredRetention(row: DatabaseRow): StoredRetention {
  const { id, note, index, held } = row;
  return {
    id: String(id),
    note: String(note),
    index: index === null ? undefined : Number(index),
    ...(typeof held === 'string' ? { held } : {}),
  };
}
