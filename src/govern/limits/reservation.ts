/** Plans what is reserved together with the record of an allow, or of a list. */
import type { ApprovalUse } from '../../model/approvals.js';
import type { HistoryUse } from '../../model/history.js';
import type {
  Charge,
  LimitState,
  Reservation,
  ReservedEvent,
  ReservedHistory,
  ReservedPart,
  RetryKey,
} from '../../model/limits.js';
import { findRooms } from './judge.js';

/** The uses of one decision. */
export interface PlannedUse {
  readonly charges: readonly Charge[];
  /** Charges that the question could have instead. */
  readonly others: readonly Charge[];
  readonly state: LimitState | undefined;
  readonly retry: RetryKey | undefined;
  readonly approval: ApprovalUse | undefined;
  /** The past that it rests on and becomes part of. */
  readonly history: HistoryUse | undefined;
}

/**
 * @param state of limits; undefined where the question has none, and no key
 * @param approval the one that the decision uses
 * @returns undefined where nothing is to be reserved
 */
export function planReservation(
  { charges, others, state, retry, approval, history }: PlannedUse,
  now: Date,
): Reservation | undefined {
  if (charges.length === 0 && retry === undefined && approval === undefined && history === undefined) return undefined;
  const expected = state?.retry;
  return {
    at: now.getTime(),
    // A retry states its charges too: what is held already isn't charged again where it is stored.
    parts: charges.length === 0 ? [] : [{ charges, count: 1 }],
    partial: false,
    ...(retry === undefined || expected === undefined ? {} : { retry: { ...retry, expected } }),
    ...(approval === undefined ? {} : { approval }),
    ...(history === undefined
      ? {}
      : { history: { ...history, events: history.events.map((event) => ({ ...event, place: 0 })) } }),
    ...(others.length === 0 ? {} : { others }),
  };
}

/**
 * Plans what a list reserves: each record that it hands out is a use.
 * @param uses the charges of each, in order
 * @param repeat the key under which the list may be repeated
 * @param pasts the past of each
 */
export function planListReservation(
  uses: readonly (readonly Charge[])[],
  now: Date,
  repeat: Reservation['repeat'],
  pasts: readonly (HistoryUse | undefined)[] = [],
): Reservation | undefined {
  const parts = groupUses(uses);
  const history = planListHistory(parts, pasts);
  if (parts.length === 0 && repeat === undefined && history === undefined) return undefined;
  return { at: now.getTime(), parts, partial: true, repeat, ...(history === undefined ? {} : { history }) };
}

/** The past of a list: all answers that its results rest on, and the events that they are in so far as they are reserved. */
function planListHistory(
  parts: readonly UseGroup[],
  pasts: readonly (HistoryUse | undefined)[],
): ReservedHistory | undefined {
  const answered = new Map<string, ReservedHistory['answered'][number]>();
  const events: ReservedEvent[] = [];
  // Records that charge nothing are no uses of a part.
  const uses = new Map(
    parts.flatMap(({ items }, i) => items.map((place, n) => [place, { part: i + 1, nth: n + 1 }] as const)),
  );
  for (const [place, past] of pasts.entries()) {
    if (past === undefined) continue;
    // Two answers to one question can't both hold: then the list is judged again.
    for (const answer of past.answered) answered.set(`${answer.query.id} ${answer.value}`, answer);
    events.push(...past.events.map((event) => ({ ...event, place, ...uses.get(place) })));
  }
  return answered.size + events.length === 0 ? undefined : { answered: [...answered.values()], events };
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
  const isReserved = uses.map((charges) => charges.length === 0);
  for (const [i, { items }] of groupUses(uses).entries())
    for (const place of items.slice(0, accepted[i] ?? 0)) isReserved[place] = true;
  return isReserved;
}

/** A part of a list's reservation, with the places of its uses. */
type UseGroup = ReservedPart & Required<Pick<ReservedPart, 'items'>>;

/** Uses that follow each other and charge the same, as parts with their number. Parts may have keys in common. */
function groupUses(uses: readonly (readonly Charge[])[]): UseGroup[] {
  const groups: { readonly charges: readonly Charge[]; readonly items: number[] }[] = [];
  for (const [place, charges] of uses.entries()) {
    if (charges.length === 0) continue;
    const last = groups.at(-1);
    if (last !== undefined && partKey(last.charges) === partKey(charges)) last.items.push(place);
    else groups.push({ charges, items: [place] });
  }
  return groups.map(({ charges, items }) => ({ charges, count: items.length, items }));
}

function partKey(charges: readonly Charge[]): string {
  return charges.map(({ key }) => key).join(' ');
}
