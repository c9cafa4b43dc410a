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
  const history = planListHistory(uses, pasts);
  if (parts.length === 0 && repeat === undefined && history === undefined) return undefined;
  return { at: now.getTime(), parts, partial: true, repeat, ...(history === undefined ? {} : { history }) };
}

/** The past of a list: all answers that its results rest on, and the events that they are in so far as they are reserved. */
function planListHistory(
  uses: readonly (readonly Charge[])[],
  pasts: readonly (HistoryUse | undefined)[],
): ReservedHistory | undefined {
  const answered = new Map<string, ReservedHistory['answered'][number]>();
  const events: ReservedEvent[] = [];
  const places = placeUses(uses);
  for (const [place, past] of pasts.entries()) {
    if (past === undefined) continue;
    // Two answers to one question can't both hold: then the list is judged again.
    for (const answer of past.answered) answered.set(`${answer.query.id} ${answer.value}`, answer);
    events.push(...past.events.map((event) => ({ ...event, place, ...places[place] })));
  }
  return answered.size + events.length === 0 ? undefined : { answered: [...answered.values()], events };
}

/** The part, from 1, that each use belongs to, and its number there; nothing for what charges nothing. */
function placeUses(uses: readonly (readonly Charge[])[]): Pick<ReservedEvent, 'part' | 'nth'>[] {
  const places = groupUses(uses).flatMap(({ count }, i) =>
    Array.from({ length: count }, (_, place) => ({ part: i + 1, nth: place + 1 })),
  );
  let next = 0;
  return uses.map((charges) => (charges.length === 0 ? {} : (places[next++] ?? {})));
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
