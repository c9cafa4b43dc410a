/** The store of requests for consent: what agents ask their users, until it is answered or too old. */
import { v4 as uuid } from 'uuid';
import type { ConsentPair, RequestedConsent } from '../model/consents.js';
import type { EntityRef } from '../model/ids.js';
import { sha256 } from '../runtime/sha256.js';
import { recordChanges, type ChangeRecords } from './change-records.js';
import { RECORDED_DENIAL, stateRequestDenied } from './consent-changes.js';
import { ADVISORY_LOCKS, LOCK_NAMESPACE } from './database/locks.js';
import { partySql, tellOf } from './outbox.js';
import type { Database, DatabaseRow, SqlStatement } from './database/port.js';

export type ConsentRequestState = 'pending' | 'granted' | 'denied';

export interface StoredConsentRequest extends ConsentPair {
  readonly id: string;
  readonly request: RequestedConsent;
  readonly state: ConsentRequestState;
  /** The callers that asked, the first of them first. */
  readonly askedBy: readonly string[];
  /** RFC 3339. */
  readonly asked: string;
  readonly expires: string;
  /** The consent that was given on it. */
  readonly consent?: string;
}

/** The requests that may wait for a user, and those of one agent. */
export const MAX_PENDING_REQUESTS_OF_USER = 100;
export const MAX_PENDING_REQUESTS_OF_PAIR = 20;
/** Answered requests of a pair that are kept until they are too old. */
const KEPT_ANSWERED_REQUESTS = 20;
export const REQUEST_LIFETIME_MS = 7 * 86_400_000;

const REQUEST_PAIR = 'user_type = $1 and user_id = $2 and agent_type = $3 and agent_id = $4';
const REQUEST_LOCK: SqlStatement = {
  sql: 'select pg_advisory_xact_lock($1, $2)',
  params: [LOCK_NAMESPACE, ADVISORY_LOCKS.consent],
};

/** The callers beside the first, with this one. There are as many as the configuration has clients. */
const ALSO_ASKED_BY = (caller: string): string =>
  `case when asked_by = ${caller}::text or also_asked_by ? ${caller}::text then also_asked_by
    else also_asked_by || to_jsonb(${caller}::text) end`;

export class ConsentRequestStore {
  /** @param changes records what users deny */
  constructor(
    private readonly database: Database,
    private readonly changes: ChangeRecords,
  ) {}

  /**
   * Adds a request, or finds the one for the same that waits already, which is then its caller's as well.
   * @returns undefined where too many wait
   * @throws Fault
   */
  async ask(
    pair: ConsentPair,
    request: RequestedConsent,
    askedBy: string,
    now: Date,
  ): Promise<StoredConsentRequest | undefined> {
    const { user, agent } = pair;
    const params = [user.type, user.id, agent.type, agent.id];
    const hash = sha256(JSON.stringify([request.items, request.access, request.purpose, request.task]));
    const expires = new Date(now.getTime() + REQUEST_LIFETIME_MS);
    const results = await this.database.run([
      REQUEST_LOCK,
      {
        sql: 'delete from consent_requests where user_type = $1 and user_id = $2 and expires <= $3::timestamptz',
        params: [user.type, user.id, now.toISOString()],
      },
      {
        sql: `delete from consent_requests where id in (select id from consent_requests
                where ${REQUEST_PAIR} and state <> 'pending' order by asked desc, id offset ${KEPT_ANSWERED_REQUESTS})`,
        params,
      },
      tellOf(
        {
          sql: `insert into consent_requests
                (user_type, user_id, agent_type, agent_id, id, asked_by, needs_sha256, request, state, asked, expires)
              select $1::text, $2::text, $3::text, $4::text, $5::uuid, $6::text, $7::text, $8::jsonb, 'pending',
                $9::timestamptz, $10::timestamptz
              where (select count(*) from consent_requests where user_type = $1 and user_id = $2 and state = 'pending')
                  < ${MAX_PENDING_REQUESTS_OF_USER}
                and (select count(*) from consent_requests where ${REQUEST_PAIR} and state = 'pending')
                  < ${MAX_PENDING_REQUESTS_OF_PAIR}
              on conflict do nothing returning *`,
          params: [...params, uuid(), askedBy, hash, JSON.stringify(request), now.toISOString(), expires.toISOString()],
        },
        {
          event: 'consent.requested',
          at: now,
          ids: {
            request: 'r.id',
            user: partySql('r.user_type', 'r.user_id'),
            agent: partySql('r.agent_type', 'r.agent_id'),
          },
          user: { type: 'r.user_type', id: 'r.user_id' },
        },
      ),
      {
        sql: `update consent_requests set also_asked_by = ${ALSO_ASKED_BY('$6')}
              where ${REQUEST_PAIR} and needs_sha256 = $5 and state = 'pending' returning *`,
        params: [...params, hash, askedBy],
      },
    ]);
    const [row] = results[4] ?? [];
    return row === undefined ? undefined : toStoredRequest(row);
  }

