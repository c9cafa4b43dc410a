/** Exact quantities: whole numbers with decimals, scaled and compared as such and never as doubles. */
import type { Quantity } from './limits.js';

/** The most decimals of an amount: those of the smallest units that there are, such as wei. */
export const MAX_DECIMALS = 18;
/** The greatest value that fits in 64 bits with a sign. */
const MAX_VALUE = 2n ** 63n - 1n;
/** A currency or measure: `EUR`, `tokens`, `kWh`. */
export const UNIT_FORMAT = /^[A-Za-z][A-Za-z0-9_-]{0,31}$/;

/** The value with other decimals; undefined where it isn't a whole number of them, or has more than 64 bits. */
export function rescaleQuantity({ value, decimals }: Omit<Quantity, 'unit'>, target: number): bigint | undefined {
  const factor = 10n ** BigInt(Math.abs(target - decimals));
  if (target < decimals && value % factor !== 0n) return undefined;
  const scaled = target < decimals ? value / factor : value * factor;
  return scaled > MAX_VALUE || scaled < -MAX_VALUE ? undefined : scaled;
}

/** The number with its decimals and without the unit: `12.50`. The database computes with it exactly. */
export function formatQuantityNumber({ value, decimals }: Omit<Quantity, 'unit'>): string {
  const digits = (value < 0n ? -value : value).toString().padStart(decimals + 1, '0');
  const whole = digits.slice(0, digits.length - decimals);
  return `${value < 0n ? '-' : ''}${whole}${decimals === 0 ? '' : `.${digits.slice(-decimals)}`}`;
}

/** `12.50 EUR`, or `100` where uses are counted. */
export function formatQuantity(quantity: Quantity): string {
  const number = formatQuantityNumber(quantity);
  return quantity.unit === undefined ? number : `${number} ${quantity.unit}`;
}

/**
 * Reads a decimal number as a value of so many decimals, rounded up where it has more: of what is used nothing is lost.
 * @param text as PostgreSQL writes a `numeric` that isn't negative
 * @param excess whether further decimals count as one more, or not at all
 */
export function readDecimalNumber(text: string, decimals: number, excess: 'up' | 'down' = 'up'): bigint {
  const [, whole = '0', fraction = ''] = /^(\d+)(?:\.(\d+))?$/.exec(text) ?? [];
  const kept = BigInt(whole + fraction.slice(0, decimals).padEnd(decimals, '0'));
  return excess === 'up' && /[1-9]/.test(fraction.slice(decimals)) ? kept + 1n : kept;
}

/** Whether one number is less than another of the same unit, exactly and of any size. */
export function isLessQuantity(a: Omit<Quantity, 'unit'>, b: Omit<Quantity, 'unit'>): boolean {
  return a.value * 10n ** BigInt(b.decimals) < b.value * 10n ** BigInt(a.decimals);
}

/** Compares quantities of one unit exactly: negative where `a` is less, 0 where they are equal. @returns undefined for two units, and where one doesn't fit in 64 bits with the decimals of the other */
export function compareQuantities(a: Quantity, b: Quantity): number | undefined {
  if (a.unit !== b.unit) return undefined;
  const decimals = Math.max(a.decimals, b.decimals);
  const [left, right] = [rescaleQuantity(a, decimals), rescaleQuantity(b, decimals)];
  if (left === undefined || right === undefined) return undefined;
  return left < right ? -1 : left > right ? 1 : 0;
}

/** The same with as few decimals as tell it: 12.50 is 12.5. */
export function shortenQuantity({ value, decimals }: Omit<Quantity, 'unit'>): Omit<Quantity, 'unit'> {
  let [short, places] = [value, decimals];
  for (; places > 0 && short % 10n === 0n; places -= 1) short /= 10n;
  return { value: short, decimals: places };
}

/** A quantity as answers state it: a number of uses, or an amount. One that a double doesn't hold is a text. */
export type StatedQuantity =
  number | string | { readonly value: number | string; readonly unit: string; readonly decimals: number };

/** A quantity that has a unit. */
export type Amount = Quantity & { readonly unit: string };
export type AmountReading = { readonly amount: Amount } | { readonly problem: string };

/**
 * Reads an amount as requests, details and limits state it: `{"value": 1250, "unit": "EUR", "decimals": 2}` and nothing else.
 * Decimals that are left out are none. A value beyond 2^53 is none, since the double that carries it may have lost digits, so
 * each fits in 64 bits.
 */
export function readAmount(stated: unknown): AmountReading {
  if (typeof stated !== 'object' || stated === null || Array.isArray(stated))
    return { problem: 'must be an amount such as {"value": 1250, "unit": "EUR", "decimals": 2}' };
  const { value, unit, decimals = 0, ...others } = stated as Readonly<Record<string, unknown>>;
  const [other] = Object.keys(others);
  if (other !== undefined)
    return { problem: `has the member ${JSON.stringify(other.slice(0, 64))}, which no amount has` };
  if (!Number.isSafeInteger(value)) return { problem: 'needs a "value" that is a whole number within ±(2^53 − 1)' };
  if (typeof unit !== 'string' || !UNIT_FORMAT.test(unit))
    return { problem: 'needs a "unit" such as "EUR": a letter, then letters, digits, "_" and "-", at most 32' };
  if (!Number.isSafeInteger(decimals) || (decimals as number) < 0 || (decimals as number) > MAX_DECIMALS)
    return { problem: `needs "decimals" from 0 to ${MAX_DECIMALS}` };
  return { amount: { value: BigInt(value as number), unit, decimals: decimals as number } };
}
