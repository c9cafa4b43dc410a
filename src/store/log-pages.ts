/** Pages of the log for verifying all of it: leaves with the records that they are of, and records without leaves. */
import type { LoggedRecord } from '../audit/leaf.js';
import { TILE_WIDTH } from '../audit/tiles.js';
import { HASH_BYTES } from '../audit/tree.js';
import type { Database } from './database/port.js';
import { selectLogged, toLoggedRecord } from './log-rows.js';

/** A leaf as it is stored. */
export interface StoredLeaf {
  readonly index: number;
  readonly id: string;
  readonly leaf: string;
  /** The hash of the tree at this place, in base64; undefined where the tree has none. */
  readonly hash: string | undefined;
  /** The record; undefined where it is gone, or wasn't asked for. */
  readonly record: LoggedRecord | undefined;
}

/** Records that have no leaf. */
export interface UnsequencedPage {
  /** Those that wait for their place. */
  readonly waiting: readonly string[];
  /** Those that don't: they came round the log. */
  readonly unlogged: readonly string[];
  /** The ids of records that wait, and are gone. */
  readonly lost: readonly string[];
  /** The id after which the next page begins; undefined at the end. */
  readonly next: string | undefined;
}

export const MAX_PAGE_LEAVES = 500;
const MAX_PAGE_RECORD_BYTES = 512 * 1024;
const MAX_PAGE_IDS = 5000;

export class LogPages {
  constructor(private readonly database: Pick<Database, 'run'>) {}

  /** The leaves from an index on, up to where a page ends; at least one where there is any. @throws Fault */
  async readLeaves(from: number, limit: number, withRecords: boolean): Promise<readonly StoredLeaf[]> {
    const columns = withRecords ? selectLogged('r') : 'r.id';
    const [rows = [], tiles = []] = await this.database.run([
      {
        sql: `with page as (
                select l.index, l.id as leaf_id, l.leaf,
                  sum(octet_length(l.leaf) + ${withRecords ? 'coalesce(octet_length(r.record::text), 0)' : '0'})
                    over (order by l.index) as bytes
                from log_leaves l left join records r on r.id = l.id
                where l.index >= $1::bigint and l.index < $1::bigint + ${limit})
              select p.index, p.leaf_id, p.leaf, ${columns}
              from page p left join records r on r.id = p.leaf_id
              where p.bytes <= ${MAX_PAGE_RECORD_BYTES} or p.index = (select min(index) from page) order by p.index`,
        params: [from],
      },
      {
        sql: `select tile, encode(hashes, 'hex') as hashes from log_tiles
              where level = 0 and tile between $1::bigint and $2::bigint`,
        params: [Math.floor(from / TILE_WIDTH), Math.floor((from + limit) / TILE_WIDTH)],
      },
    ]);
    const hashes = new Map(tiles.map((row) => [Number(row['tile']), Buffer.from(String(row['hashes']), 'hex')]));
    return rows.map((row) => {
      const index = Number(row['index']);
      const start = (index % TILE_WIDTH) * HASH_BYTES;
      const hash = hashes.get(Math.floor(index / TILE_WIDTH))?.subarray(start, start + HASH_BYTES);
      return {
        index,
        id: String(row['leaf_id']),
        leaf: String(row['leaf']),
        hash: hash?.length === HASH_BYTES ? hash.toString('base64') : undefined,
        record: withRecords && row['id'] !== null ? toLoggedRecord(row) : undefined,
      };
    });
  }

  /** @param after the id that the page before ended with; empty for the first one @throws Fault */
  async listUnsequenced(after: string): Promise<UnsequencedPage> {
    const [ids = [], lost = []] = await this.database.run([
      {
        // One statement: a record and its waiting appear at the same moment.
        sql: `with page as (select id from records where $1 = '' or id > nullif($1, '')::uuid order by id limit ${MAX_PAGE_IDS}),
                ends as (select id from page order by id desc limit 1)
              select p.id, q.id is not null as waits, l.id is not null as logged, p.id = e.id and n.count = ${MAX_PAGE_IDS} as leads_on
              from page p cross join ends e cross join (select count(*) from page) n
              left join log_leaves l on l.id = p.id left join log_pending q on q.id = p.id
              where l.id is null or p.id = e.id order by p.id`,
        params: [after],
      },
      {
        sql: `select p.id from log_pending p where not exists (select from records r where r.id = p.id)
              order by p.id limit ${MAX_PAGE_IDS}`,
      },
    ]);
    const absent = ids.filter((row) => row['logged'] !== true);
    const list = (waits: boolean): string[] =>
      absent.filter((row) => row['waits'] === waits).map((row) => String(row['id']));
    const last = ids.find((row) => row['leads_on'] === true);
    return {
      waiting: list(true),
      unlogged: list(false),
      lost: after === '' ? lost.map((row) => String(row['id'])) : [],
      next: last === undefined ? undefined : String(last['id']),
    };
  }
}
