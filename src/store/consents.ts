/** The store of consents, with a cache where no other process writes: elsewhere each decision reads them. */
import { v4 as uuid } from 'uuid';
import {
  consentKey,
  type Consent,
  type ConsentEvidence,
  type ConsentMap,
  type ConsentNeed,
  type ConsentPair,
  type Consents,
} from '../model/consents.js';
import type { EventName } from '../model/events.js';
import type { EntityRef } from '../model/ids.js';
import { OF_PAIR, countLimitsSql, hasFewLimitsSql, requireFewLimits } from './consent-limits.js';
import { ADVISORY_LOCKS, LOCK_NAMESPACE } from './database/locks.js';
import type { Database, DatabaseRow, SqlStatement } from './database/port.js';
import { KeyedReads } from './keyed-reads.js';
import { partySql, tellOf, type RowEvent } from './outbox.js';
import { ReadBatch } from './read-batch.js';

/** A consent as its user sees it. */
export interface StoredConsent extends ConsentPair {
  readonly consent: Consent;
  readonly evidence: ConsentEvidence;
  /** Changes with each change, so that none takes the place of another that it hasn't seen. */
  readonly version: string;
}

/** The consents that a user may have in force, and for one agent. */
export const MAX_CONSENTS_OF_USER = 1000;
export const MAX_CONSENTS_OF_PAIR = 50;
/** The most that the details and limits of all of a user's may take, in bytes of JSON: a list answers all of them. */
export const MAX_CONSENT_BYTES_OF_USER = 512 * 1024;
/** The most that their details may take together for one agent, in bytes of JSON: each decision reads and records them. */
export const MAX_CONSENT_BYTES_OF_PAIR = 32 * 1024;
/** Ended consents of a pair that are kept: a decision says of the latest that it has ended. */
const KEPT_ENDED_CONSENTS = 20;
const KEPT_ENDED_CONSENTS_OF_USER = 200;

/** Consents that one statement tells of. */
const TOLD_AT_A_TIME = 500;
/** Consents that are listed at a time where all are looked at. */
export const CONSENT_PAGE = 500;

const LOOKUP_SQL_OF_CONSENTS = `
  select a.position, c.consent - 'evidence' as consent
  from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) with ordinality
    as a (user_type, user_id, agent_type, agent_id, action, position)
  cross join lateral (select consent from consents
    where user_type = a.user_type and user_id = a.user_id and agent_type = a.agent_type and agent_id = a.agent_id
      and actions ? a.action
    offset 0) c`;
const CONSENT_LOCK: SqlStatement = {
  sql: 'select pg_advisory_xact_lock($1, $2)',
  params: [LOCK_NAMESPACE, ADVISORY_LOCKS.consent],
};

export class ConsentStore implements Consents {
  private readonly reads: KeyedReads<ConsentNeed, readonly Consent[]>;

  /** @param reads sends what a turn reads */
  constructor(
    private readonly database: Database,
    reads = new ReadBatch(database),
  ) {
    this.reads = new KeyedReads<ConsentNeed, readonly Consent[]>(database, reads, {
      keyOf: consentKey,
      sql: LOOKUP_SQL_OF_CONSENTS,
      columnsOf: ({ action, ...pair }) => [...consentPairParams(pair), action],
      toValue: (rows) => rows.map((row) => row['consent'] as Consent),
    });
  }

  fetch(needs: readonly ConsentNeed[]): Promise<ConsentMap> {
    return this.reads.fetch(needs);
  }

  /** Finds a consent of the user; another's is none. @throws Fault */
  async find(user: EntityRef, id: string): Promise<StoredConsent | undefined> {
    const [rows] = await this.database.run([
      {
        sql: 'select * from consents where id = $1::uuid and user_type = $2 and user_id = $3',
        params: [id, user.type, user.id],
      },
    ]);
    return rows?.[0] === undefined ? undefined : toStoredConsent(rows[0]);
  }

