/** The limits of what people grant: what they bound, and how they may be changed. */
import type { AuthorizationDetail } from '../../model/acting.js';
import type { Consent } from '../../model/consents.js';
import { delegationKey, type DelegationBounds, type DelegationPair } from '../../model/delegations.js';
import { BadRequest } from '../../model/faults.js';
import type { EntityRef } from '../../model/ids.js';
import type { StatedLimit } from '../../model/limits.js';
import { compareQuantities } from '../../model/quantities.js';
import type { Rules } from '../../policy/load.js';
import { haveSameUses } from '../../policy/schema/limits.js';
import { readStatedLimits } from '../../policy/schema/limits-format.js';
import { listNamedActions } from '../consents/requested-consent.js';
import type { LimitOwner } from './charges.js';

/** The delegation as what has limits; undefined where it has none. */
export function toDelegationOwner(
  pair: DelegationPair,
  { limits = [], counter, ends }: Pick<DelegationBounds, 'limits' | 'counter' | 'ends'>,
): LimitOwner | undefined {
  if (limits.length === 0) return undefined;
  const id = delegationKey(pair);
  return {
    name: `the delegation ${id}`,
    counter: `delegation ${counter ?? id}`,
    limits: readStatedLimits(limits),
    grant: { kind: 'delegation', id, giver: pair.giver },
    agent: pair.agent,
    expires: readEndInstant(ends),
  };
}

/** The consent as what has limits; undefined where it has none. */
export function toConsentOwner(
  { id, limits = [], ends }: Pick<Consent, 'id' | 'limits' | 'ends'>,
  { user, agent }: { readonly user: EntityRef; readonly agent: EntityRef },
): LimitOwner | undefined {
  if (limits.length === 0) return undefined;
  return {
    name: `the consent ${id}`,
    counter: `consent ${id}`,
    limits: readStatedLimits(limits),
    grant: { kind: 'consent', id, giver: user },
    agent,
    expires: readEndInstant(ends),
  };
}

function readEndInstant(end: string | undefined): number | undefined {
  return end === undefined ? undefined : Date.parse(end);
}

/**
 * Checks that limits narrow others: each of those must still be there, no higher, and there may be more.
 * @throws BadRequest
 */
export function requireNarrowerLimits(before: readonly StatedLimit[], after: readonly StatedLimit[]): void {
  const narrower = readStatedLimits(after);
  for (const limit of readStatedLimits(before)) {
    const kept = narrower.find((other) => haveSameUses(limit, other));
    if (kept === undefined)
      throw new BadRequest(`must keep "${limit.text}", or lower its bound: grant it anew for more`, 'limits');
    const order = compareQuantities(kept.bound, limit.bound);
    if (order === undefined || order > 0)
      throw new BadRequest(`can only lower the bound of "${limit.text}": grant it anew for more`, 'limits');
  }
}

/**
 * Refuses a bound on an amount that no action states, which would bound nothing. One that the grant has already stays: a
 * grant can always be narrowed, its details too, and none of its limits can go.
 * @param details that name the actions, once the grant is as is asked; undefined for all that there are
 * @param before the limits that it has already
 * @throws BadRequest naming the limit
 */
export function checkGrantLimits(
  limits: readonly StatedLimit[],
  details: readonly AuthorizationDetail[] | undefined,
  rules: Rules,
  before: readonly StatedLimit[] = [],
): void {
  const former = readStatedLimits(before);
  const index = readStatedLimits(limits).findIndex(
    (limit) => limit.bound.unit !== undefined && !former.some((other) => haveSameUses(limit, other)),
  );
  if (index < 0) return;
  const actions =
    details === undefined
      ? rules.vocabulary.actions
      : details.flatMap((detail) => listNamedActions(detail, rules).map(({ action }) => action));
  if (!actions.some(({ amount }) => amount !== undefined))
    throw new BadRequest(
      'bounds an amount, and no action that it is for has one (@amount in the Cedar schema): bound the count',
      `limits[${index}].amount`,
    );
}
