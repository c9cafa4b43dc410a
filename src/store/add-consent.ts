/** The statements that add a consent where there is room for it, in one transaction: a user and a pair have so many, and so long ones. */
import { v4 as uuid } from 'uuid';
import type { Consent, ConsentEvidence, ConsentPair } from '../model/consents.js';
import type { PreparedChange } from './change-records.js';
import { consentEvent, tellExpiredStatement } from './consent-ends.js';
import { OF_PAIR, countLimitsSql, hasFewLimitsSql } from './consent-limits.js';
import { consentPairParams, countConsentBytes, listConsentedActions } from './consent-rows.js';
import { ADVISORY_LOCKS, LOCK_NAMESPACE } from './database/locks.js';
import type { SqlStatement } from './database/port.js';
import { tellOf } from './outbox.js';

/** The consents that a user may have in force, and for one agent. */
export const MAX_CONSENTS_OF_USER = 1000;
export const MAX_CONSENTS_OF_PAIR = 50;
/** The most that the details and limits of all of a user's may take, in bytes of JSON: a list answers all of them. */
export const MAX_CONSENT_BYTES_OF_USER = 512 * 1024;
/** The most that their details may take together for one agent, in bytes of JSON: each decision reads and records them. */
export const MAX_CONSENT_BYTES_OF_PAIR = 32 * 1024;
/** Ended consents of a pair that are kept: a decision says of the latest that it has ended. */
const KEPT_ENDED_CONSENTS = 20;
export const KEPT_ENDED_CONSENTS_OF_USER = 200;

export const CONSENT_LOCK: SqlStatement = {
  sql: 'select pg_advisory_xact_lock($1, $2)',
  params: [LOCK_NAMESPACE, ADVISORY_LOCKS.consent],
};

/** A consent that is given. */
export interface GivenConsent {
  readonly pair: ConsentPair;
  readonly consent: Consent;
  readonly evidence: ConsentEvidence;
  /** The request that it answers, and only while that waits for an answer. */
  readonly request: string | undefined;
  readonly change: PreparedChange;
}

/** The rows of the second statement are what countLimitsSql counts; the third has one where the consent was added. */
export function listAddStatements(given: GivenConsent, now: Date): SqlStatement[] {
  const { pair, consent, request } = given;
  return [
    CONSENT_LOCK,
    countLimitsStatement(pair, consent, now),
    tellOf(insertConsentStatement(given, now), consentEvent('consent.given', now), {
      change: given.change,
      after: `'{"state":"active"}'::jsonb`,
    }),
    ...(request === undefined ? [] : [grantStatement(request, consent.id)]),
    tellExpiredStatement(now, pair.user),
    pruneConsentsStatement(pair, now),
  ];
}

export function countLimitsStatement(pair: ConsentPair, consent: Consent, now: Date): SqlStatement {
  return {
    sql: countLimitsSql('$6::timestamptz'),
    params: [...consentPairParams(pair), consent.id, now.toISOString(), JSON.stringify(consent)],
  };
}

/** Inserts the consent where there is room for it. */
function insertConsentStatement({ pair, consent, evidence, request }: GivenConsent, now: Date): SqlStatement {
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
      JSON.stringify(listConsentedActions(consent)),
      JSON.stringify({ ...consent, evidence }),
      countConsentBytes(consent),
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

/** Deletes the oldest of those that have ended: records of decisions have what they rested on. */
function pruneConsentsStatement(pair: ConsentPair, now: Date): SqlStatement {
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
