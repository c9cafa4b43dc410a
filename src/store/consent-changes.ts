/** The changes of consents and of requests for them, as records have them. */
import type { StatedChange } from '../model/changes.js';
import type { Consent, ConsentPair } from '../model/consents.js';
import type { DatabaseRow, SqlStatement } from './database/port.js';

/** The states of a request that is denied. */
export const RECORDED_DENIAL = {
  object: 'r.id',
  before: `'{"state":"pending"}'::jsonb`,
  after: `'{"state":"denied"}'::jsonb`,
} as const;

/** A consent that is suspended now, or no longer is. */
export interface ConsentSuspension extends ConsentPair {
  readonly id: string;
  readonly isSuspended: boolean;
}

/** @param request the request that it answers */
export function stateConsentGiven(
  pair: ConsentPair,
  { id, ...terms }: Consent,
  request: string | undefined,
  at: Date,
): StatedChange {
  return {
    ...ofPair(pair),
    kind: 'consent',
    change: 'given',
    at,
    by: pair.user,
    object: id,
    terms: { ...terms, request },
  };
}

export function stateConsentNarrowed(pair: ConsentPair, { id, ...terms }: Consent, at: Date): StatedChange {
  return { ...ofPair(pair), kind: 'consent', change: 'narrowed', at, by: pair.user, object: id, terms };
}

/** Each row that is withdrawn says which consent it is. */
export function stateConsentWithdrawn(pair: ConsentPair, by: StatedChange['by'], at: Date): StatedChange {
  return { ...ofPair(pair), kind: 'consent', change: 'withdrawn', at, by };
}

export function stateRequestDenied(pair: ConsentPair, by: StatedChange['by'], at: Date): StatedChange {
  return { ...ofPair(pair), kind: 'consent_request', change: 'denied', at, by };
}

/** Remit itself suspends a consent, where the meaning of an action has changed. */
export function stateSuspension({ id, isSuspended, ...pair }: ConsentSuspension, at: Date): StatedChange {
  const change = isSuspended ? 'suspended' : 'resumed';
  return { ...ofPair(pair), kind: 'consent', change, at, by: undefined, object: id, row: id };
}

/** Selects those that are suspended and not told of yet, and those that were and no longer are. */
export function selectUntoldStatement(suspended: readonly string[], others: readonly string[]): SqlStatement {
  return {
    sql: `select id, user_type, user_id, agent_type, agent_id, told is null as suspended from consents
          where (id = any ($1::uuid[]) and told is null) or (id = any ($2::uuid[]) and told = 'suspended')`,
    params: [`{${suspended.join(',')}}`, `{${others.join(',')}}`],
  };
}

export function toSuspension(row: DatabaseRow): ConsentSuspension {
  return {
    id: String(row['id']),
    isSuspended: row['suspended'] === true,
    user: { type: String(row['user_type']), id: String(row['user_id']) },
    agent: { type: String(row['agent_type']), id: String(row['agent_id']) },
  };
}

function ofPair({ user, agent }: ConsentPair): ConsentPair {
  return { user, agent };
}
