/** Access requests for several questions at once, and what requests with the same key have opened before. */
import { v4 as uuid } from 'uuid';
import { isUuid } from '../model/ids.js';
import { KEPT_AFTER_END_MS } from './approvals.js';
import type { Database, DatabaseRow } from './database/port.js';

/** The bundles of a requester for one user that are kept, ended ones as well. */
export const MAX_KEPT_BUNDLES = 500;

export interface BundleItem {
  /** The same as it was submitted. */
  readonly resource: Readonly<Record<string, unknown>>;
  readonly action: Readonly<Record<string, unknown>>;
  /** The id of its task. */
  readonly task: string;
}

export interface StoredBundle {
  readonly id: string;
  readonly requester: string;
  /** The user that the questions are for; empty where there is none. */
  readonly user: string;
  readonly items: readonly BundleItem[];
}

export interface RepeatKey {
  readonly requester: string;
  readonly key: string;
}

/** A request that was made before with the same key. */
export interface EarlierRequest {
  readonly bodySha256: string;
  readonly task?: string | undefined;
  readonly bundle?: string | undefined;
}

/** @throws Fault */
export async function findEarlierRequest(
  database: Database,
  { requester, key }: RepeatKey,
): Promise<EarlierRequest | undefined> {
  const [rows] = await database.run([
    {
      sql: 'select body_sha256, task, bundle from access_request_keys where requester = $1 and key = $2',
      params: [requester, key],
    },
  ]);
  const [row] = rows ?? [];
  if (row === undefined) return undefined;
  const { task, bundle } = row;
  return {
    bodySha256: String(row['body_sha256']),
    ...(typeof task === 'string' ? { task } : {}),
    ...(typeof bundle === 'string' ? { bundle } : {}),
  };
}

/**
 * Stores a bundle whose tasks are open.
 * @param ends when the last of its tasks does
 * @returns undefined where the requester has too many for the user
 * @throws Fault
 */
export async function addBundle(
  database: Database,
  { requester, user, items }: Omit<StoredBundle, 'id'>,
  repeat: { readonly key: string; readonly bodySha256: string } | undefined,
  ends: Date,
  now: Date,
): Promise<StoredBundle | undefined> {
  const id = uuid();
  const results = await database.run([
    {
      sql: 'delete from access_request_bundles where kept_until <= $1::timestamptz',
      params: [now.toISOString()],
    },
    {
      sql: `insert into access_request_bundles
              select $1::uuid, $2::text, $3::text, $4::jsonb, $5::timestamptz
              where (select count(*) from access_request_bundles where requester = $2 and user_id = $3) < ${MAX_KEPT_BUNDLES}
              returning id`,
      params: [id, requester, user, JSON.stringify(items), new Date(ends.getTime() + KEPT_AFTER_END_MS).toISOString()],
    },
    ...(repeat === undefined
      ? []
      : [
          {
            sql: `insert into access_request_keys (requester, key, body_sha256, bundle)
                  select $1::text, $2::text, $3::text, id from access_request_bundles where id = $4::uuid on conflict do nothing`,
            params: [requester, repeat.key, repeat.bodySha256, id],
          },
        ]),
  ]);
  return results[1]?.[0] === undefined ? undefined : { id, requester, user, items };
}

/** @throws Fault */
export async function findBundle(database: Database, id: string): Promise<StoredBundle | undefined> {
  if (!isUuid(id)) return undefined;
  const [rows] = await database.run([
    { sql: 'select * from access_request_bundles where id = $1::uuid', params: [id] },
  ]);
  return rows?.[0] === undefined ? undefined : toBundle(rows[0]);
}

function toBundle(row: DatabaseRow): StoredBundle {
  return {
    id: String(row['id']),
    requester: String(row['requester']),
    user: String(row['user_id']),
    items: row['items'] as readonly BundleItem[],
  };
}
