/** Lists what is left of the limits that a user has set, in their delegations and consents. */
import type { Consent, ConsentPair } from '../../model/consents.js';
import type { LimitUses, StatedLimit } from '../../model/limits.js';
import { chargeNothing, type LimitOwner } from './charges.js';
import { toConsentOwner } from './grant-limits.js';
import { findRooms, type Room } from './judge.js';

/** A limit of a grant that is in force. */
export interface GrantLimit {
  readonly owner: LimitOwner;
  /** The place of the limit among those of its grant. */
  readonly index: number;
  readonly stated: StatedLimit;
}

export interface RemainingLimit extends GrantLimit {
  readonly room: Room;
}

/** The limits of a grant one by one. @param owner undefined where it has none. @param stated as the grant has them */
export function splitLimits(owner: LimitOwner | undefined, stated: readonly StatedLimit[] = []): GrantLimit[] {
  return owner === undefined ? [] : stated.map((limit, index) => ({ owner, index, stated: limit }));
}

/** Reads what is left of each, all at one moment. @throws Fault */
export async function readRemaining(
  limits: readonly GrantLimit[],
  uses: LimitUses,
  now: Date,
): Promise<readonly RemainingLimit[]> {
  const charges = limits.flatMap(({ owner, index }) => {
    const limit = owner.limits[index];
    return limit === undefined ? [] : [chargeNothing(owner, limit, now)];
  });
  if (charges.length === 0) return [];
  const rooms = findRooms({ charges }, await uses.read(charges, undefined));
  return limits.flatMap((limit, i) => {
    const room = rooms[i];
    return room === undefined ? [] : [{ ...limit, room }];
  });
}

/** The consents of a user without those of which a limit that never starts anew is used up: they serve no question again. @throws Fault */
export async function omitUsedUp(
  consents: readonly (ConsentPair & { readonly consent: Consent })[],
  uses: LimitUses,
  now: Date,
): Promise<Consent[]> {
  const limits = consents.flatMap((stored) =>
    splitLimits(toConsentOwner(stored.consent, stored), stored.consent.limits),
  );
  const read = await readRemaining(
    limits.filter(({ stated }) => stated.per === 'total'),
    uses,
    now,
  );
  const usedUp = new Set(read.flatMap(({ owner, room }) => (room.remaining === 0n ? owner.grant?.id : [])));
  return consents.flatMap(({ consent }) => (usedUp.has(consent.id) ? [] : [consent]));
}
