/** Finds the limits that a question shows to be reached, of which people and other systems are told once a window. */
import type { ActingParties } from '../../model/acting.js';
import { describeRef } from '../../model/ids.js';
import type { Charge, LimitState } from '../../model/limits.js';
import type { ReachedLimit } from '../../model/record-effects.js';
import type { ChargePlan } from './charges.js';
import { formatQuantityNumber } from '../../model/quantities.js';
import { findRooms } from './judge.js';

/** A limit without an end is told of once. */
const FOREVER = Number.MAX_SAFE_INTEGER;

/**
 * A limit is reached where an allow uses up what is left, or where too little is left for a question that would fit into
 * an unused one. What never fits says nothing of how much is used.
 * @param allowed whether the question uses what it asks for; a deny is one by its limits
 */
export function findReachedLimits(
  plan: Pick<ChargePlan, 'charges'>,
  state: LimitState,
  allowed: boolean,
  { acting, now }: { readonly acting: ActingParties; readonly now: Date },
): ReachedLimit[] {
  return findRooms(plan, state).flatMap(({ charge, remaining, unheld }) => {
    const isReached = allowed
      ? unheld > 0n && unheld >= remaining
      : unheld > remaining && unheld <= charge.limit.bound.value;
    return isReached ? [describeReached(charge, acting, now)] : [];
  });
}

/** The limits of one question of a list, each told of where the list leaves too little for another such question. */
export function listReachableLimits(
  { charges }: Pick<ChargePlan, 'charges'>,
  { acting, now }: { readonly acting: ActingParties; readonly now: Date },
): ReachedLimit[] {
  return charges.flatMap((charge) => {
    const { required, since, limit } = charge;
    if (required === 0n || required > limit.bound.value) return [];
    const { decimals } = limit.bound;
    const unless = {
      since,
      bound: formatQuantityNumber(limit.bound),
      required: formatQuantityNumber({ value: required, decimals }),
    };
    return [{ ...describeReached(charge, acting, now), unless }];
  });
}

function describeReached(
  { key, limit, grant, parties, end, length, expires }: Charge,
  acting: ActingParties,
  now: Date,
): ReachedLimit {
  const userText = acting.user === undefined ? undefined : describeRef(acting.user);
  const isOfUser = grant !== undefined || limit.by.includes('user');
  return {
    key,
    until: end ?? (length === undefined ? (expires ?? FOREVER) : now.getTime() + length),
    ids: {
      limit: key,
      ...(grant?.kind === 'consent' ? { consent: grant.id } : {}),
      ...Object.fromEntries(parties.map((text) => [text === userText ? 'user' : 'agent', text])),
    },
    ...(isOfUser && acting.user !== undefined ? { user: acting.user } : {}),
  };
}
