/**
 * The store of the log. It only ever grows: a batch is stored whole, in a transaction that changes nothing where another
 * replica has stored one since the state was read.
 */
import type { LoggedRecord } from '../audit/leaf.js';
import { createTileReader, type HashTile, type TilePlace, type TileReader } from '../audit/tiles.js';
import type { TreeHead } from '../audit/tree.js';
import { Fault } from '../model/faults.js';
import { StatementRejectedFault, type Database, type DatabaseRow, type SqlStatement } from './database/port.js';
import { selectLogged, toLoggedRecord } from './log-rows.js';

export interface LogState extends TreeHead {
  /** The newest checkpoint; undefined where none was signed. */
  readonly checkpoint: string | undefined;
}

/** The leaves that are appended at one time, and the log before and after. */
export interface LogBatch {
  /** The log before. */
  readonly before: LogState;
  readonly leaves: readonly { readonly id: string; readonly leaf: string }[];
  /** The tiles that the leaves change, or add. */
  readonly tiles: readonly HashTile[];
  readonly after: LogState;
}

export interface LogEntry {
  readonly index: number;
  readonly leaf: string;
}

/** A record's place in the log, and who may see it. */
export interface LoggedPlace {
  /**
   * The client whose record it is, or whose decision was corrected or came to this; empty where a person made a change, undefined
   * where the log alone has it still.
   */
  readonly client: string | undefined;
  /** undefined: it is not sequenced yet. */
  readonly entry: LogEntry | undefined;
}

/** The records of a batch: bounded, since a decision may wait for the database meanwhile. */
const MAX_BATCH_RECORDS = 250;
/** Their bytes as they are stored, which is compressed. */
const MAX_BATCH_BYTES = 256 * 1024;
/** Waiting records are counted up to this number. */
const MAX_COUNTED_PENDING = 100_000;

export class LogStore {
  constructor(private readonly database: Pick<Database, 'run'>) {}

  /** @throws Fault */
  async readState(): Promise<LogState> {
    const [rows] = await this.database.run([STATE_STATEMENT]);
    return toState(rows?.[0]);
  }

  /** The records that come next, in the order of their ids: as many as a batch takes. @throws Fault */
  async takeNext(limit = MAX_BATCH_RECORDS): Promise<readonly LoggedRecord[]> {
    const [rows = []] = await this.database.run([
      {
        // A record that was removed before it was sequenced stays in the list: it is told by who verifies. Each is looked up by its
        // id: a join might read all records that there ever were, to come to the last ones.
        sql: `select ${selectLogged('r')} from (
                select id, sum(bytes) over (order by id) - bytes as bytes_before from (
                  select p.id, w.bytes from log_pending p
                  cross join lateral (select pg_column_size(record) as bytes from records where id = p.id offset 0) w
                  order by p.id limit ${limit}) n) s
              cross join lateral (select * from records where id = s.id offset 0) r
              where s.bytes_before < ${MAX_BATCH_BYTES} order by s.id`,
      },
    ]);
    return rows.map(toLoggedRecord);
  }

  /** The number of records that wait, up to a bound. @throws Fault */
  async countPending(): Promise<number> {
    const [rows] = await this.database.run([
      { sql: `select count(*) as waiting from (select from log_pending limit ${MAX_COUNTED_PENDING}) p` },
    ]);
    return Number(rows?.[0]?.['waiting']);
  }

  /** @returns a reader of these tiles, as far as they are there @throws Fault */
  async readTiles(places: readonly TilePlace[]): Promise<TileReader> {
    if (places.length === 0) return () => undefined;
    const [rows = []] = await this.database.run([
      {
        sql: `select t.level, t.tile, encode(t.hashes, 'hex') as hashes
              from jsonb_to_recordset($1::jsonb) as p (level smallint, tile bigint)
              join log_tiles t on t.level = p.level and t.tile = p.tile`,
        params: [JSON.stringify(places.map(({ level, tile }) => ({ level, tile })))],
      },
    ]);
    return createTileReader(
      rows.map((row) => ({
        level: Number(row['level']),
        tile: Number(row['tile']),
        hashes: Buffer.from(String(row['hashes']), 'hex'),
      })),
    );
  }

