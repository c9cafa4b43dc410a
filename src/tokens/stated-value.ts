/**
 * Values of requests and of details, read once each so that they compare in the time that it takes to read them: by their
 * canonical text, in which amounts of other decimals are equal.
 */
import { readAmount, shortenQuantity, type Amount } from '../model/quantities.js';
import { formatCanonicalJson } from '../runtime/canonical-json.js';
import { memoizeByObject } from '../runtime/memoize.js';

/** The value as an amount; undefined where it is none. */
export function asAmount(value: unknown): Amount | undefined {
  return typeof value === 'object' && value !== null ? readObject(value).amount : undefined;
}

/** Whether two values are equal; amounts also where they have other decimals. */
export function isSameValue(a: unknown, b: unknown): boolean {
  const areObjects = typeof a === 'object' && typeof b === 'object';
  return areObjects ? readComparableText(a) === readComparableText(b) : a === b;
}

/** The text that two values have in common where they are equal, and only there. */
export function readComparableText(value: unknown): string {
  return typeof value === 'object' && value !== null ? readObject(value).text : formatCanonicalJson(value);
}

/** The texts of a list's elements, or of the one value. */
export function readElementTexts(value: unknown): ReadonlySet<string> {
  return Array.isArray(value) ? readListTexts(value) : new Set([readComparableText(value)]);
}

const readListTexts = memoizeByObject(
  (list: readonly unknown[]): ReadonlySet<string> => new Set(list.map(readComparableText)),
);

const readObject = memoizeByObject((object: object): { readonly text: string; readonly amount: Amount | undefined } => {
  const read = readAmount(object);
  if ('problem' in read) return { text: formatCanonicalJson(object), amount: undefined };
  const { value, decimals } = shortenQuantity(read.amount);
  const stated = { value: Number(value), unit: read.amount.unit, decimals };
  return { text: formatCanonicalJson(stated), amount: read.amount };
});
