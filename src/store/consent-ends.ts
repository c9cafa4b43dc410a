/** The statements by which consents end, or are found to have ended, and which tell of that once. */
import { v4 as uuid } from 'uuid';
import type { EventName } from '../model/events.js';
import type { EntityRef } from '../model/ids.js';
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

/** Withdraws those that match, and are not withdrawn. @param condition SQL on the parameters from `$3` on */
export function withdrawStatement(condition: string, params: readonly string[], now: Date): SqlStatement {
  return tellOf(
    {
      sql: `update consents set consent = consent || jsonb_build_object('withdrawn', $1::text),
              ended = least(ended, $1::timestamptz), version = $2::uuid, told = 'ended'
            where ${condition} and not consent ? 'withdrawn' returning *`,
      params: [now.toISOString(), uuid(), ...params],
    },
    toldOnce(consentEvent('consent.ended', now)),
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

/** Tells of those that are suspended now, and notes of others that they no longer are. */
export function tellSuspendedStatements(
  suspended: readonly string[],
  others: readonly string[],
  now: Date,
): SqlStatement[] {
  return [
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
  ];
}