  /**
   * Appends a batch, which may have no leaves and only sign what is there.
   * @returns whether it is stored; otherwise the log is no longer what it was before
   * @throws Fault
   */
  async append(batch: LogBatch): Promise<boolean> {
    try {
      await this.database.run(appendStatements(batch));
      return true;
    } catch (error) {
      // Where the log has moved on, another replica was faster. Where it hasn't, something else is wrong.
      if (error instanceof StatementRejectedFault && !isSameState(await this.readState(), batch.before)) return false;
      throw error;
    }
  }

  /** Finds a record by its id, and its place; also one of which only the leaf is left. @throws Fault */
  async locate(id: string): Promise<LoggedPlace | undefined> {
    const [rows] = await this.database.run([
      {
        sql: `select coalesce(d.client, r.client) as client, l.index, l.leaf
              from (select $1::uuid as id) p left join records r on r.id = p.id
              left join records d on d.id = r.about and r.kind in ('outcome', 'correction')
              left join log_leaves l on l.id = p.id where r.id is not null or l.id is not null`,
        params: [id],
      },
    ]);
    const row = rows?.[0];
    if (row === undefined) return undefined;
    const entry = row['index'] === null ? undefined : { index: Number(row['index']), leaf: String(row['leaf']) };
    return { client: typeof row['client'] === 'string' ? row['client'] : undefined, entry };
  }
}

const STATE_STATEMENT: SqlStatement = { sql: `select size, encode(root, 'hex') as root, checkpoint from log_state` };

function appendStatements({ before, leaves, tiles, after }: LogBatch): SqlStatement[] {
  const rows = leaves.map(({ id, leaf }, i) => ({ index: before.size + i, id, leaf }));
  const tileRows = tiles.map(({ level, tile, hashes }) => ({ level, tile, hashes: hashes.toString('hex') }));
  return [
    {
      // Divides by zero, which ends the transaction, where the log is no longer what the batch was made for.
      sql: `with moved as (
              update log_state set size = $3::bigint, root = decode($4, 'hex'), checkpoint = $5
              where size = $1::bigint and checkpoint is not distinct from $2 returning 1)
            select 1 / count(*) from moved`,
      params: [
        before.size,
        before.checkpoint ?? null,
        after.size,
        after.root.toString('hex'),
        after.checkpoint ?? null,
      ],
    },
    {
      // Only what waits is sequenced, and that once: one more or one fewer ends the transaction as well.
      sql: `with taken as (delete from log_pending where id in (select (r->>'id')::uuid from jsonb_array_elements($1::jsonb) r)
              returning 1)
            select 1 / (case when count(*) = jsonb_array_length($1::jsonb) then 1 else 0 end) from taken`,
      params: [JSON.stringify(rows.map(({ id }) => ({ id })))],
    },
    {
      sql: `insert into log_leaves (index, id, leaf)
            select index, id, leaf from jsonb_to_recordset($1::jsonb) as r (index bigint, id uuid, leaf text)`,
      params: [JSON.stringify(rows)],
    },
    {
      sql: `insert into log_tiles as t (level, tile, hashes)
            select level, tile, decode(hashes, 'hex')
            from jsonb_to_recordset($1::jsonb) as r (level smallint, tile bigint, hashes text)
            on conflict (level, tile) do update set hashes = excluded.hashes
              where octet_length(t.hashes) < octet_length(excluded.hashes)`,
      params: [JSON.stringify(tileRows)],
    },
  ];
}

function isSameState(a: LogState, b: LogState): boolean {
  return a.size === b.size && a.checkpoint === b.checkpoint;
}

/** @throws Fault where the row is gone: a log that can't be read must not begin again */
function toState(row: DatabaseRow | undefined): LogState {
  if (row === undefined) throw new Fault('log_damaged', 'the state of the log is missing');
  return {
    size: Number(row['size']),
    root: Buffer.from(String(row['root']), 'hex'),
    checkpoint: typeof row['checkpoint'] === 'string' ? row['checkpoint'] : undefined,
  };
}
