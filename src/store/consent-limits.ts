/** Counts the limits of a pair's consents as one is written: decisions read all of them, so they are bounded. */
import { BadRequest } from '../model/faults.js';
import { MAX_LIMITS_OF_PAIR, MAX_ZONES_OF_PAIR } from '../model/limits.js';
import type { DatabaseRow } from './database/port.js';

/** Selects the consents of a pair: its user and its agent are `$1` to `$4`. */
export const OF_PAIR = 'user_type = $1 and user_id = $2 and agent_type = $3 and agent_id = $4';

/**
 * Counts the limits of the pair `$1` to `$4`, and the time zones of their calendars, once the consent `$5` is as `$7` has it.
 * @param now SQL of the instant by which others have ended
 */
export function countLimitsSql(now: string): string {
  return `select count(*)::int as limits,
      (count(distinct lower(coalesce(l->>'zone', 'UTC'))) filter (where l->>'window' = 'calendar'))::int as zones
    from (select jsonb_array_elements(consent->'limits') as l from consents
        where ${OF_PAIR} and coalesce(ended > ${now}, true) and id <> $5::uuid and consent ? 'limits'
      union all select jsonb_array_elements($7::jsonb->'limits')) s`;
}

/** Says in SQL whether they are few enough. */
export function hasFewLimitsSql(now: string): string {
  return `(select limits <= ${MAX_LIMITS_OF_PAIR} and zones <= ${MAX_ZONES_OF_PAIR} from (${countLimitsSql(now)}) n)`;
}

/** @param counted by {@link countLimitsSql} @throws BadRequest where there are too many */
export function requireFewLimits(counted: DatabaseRow | undefined): void {
  const [limits, zones] = [Number(counted?.['limits']), Number(counted?.['zones'])];
  const excess =
    limits > MAX_LIMITS_OF_PAIR
      ? `${limits} limits, and ${MAX_LIMITS_OF_PAIR} are the most`
      : zones > MAX_ZONES_OF_PAIR
        ? `limits of ${zones} time zones, and ${MAX_ZONES_OF_PAIR} are the most`
        : undefined;
  if (excess !== undefined)
    throw new BadRequest(
      `would give the consents in force for this agent ${excess}: withdraw those that are not needed, or set fewer`,
      'limits',
      429,
      'too_many',
    );
}
