/** Judges what is left of limits: whether a question fits, what is told where it doesn't, and what policies read of it. */
import type { Charge, LimitedGrant, LimitReading, LimitState, Quantity } from '../../model/limits.js';
import { isLessQuantity, readDecimalNumber, type StatedQuantity } from '../../model/quantities.js';
import { reason, type Reason } from '../../model/reasons.js';
import type { ChargePlan } from './charges.js';
import type { AmountProblem } from './required-amount.js';

/** A charge with what was left before the question. */
export interface Room {
  readonly charge: Charge;
  readonly remaining: bigint;
  /** The quantity that an earlier question with its key holds. */
  readonly held: bigint;
  /** The quantity that is left where what is held is taken as unused: the earlier question with its key would find it now. */
  readonly remainingBeside: bigint;
  /** The quantity that the question has to reserve: all that it uses, but for what is held. */
  readonly unheld: bigint;
  /** The instant at which there is more, RFC 3339; undefined where that never comes, or where all is left. */
  readonly resetsAt: string | undefined;
}

export interface LimitJudgement {
  /** Empty where the question fits. */
  readonly reasons: readonly Reason[];
  /** A line for each charge. */
  readonly evidence: readonly Readonly<Record<string, unknown>>[];
}

const UNUSED: LimitReading = { used: '0' };

/** @throws TypeError where a use was not read: taken as none, it could let too much through */
export function findRooms({ charges }: Pick<ChargePlan, 'charges'>, { readings, others, retry }: LimitState): Room[] {
  return charges.map((charge): Room => {
    const { bound } = charge.limit;
    const reading = readings[charge.key] ?? (others === 'unused' ? UNUSED : undefined);
    if (reading === undefined) throw new TypeError(`the uses of "${charge.limit.text}" were not read`);
    const { used, oldest } = reading;
    const left = bound.value - readDecimalNumber(used, bound.decimals);
    const held = retry?.kind === 'held' ? readDecimalNumber(reading.held ?? '0', bound.decimals, 'down') : 0n;
    const unheld = charge.required - held;
    const reset =
      charge.end ?? (oldest === undefined || charge.length === undefined ? undefined : oldest + charge.length);
    return {
      charge,
      remaining: atLeastNothing(left),
      held,
      remainingBeside: atLeastNothing(left + held),
      unheld: atLeastNothing(unheld),
      resetsAt: reset === undefined ? undefined : new Date(reset).toISOString(),
    };
  });
}

function atLeastNothing(quantity: bigint): bigint {
  return quantity < 0n ? 0n : quantity;
}

/** A retry uses what the first question has reserved, so it needs room only for what that doesn't hold now. */
export function judgeLimits(plan: ChargePlan, state: LimitState): LimitJudgement {
  const rooms = findRooms(plan, state);
  const reasons: Reason[] = [];
  if (state.retry?.kind === 'executed') reasons.push(reason('consent', 'key_used'));
  const { problem } = plan;
  if (problem !== undefined) reasons.push(tellProblem(problem));
  for (const room of rooms) if (!hasRoom(room)) reasons.push(tellExceeded(room));
  return { reasons, evidence: rooms.map(describeRoom) };
}

/** Whether enough is left for the question. */
export function hasRoom({ unheld, remaining }: Pick<Room, 'unheld' | 'remaining'>): boolean {
  return unheld <= remaining;
}

function tellProblem({ kind, message, grant }: AmountProblem): Reason {
  if (kind === 'missing') return reason('consent', 'attribute_missing', message);
  return { ...reason('consent', 'limit_exceeded', message), ...nameGrant(grant) };
}

/** The member of a reason that names the grant whose limit it is. */
function nameGrant(grant: LimitedGrant | undefined): Pick<Reason, 'consent' | 'delegation'> {
  return grant === undefined ? {} : { [grant.kind]: grant.id };
}

function tellExceeded({ charge, remaining, unheld, resetsAt }: Room): Reason {
  const { limit, parties, grant, owner } = charge;
  const of = (value: bigint): StatedQuantity => toStatedQuantity({ ...limit.bound, value });
  const whose = grant !== undefined ? ` of ${owner}` : parties.length === 0 ? '' : ` of ${parties.join(' for ')}`;
  const message = `The limit "${limit.text}"${whose} has less left than the question uses.`;
  const told = { required: of(unheld), remaining: of(remaining) };
  // Where the whole bound is too small no time will make it fit.
  const reset = unheld > limit.bound.value ? undefined : resetsAt;
  return {
    ...reason('consent', 'limit_exceeded', message),
    ...nameGrant(grant),
    ...told,
    ...(reset === undefined ? {} : { resets_at: reset }),
  };
}

function describeRoom({ charge, remaining, unheld, resetsAt }: Room): Readonly<Record<string, unknown>> {
  const { limit, parties, grant } = charge;
  return {
    limit: limit.text,
    ...nameGrant(grant),
    ...(parties.length === 0 ? {} : { of: parties }),
    required: toStatedQuantity({ ...limit.bound, value: unheld }),
    remaining: toStatedQuantity({ ...limit.bound, value: remaining }),
    ...(resetsAt === undefined ? {} : { resets_at: resetsAt }),
  };
}

/** A quantity as answers state it: a number of uses, or an amount. */
export function toStatedQuantity({ value, unit, decimals }: Quantity): StatedQuantity {
  // A number that a double doesn't hold is told as text rather than as another number.
  const number = value > BigInt(Number.MAX_SAFE_INTEGER) ? value.toString() : Number(value);
  return unit === undefined ? number : { value: number, unit, decimals };
}

/**
 * The `context.budget` of policies: the tightest limit before this question, and of a retry before the first one with its key. Of those of one unit it is the one with the least
 * left; uses and amounts don't compare, so of these it is the one of which the smaller part is left.
 */
export function findBudget(
  plan: Pick<ChargePlan, 'charges'>,
  state: LimitState,
): { readonly remaining: number; readonly unit?: string } | undefined {
  const leastLeft = new Map<string | undefined, Room>();
  for (const room of findRooms(plan, state)) {
    const { unit } = room.charge.limit.bound;
    const other = leastLeft.get(unit);
    if (other === undefined || isLessQuantity(toLeft(room), toLeft(other))) leastLeft.set(unit, room);
  }
  const [first, ...others] = leastLeft.values();
  if (first === undefined) return undefined;
  const tightest = others.reduce((found, room) => (hasSmallerPartLeft(room, found) ? room : found), first);
  const { unit } = tightest.charge.limit.bound;
  return { remaining: Number(tightest.remainingBeside), ...(unit === undefined ? {} : { unit }) };
}

function toLeft({ charge, remainingBeside }: Room): Quantity {
  return { ...charge.limit.bound, value: remainingBeside };
}

/** Compares the parts that are left as fractions, exactly. */
function hasSmallerPartLeft(a: Room, b: Room): boolean {
  return a.remainingBeside * b.charge.limit.bound.value < b.remainingBeside * a.charge.limit.bound.value;
}
