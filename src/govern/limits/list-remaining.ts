/** Lists what is left of the limits that a user has set, in their delegations and consents. */
import type { LimitUses, StatedLimit } from '../../model/limits.js';
import { listGrantCharges, type LimitOwner } from './charges.js';
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

/** The limits of a grant one by one. @param stated as the grant has them */
export function splitLimits(owner: LimitOwner, stated: readonly StatedLimit[] = []): GrantLimit[] {
  return stated.map((limit, index) => ({ owner, index, stated: limit }));
}

/** Reads what is left of each, all at one moment. @throws Fault */
export async function readRemaining(
  limits: readonly GrantLimit[],
  uses: LimitUses,
  now: Date,
): Promise<readonly RemainingLimit[]> {
  const charges = limits.flatMap(({ owner, index }) => listGrantCharges(owner, now)[index] ?? []);
  if (charges.length === 0) return [];
  const rooms = findRooms({ charges }, await uses.read(charges, undefined));
  return limits.flatMap((limit, i) => {
    const room = rooms[i];
    return room === undefined ? [] : [{ ...limit, room }];
  });
}
