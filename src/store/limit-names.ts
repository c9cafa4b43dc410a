/**
 * Names limits and retries as they are stored. By themselves their names are hashes of what people are named and of what was asked, so
 * that who has a copy of the database could try them; the deployment's key makes other names of them. Versions before stored them as
 * they are: the functions of limit-naming-functions.ts take over what is still stored so.
 */
import type { Charge, Reservation, RetryKey } from '../model/limits.js';
import type { ReachedLimit, RecordEffects } from '../model/record-effects.js';
import type { PersonKeys } from './person-keys.js';

export type LimitNames = Pick<PersonKeys, 'toLimitName' | 'toRetryName'>;

type ListRetry = NonNullable<Reservation['repeat']>;

/** A charge by its stored name. */
export interface NamedCharge extends Charge {
  /** The name by itself: readings are told by it, and versions before have stored it. */
  readonly former?: string;
}

export interface NamedRetry extends RetryKey {
  readonly former?: string;
}

export function nameCharge(charge: Charge, names: LimitNames): NamedCharge {
  return { ...charge, key: names.toLimitName(charge.key), former: charge.key };
}

export function nameRetry<T extends RetryKey>(retry: T, names: LimitNames): T & NamedRetry {
  return { ...retry, key: names.toRetryName(retry.key), former: retry.key };
}

export function nameReservedLimits(reservation: Reservation, names: LimitNames): Reservation {
  const { parts, retry, repeat, others } = reservation;
  const nameAll = (charges: readonly Charge[]): readonly Charge[] => charges.map((charge) => nameCharge(charge, names));
  return {
    ...reservation,
    parts: parts.map((part) => ({ ...part, charges: nameAll(part.charges) })),
    ...(retry === undefined ? {} : { retry: nameRetry(retry, names) }),
    ...(repeat === undefined ? {} : { repeat: nameRepeat(repeat, names) }),
    ...(others === undefined ? {} : { others: nameAll(others) }),
  };
}

function nameRepeat(
  repeat: ListRetry,
  names: LimitNames,
): ListRetry & NamedRetry & { readonly former_permitted: string } {
  const { permitted } = repeat;
  return { ...nameRetry(repeat, names), permitted: names.toRetryName(permitted), former_permitted: permitted };
}

export function nameReachedLimits(effects: RecordEffects, names: LimitNames): RecordEffects {
  const { reachedLimits } = effects;
  if (reachedLimits.length === 0) return effects;
  return {
    ...effects,
    reachedLimits: reachedLimits.map((reached): ReachedLimit => {
      const key = names.toLimitName(reached.key);
      return { ...reached, key, ids: { ...reached.ids, limit: key } };
    }),
  };
}