  /** Lists the consents of a user, those given last first. @param agent only those for it @throws Fault */
  async list(user: EntityRef, agent?: EntityRef): Promise<readonly StoredConsent[]> {
    const [rows = []] = await this.database.run([
      {
        sql: `select * from consents where user_type = $1 and user_id = $2
                and ($3::text is null or (agent_type = $3 and agent_id = $4))
              order by consent->>'given' desc, id limit ${MAX_CONSENTS_OF_USER + 2 * KEPT_ENDED_CONSENTS_OF_USER}`,
        params: [user.type, user.id, agent?.type ?? null, agent?.id ?? null],
      },
    ]);
    return rows.map(toStoredConsent);
  }

  /**
   * Adds a consent, unless the user has too many in force.
   * @param request the request that it answers, and only while that waits for an answer
   * @returns whether it was added
   * @throws BadRequest where the pair's limits would be too many; Fault
   */
  async add(
    pair: ConsentPair,
    consent: Consent,
    evidence: ConsentEvidence,
    now: Date,
    request?: string,
  ): Promise<boolean> {
    const [, counted, added] = await this.write([
      CONSENT_LOCK,
      countLimitsStatement(pair, consent, now),
      tellOf(addStatement(pair, consent, evidence, now, request), consentEvent('consent.given', now)),
      ...(request === undefined ? [] : [grantStatement(request, consent.id)]),
      tellExpiredStatement(now, pair.user),
      pruneStatement(pair, now),
    ]);
    if (added?.[0] === undefined) requireFewLimits(counted?.[0]);
    return added?.[0] !== undefined;
  }

  /**
   * Replaces a consent. One that gets no further limit is replaced however many there are.
   * @returns whether it was still the version that was seen
   * @throws BadRequest where the pair's limits would be too many; Fault
   */
  async replace({ consent, version, ...pair }: StoredConsent, changed: Consent, now: Date): Promise<boolean> {
    const hasFurther = (changed.limits?.length ?? 0) > (consent.limits?.length ?? 0);
    // Only where there are more limits afterwards can they be too many, and only then must no one else write.
    const counting = hasFurther ? [CONSENT_LOCK, countLimitsStatement(pair, changed, now)] : [];
    const results = await this.write([
      ...counting,
      {
        sql: `update consents set consent = consents.consent || $7::jsonb, actions = $8::jsonb, bytes = $9::int,
                ended = $10::timestamptz, version = $11::uuid
              where id = $5::uuid and version = $12::uuid and (not $13::boolean or ${hasFewLimitsSql('$6::timestamptz')}) returning id`,
        params: [
          ...consentPairParams(pair),
          consent.id,
          now.toISOString(),
          JSON.stringify(changed),
          JSON.stringify(listActions(changed)),
          countBytes(changed),
          changed.ends ?? null,
          uuid(),
          version,
          hasFurther,
        ],
      },
    ]);
    const isReplaced = results.at(-1)?.[0] !== undefined;
    if (!isReplaced && hasFurther) requireFewLimits(results[1]?.[0]);
    return isReplaced;
  }

  /** Withdraws a consent of the user: the next decision doesn't rest on it. @returns whether there is one @throws Fault */
  async withdraw(user: EntityRef, id: string, now: Date): Promise<boolean> {
    const [, rows] = await this.write([
      tellOf(
        {
          sql: `${WITHDRAW} where id = $3::uuid and user_type = $4 and user_id = $5 and ${IS_OPEN} returning *`,
          params: [now.toISOString(), uuid(), id, user.type, user.id],
        },
        toldOnce(consentEvent('consent.ended', now)),
      ),
      {
        sql: 'select id from consents where id = $1::uuid and user_type = $2 and user_id = $3',
        params: [id, user.type, user.id],
      },
    ]);
    return rows?.[0] !== undefined;
  }

