/** The statements by which consents end, or are found to have ended, and which tell of that once. */
import { v4 as uuid } from 'uuid';
import type { EventName } from '../model/events.js';
import type { EntityRef } from '../model/ids.js';
import { recordChanges, type PreparedChange } from './change-records.js';
import type { ConsentSuspension } from './consent-changes.js';
import type { SqlStatement } from './database/port.js';
import { partySql, tellOf, type RowEvent } from './outbox.js';

/** Consents that one statement tells of. */
export const TOLD_AT_A_TIME = 500;

/** An event about a consent, of a row of the table. */
export function consentEvent(event: EventName, at: Date): RowEvent {
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

/** Withdraws those that match, and are not withdrawn. @param condition SQL on the parameters from `$3` on @param change the record of each */
export function withdrawStatement(
  condition: string,
  params: readonly string[],
  change: PreparedChange,
  now: Date,
): SqlStatement {
  return tellOf(
    {
      // The rows as they are when they are locked: another may have changed them since the statement began.
      sql: `update consents c set consent = c.consent || jsonb_build_object('withdrawn', $1::text),
              ended = least(c.ended, $1::text::timestamptz), version = $2::uuid, told = 'ended'
            from (select id, case when ended <= $1::text::timestamptz then 'expired' when told = 'suspended' then 'suspended'
                else 'active' end as state_before
              from consents where ${condition} and not consent ? 'withdrawn' order by id for update) b
            where c.id = b.id returning c.*, b.state_before`,
      params: [now.toISOString(), uuid(), ...params],
    },
    toldOnce(consentEvent('consent.ended', now)),
    {
      change,
      object: 'r.id',
      before: `jsonb_build_object('state', r.state_before)`,
      after: `'{"state":"withdrawn"}'::jsonb`,
    },
  );
}

/** Tells of consents that have expired. @param user only those of this user */
export function tellExpiredStatement(now: Date, user?: EntityRef): SqlStatement {
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

/**
 * Tells of those that are suspended now, and notes of others that they no longer are.
 * @param changes the record of each, by its id
 */
export function tellSuspendedStatements(
  changing: readonly ConsentSuspension[],
  changes: readonly PreparedChange[],
  now: Date,
): SqlStatement[] {
  const listIds = (isSuspended: boolean): string =>
    `{${changing.flatMap((consent) => (consent.isSuspended === isSuspended ? [consent.id] : [])).join(',')}}`;
  const [active, suspended] = [`'{"state":"active"}'::jsonb`, `'{"state":"suspended"}'::jsonb`];
  return [
    tellOf(
      {
        sql: `update consents set told = 'suspended' where id = any ($1::uuid[]) and told is null returning *`,
        params: [listIds(true)],
      },
      consentEvent('consent.suspended', now),
      { change: changes, row: 'r.id', before: active, after: suspended },
    ),
    recordChanges(
      {
        sql: `update consents set told = null where id = any ($1::uuid[]) and told = 'suspended' returning id`,
        params: [listIds(false)],
      },
      { change: changes, row: 'r.id', before: suspended, after: active },
    ),
  ];
}