  /** Notes that another caller asks for what a request asks for, while that waits. @throws Fault */
  async join(id: string, askedBy: string): Promise<void> {
    await this.database.run([
      {
        sql: `update consent_requests set also_asked_by = ${ALSO_ASKED_BY('$2')}
              where id = $1::uuid and state = 'pending'`,
        params: [id, askedBy],
      },
    ]);
  }

  /** Finds a request that isn't too old. @throws Fault */
  async find(id: string, now: Date): Promise<StoredConsentRequest | undefined> {
    const [rows] = await this.database.run([
      {
        sql: 'select * from consent_requests where id = $1::uuid and expires > $2::timestamptz',
        params: [id, now.toISOString()],
      },
    ]);
    return rows?.[0] === undefined ? undefined : toStoredRequest(rows[0]);
  }

  /** Lists the requests to a user, the newest first. @param agent only those of it @throws Fault */
  async list(user: EntityRef, agent: EntityRef | undefined, now: Date): Promise<readonly StoredConsentRequest[]> {
    const [rows = []] = await this.database.run([
      {
        sql: `select * from consent_requests where user_type = $1 and user_id = $2 and expires > $3::timestamptz
                and ($4::text is null or (agent_type = $4 and agent_id = $5))
              order by state = 'pending' desc, asked desc, id limit 200`,
        params: [user.type, user.id, now.toISOString(), agent?.type ?? null, agent?.id ?? null],
      },
    ]);
    return rows.map(toStoredRequest);
  }

  /** Denies a request that waits, as its user. @returns whether it did @throws Fault */
  async deny({ id, user, agent }: Pick<StoredConsentRequest, 'id' | 'user' | 'agent'>, now: Date): Promise<boolean> {
    const change = await this.changes.prepare(stateRequestDenied({ user, agent }, user, now));
    const [, rows] = await this.database.run([
      REQUEST_LOCK,
      recordChanges(
        {
          sql: `update consent_requests set state = 'denied'
                where id = $1::uuid and state = 'pending' and expires > $2::timestamptz returning id`,
          params: [id, now.toISOString()],
        },
        { change, ...RECORDED_DENIAL },
      ),
    ]);
    return rows?.[0] !== undefined;
  }
}

function toStoredRequest(row: DatabaseRow): StoredConsentRequest {
  return {
    id: String(row['id']),
    user: { type: String(row['user_type']), id: String(row['user_id']) },
    agent: { type: String(row['agent_type']), id: String(row['agent_id']) },
    request: row['request'] as RequestedConsent,
    state: row['state'] as ConsentRequestState,
    askedBy: [String(row['asked_by']), ...(row['also_asked_by'] as string[])],
    asked: (row['asked'] as Date).toISOString(),
    expires: (row['expires'] as Date).toISOString(),
    ...(typeof row['consent'] === 'string' ? { consent: row['consent'] } : {}),
  };
}