  /**
   * Withdraws all that a user has given an agent, and ends what it asks for, in one transaction with other statements.
   * @param run runs the statements
   */
  withdrawAll<Result>(
    { user, agent }: ConsentPair,
    now: Date,
    run: (statements: readonly SqlStatement[]) => Promise<Result>,
  ): Promise<Result> {
    return this.reads.whileWriting(() =>
      run([
        CONSENT_LOCK,
        tellOf(
          {
            sql: `${WITHDRAW} where user_type = $3 and user_id = $4 and agent_type = $5 and agent_id = $6 and ${IS_OPEN}
                  returning *`,
            params: [now.toISOString(), uuid(), user.type, user.id, agent.type, agent.id],
          },
          toldOnce(consentEvent('consent.ended', now)),
        ),
        {
          sql: `update consent_requests set state = 'denied' where ${OF_PAIR} and state = 'pending'`,
          params: consentPairParams({ user, agent }),
        },
      ]),
    );
  }

  /** Tells of those that have expired. @returns whether there may be more @throws Fault */
  async tellExpired(now: Date): Promise<boolean> {
    const [rows = []] = await this.database.run([tellExpiredStatement(now)]);
    return rows.length === TOLD_AT_A_TIME;
  }

  /** Lists consents in force by their ids, a page at a time. @param after the last id of the page before @throws Fault */
  async listInForce(after: string | undefined, now: Date): Promise<readonly Consent[]> {
    const [rows = []] = await this.database.run([
      {
        sql: `select id, consent - 'evidence' as consent from consents
              where coalesce(ended > $1::timestamptz, true) and ($2::uuid is null or id > $2::uuid)
              order by id limit ${CONSENT_PAGE}`,
        params: [now.toISOString(), after ?? null],
      },
    ]);
    return rows.map((row) => ({ ...(row['consent'] as Consent), id: String(row['id']) }));
  }

  /** Tells of those that are suspended now, and notes of others that they no longer are. @throws Fault */
  async tellSuspended(suspended: readonly string[], others: readonly string[], now: Date): Promise<void> {
    await this.database.run([
      tellOf(
        {
          sql: `update consents set told = 'suspended' where id = any ($1::uuid[]) and told is null returning *`,
          params: [`{${suspended.join(',')}}`],
        },
        consentEvent('consent.suspended', now),
      ),
      {
        sql: `update consents set told = null where id = any ($1::uuid[]) and told = 'suspended'`,
        params: [`{${others.join(',')}}`],
      },
    ]);
  }

  private write(statements: readonly SqlStatement[]): ReturnType<Database['run']> {
    return this.reads.whileWriting(() => this.database.run(statements));
  }
}

const IS_OPEN = `not consent ? 'withdrawn'`;
const WITHDRAW = `update consents set consent = consent || jsonb_build_object('withdrawn', $1::text),
    ended = least(ended, $1::timestamptz), version = $2::uuid, told = 'ended'`;

/** An event about a consent, of a row of the table. */
function consentEvent(event: EventName, at: Date): RowEvent {
  return {
    event,
    at,
    ids: { consent: 'r.id', user: partySql('r.user_type', 'r.user_id'), agent: partySql('r.agent_type', 'r.agent_id') },
    user: { type: 'r.user_type', id: 'r.user_id' },
  };
}

/** The end is told once: one that had expired before it was withdrawn may have been told of. */
function toldOnce(event: RowEvent): RowEvent {
  return { ...event, when: `not exists (select from consents c where c.id = r.id and c.told = 'ended')` };
}

function countLimitsStatement(pair: ConsentPair, consent: Consent, now: Date): SqlStatement {
  return {
    sql: countLimitsSql('$6::timestamptz'),
    params: [...consentPairParams(pair), consent.id, now.toISOString(), JSON.stringify(consent)],
  };
}

