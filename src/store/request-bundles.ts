/** Access requests for several questions at once, and what requests with the same key have opened before. */
import { isUuid } from '../model/ids.js';
import { ASKED_TASKS } from './asked-questions.js';
import type { Database, DatabaseRow, SqlStatement } from './database/port.js';

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

/** The `Idempotency-Key` of a request, with the hash of its body. */
export interface RequestRepeat {
  readonly key: string;
  readonly bodySha256: string;
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
  const [rows] = await database.run([findKeyStatement(requester, key)]);
  const [row] = rows ?? [];
  if (row === undefined) return undefined;
  const { task, bundle } = row;
  return {
    bodySha256: String(row['body_sha256']),
    ...(typeof task === 'string' ? { task } : {}),
    ...(typeof bundle === 'string' ? { bundle } : {}),
  };
}

/** @param key undefined finds none */
export function findKeyStatement(requester: string, key: string | undefined): SqlStatement {
  return {
    sql: 'select body_sha256, task, bundle from access_request_keys where requester = $1 and key = $2',
    params: [requester, key ?? null],
  };
}

/** Deletes the bundles that are past their time: before others are counted. */
export function pruneBundlesStatement(now: Date): SqlStatement {
  return {
    sql: 'delete from access_request_bundles where kept_until <= $1::timestamptz',
    params: [now.toISOString()],
  };
}

/**
 * Stores a bundle where each of its questions has an open task, and its key, in the transaction that opens them. Nothing is
 * stored where the key was used before, or the requester has too many for the user.
 * @param asked the questions, as rows (asked-questions.ts)
 */
export function insertBundleStatements(
  asked: string,
  { id, requester, user }: Omit<StoredBundle, 'items'>,
  repeat: RequestRepeat | undefined,
  keptUntil: Date,
): SqlStatement[] {
  return [
    {
      sql: `insert into access_request_bundles (id, requester, user_id, items, kept_until)
            select $2::uuid, $3::text, $4::text, jsonb_agg(a.item || jsonb_build_object('task', t.id) order by a.n), $5::timestamptz
            from ${ASKED_TASKS}
            where not exists (select from access_request_keys where requester = $3 and key = $6)
            having count(*) = jsonb_array_length($1::jsonb)
              and (select count(*) from access_request_bundles where requester = $3 and user_id = $4) < ${MAX_KEPT_BUNDLES}`,
      params: [asked, id, requester, user, keptUntil.toISOString(), repeat?.key ?? null],
    },
    {
      sql: `insert into access_request_keys (requester, key, body_sha256, bundle)
            select $1::text, $2::text, $3::text, id from access_request_bundles where id = $4::uuid and $2::text is not null
            on conflict do nothing`,
      params: [requester, repeat?.key ?? null, repeat?.bodySha256 ?? null, id],
    },
  ];
}

export function findBundleStatement(id: string): SqlStatement {
  return { sql: 'select * from access_request_bundles where id = $1::uuid', params: [id] };
}

/** @throws Fault */
export async function findBundle(database: Database, id: string): Promise<StoredBundle | undefined> {
  if (!isUuid(id)) return undefined;
  const [rows] = await database.run([findBundleStatement(id)]);
  return rows?.[0] === undefined ? undefined : toBundle(rows[0]);
}

export function toBundle(row: DatabaseRow): StoredBundle {
  return {
    id: String(row['id']),
    requester: String(row['requester']),
    user: String(row['user_id']),
    items: row['items'] as readonly BundleItem[],
  };
}
