/** Plans what is reserved together with the record of an allow, or of a list. */
import type { ApprovalUse } from '../../model/approvals.js';
import type { Charge, LimitState, Reservation, RetryKey } from '../../model/limits.js';

/** The uses of one decision. */
export interface PlannedUse {
  readonly charges: readonly Charge[];
  readonly state: LimitState | undefined;
  readonly retry: RetryKey | undefined;
  readonly approval: ApprovalUse | undefined;
}

/**
 * @param state of limits; undefined where the question has none, and no key
 * @param approval the one that the decision uses
 * @returns undefined where nothing is to be reserved
 */
export function planReservation({ charges, state, retry, approval }: PlannedUse, now: Date): Reservation | undefined {
  if (charges.length === 0 && retry === undefined && approval === undefined) return undefined;
  const expected = state?.retry;
  const isHeld = expected?.kind === 'held';
  return {
    at: now.getTime(),
    parts: isHeld || charges.length === 0 ? [] : [{ charges, count: 1 }],
    partial: false,
    ...(retry === undefined || expected === undefined ? {} : { retry: { ...retry, expected } }),
    ...(approval === undefined ? {} : { approval }),
  };
}

/** Plans what a list reserves: each record that it hands out is a use. @param uses the charges of each, in order */
export function planListReservation(uses: readonly (readonly Charge[])[], now: Date): Reservation | undefined {
  const parts = groupUses(uses);
  return parts.length === 0 ? undefined : { at: now.getTime(), parts, partial: true };
}

/** Whether each of the uses was reserved, by the numbers that were accepted of the parts. */
export function selectReserved(uses: readonly (readonly Charge[])[], accepted: readonly number[]): boolean[] {
  const left = new Map(groupUses(uses).map(({ charges }, i) => [partKey(charges), accepted[i] ?? 0]));
  return uses.map((charges) => {
    if (charges.length === 0) return true;
    const count = left.get(partKey(charges)) ?? 0;
    left.set(partKey(charges), count - 1);
    return count > 0;
  });
}

/** The uses that charge the same as one part, with their number. Parts have no key in common: their actions differ. */
function groupUses(uses: readonly (readonly Charge[])[]): { charges: readonly Charge[]; count: number }[] {
  const parts = new Map<string, { charges: readonly Charge[]; count: number }>();
  for (const charges of uses) {
    if (charges.length === 0) continue;
    const part = parts.get(partKey(charges));
    if (part === undefined) parts.set(partKey(charges), { charges, count: 1 });
    else part.count += 1;
  }
  return [...parts.values()];
}

function partKey(charges: readonly Charge[]): string {
  return charges.map(({ key }) => key).join(' ');
}