/** Inserts the consent where there is room for it. */
function addStatement(
  pair: ConsentPair,
  consent: Consent,
  evidence: ConsentEvidence,
  now: Date,
  request?: string,
): SqlStatement {
  return {
    sql: `insert into consents (user_type, user_id, agent_type, agent_id, id, actions, consent, bytes, version, ended)
          select $1::text, $2::text, $3::text, $4::text, $5::uuid, $6::jsonb, $7::jsonb, $8::int, $9::uuid, $10::timestamptz
          where (select count(*) < ${MAX_CONSENTS_OF_USER} and coalesce(sum(bytes), 0) + $8 <= ${MAX_CONSENT_BYTES_OF_USER}
              from consents where user_type = $1 and user_id = $2 and coalesce(ended > $11::timestamptz, true))
            and (select count(*) < ${MAX_CONSENTS_OF_PAIR} and coalesce(sum(bytes), 0) + $8 <= ${MAX_CONSENT_BYTES_OF_PAIR}
              from consents where ${OF_PAIR} and coalesce(ended > $11::timestamptz, true))
            and ${hasFewLimitsSql('$11::timestamptz')}
            and ($12::uuid is null or exists (select 1 from consent_requests
              where id = $12 and state = 'pending' and expires > $11::timestamptz))
          returning *`,
    params: [
      ...consentPairParams(pair),
      consent.id,
      JSON.stringify(listActions(consent)),
      JSON.stringify({ ...consent, evidence }),
      countBytes(consent),
      uuid(),
      consent.ends ?? null,
      now.toISOString(),
      request ?? null,
    ],
  };
}

/** Notes that the request was granted, where the consent has been added. */
function grantStatement(request: string, consent: string): SqlStatement {
  return {
    sql: `update consent_requests set state = 'granted', consent = $2::uuid
          where id = $1::uuid and exists (select 1 from consents where id = $2::uuid)`,
    params: [request, consent],
  };
}

/** Tells of consents that have expired. @param user only those of this user */
function tellExpiredStatement(now: Date, user?: EntityRef): SqlStatement {
  const statement = {
    sql: `update consents set told = 'ended' where id in (select id from consents
            where told is distinct from 'ended' and ended <= $1::timestamptz
              and ($2::text is null or (user_type = $2 and user_id = $3))
            order by ended limit ${TOLD_AT_A_TIME} for update skip locked)
          returning *`,
    params: [now.toISOString(), user?.type ?? null, user?.id ?? null],
  };
  return tellOf(statement, consentEvent('consent.ended', now));
}

/** Deletes the oldest of those that have ended: records of decisions have what they rested on. */
function pruneStatement(pair: ConsentPair, now: Date): SqlStatement {
  return {
    sql: `delete from consents where id in (
            (select id from consents where ${OF_PAIR} and ended <= $5::timestamptz
              order by ended desc, id offset ${KEPT_ENDED_CONSENTS})
            union all
            (select id from consents where user_type = $1 and user_id = $2 and ended <= $5::timestamptz
              order by ended desc, id offset ${KEPT_ENDED_CONSENTS_OF_USER}))`,
    params: [...consentPairParams(pair), now.toISOString()],
  };
}

function consentPairParams({ user, agent }: ConsentPair): string[] {
  return [user.type, user.id, agent.type, agent.id];
}

function listActions({ details }: Consent): string[] {
  return [...new Set(details.flatMap(({ actions = [] }) => actions))];
}

function countBytes({ details, limits }: Consent): number {
  const stated = limits === undefined ? [details] : [details, limits];
  return stated.reduce((sum, part) => sum + Buffer.byteLength(JSON.stringify(part)), 0);
}

function toStoredConsent(row: DatabaseRow): StoredConsent {
  const { evidence, ...consent } = row['consent'] as Consent & { readonly evidence: ConsentEvidence };
  return {
    user: { type: String(row['user_type']), id: String(row['user_id']) },
    agent: { type: String(row['agent_type']), id: String(row['agent_id']) },
    consent,
    evidence,
    version: String(row['version']),
  };
}
