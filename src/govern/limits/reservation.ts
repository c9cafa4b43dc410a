/** Plans what is reserved together with the record of an allow, or of a list. */
import type { ApprovalUse } from '../../model/approvals.js';
import type { Charge, LimitState, Reservation, ReservedPart, RetryKey } from '../../model/limits.js';
import { findRooms } from './judge.js';

/** The uses of one decision. */
export interface PlannedUse {
  readonly charges: readonly Charge[];
  /** Charges that the question could have instead. */
  readonly others: readonly Charge[];
  readonly state: LimitState | undefined;
  readonly retry: RetryKey | undefined;
  readonly approval: ApprovalUse | undefined;
}

/**
 * @param state of limits; undefined where the question has none, and no key
 * @param approval the one that the decision uses
 * @returns undefined where nothing is to be reserved
 */
export function planReservation(
  { charges, others, state, retry, approval }: PlannedUse,
  now: Date,
): Reservation | undefined {
  if (charges.length === 0 && retry === undefined && approval === undefined) return undefined;
  const expected = state?.retry;
  return {
    at: now.getTime(),
    // A retry states its charges too: what is held already isn't charged again where it is stored.
    parts: charges.length === 0 ? [] : [{ charges, count: 1 }],
    partial: false,
    ...(retry === undefined || expected === undefined ? {} : { retry: { ...retry, expected } }),
    ...(approval === undefined ? {} : { approval }),
    ...(others.length === 0 ? {} : { others }),
  };
}

/**
 * Plans what a list reserves: each record that it hands out is a use.
 * @param uses the charges of each, in order
 * @param repeat the key under which the list may be repeated
 */
export function planListReservation(
  uses: readonly (readonly Charge[])[],
  now: Date,
  repeat: Reservation['repeat'],
): Reservation | undefined {
  const parts = groupUses(uses);
  return parts.length === 0 && repeat === undefined ? undefined : { at: now.getTime(), parts, partial: true, repeat };
}

/**
 * Says how many of each part there is room for, as they would be accepted where they were reserved: one after the other, of
 * counters that they may have in common.
 */
export function acceptParts({ parts }: Pick<Reservation, 'parts'>, state: LimitState): number[] {
  const taken = new Map<string, bigint>();
  return parts.map(({ charges, count }) => {
    const accepted = findRooms({ charges }, state).reduce((fewest, { charge, remaining, held }) => {
      const left = remaining + held - (taken.get(charge.key) ?? 0n);
      if (charge.required === 0n || left >= charge.required * BigInt(fewest)) return fewest;
      return left < charge.required ? 0 : Number(left / charge.required);
    }, count);
    for (const { key, required } of charges) taken.set(key, (taken.get(key) ?? 0n) + required * BigInt(accepted));
    return accepted;
  });
}

/** Whether each of the uses was reserved, by the numbers that were accepted of the parts. */
export function selectReserved(uses: readonly (readonly Charge[])[], accepted: readonly number[]): boolean[] {
  const reserved = groupUses(uses).flatMap(({ count }, i) =>
    Array.from({ length: count }, (_, place) => place < (accepted[i] ?? 0)),
  );
  let next = 0;
  return uses.map((charges) => (charges.length === 0 ? true : reserved[next++] === true));
}

interface UseGroup extends ReservedPart {
  count: number;
  readonly items: number[];
}

/** Uses that follow each other and charge the same, as parts with their number. Parts may have keys in common. */
function groupUses(uses: readonly (readonly Charge[])[]): UseGroup[] {
  const parts: UseGroup[] = [];
  for (const [place, charges] of uses.entries()) {
    if (charges.length === 0) continue;
    const last = parts.at(-1);
    if (last !== undefined && partKey(last.charges) === partKey(charges)) {
      last.count += 1;
      last.items.push(place);
    } else parts.push({ charges, count: 1, items: [place] });
  }
  return parts;
}

function partKey(charges: readonly Charge[]): string {
  return charges.map(({ key }) => key).join(' ');
}
