/** The narrowest constraints that all of what was done meets, by the properties that its questions stated of the action. */
import { compareQuantities } from '../../model/quantities.js';
import type { Properties } from '../../model/question.js';
import { asAmount, isSameValue } from '../../tokens/stated-value.js';

/** Longer lists are no bound that a person would set. */
const MAX_PROPOSED_VALUES = 20;
const MAX_PROPOSED_VALUE_LENGTH = 256;
const MAX_PROPOSED_CONSTRAINTS = 16;

/**
 * Proposes a constraint of each property that all questions stated: numbers and amounts have the greatest, texts and truths a list.
 * Where one of them didn't state it, or values differ in kind, there is none.
 * @param stated the properties of each question; undefined where the record doesn't say
 * @returns undefined where there are none
 */
export function proposeConstraints(
  stated: readonly (Properties | undefined)[],
): Readonly<Record<string, unknown>> | undefined {
  const [first, ...others] = stated;
  const names = Object.keys(first ?? {}).filter((name) =>
    others.every((properties) => properties !== undefined && Object.hasOwn(properties, name)),
  );
  const constraints = names
    .sort()
    .map((name): [string, unknown] => [`action.${name}`, proposeBound(stated.map((properties) => properties?.[name]))])
    .filter(([, bound]) => bound !== undefined)
    .slice(0, MAX_PROPOSED_CONSTRAINTS);
  return constraints.length === 0 ? undefined : Object.fromEntries(constraints);
}

function proposeBound(values: readonly unknown[]): object | undefined {
  const numbers = values.filter((value) => typeof value === 'number');
  if (numbers.length === values.length)
    return { max: numbers.reduce((greatest, value) => Math.max(greatest, value), -Infinity) };
  if (values.every((value) => asAmount(value) !== undefined)) return proposeGreatestAmount(values);
  return proposeList(values);
}

/** @returns undefined where the amounts are of several units */
function proposeGreatestAmount(values: readonly unknown[]): object | undefined {
  let greatest: unknown = values[0];
  for (const value of values) {
    const [amount, other] = [asAmount(value), asAmount(greatest)];
    const order = amount === undefined || other === undefined ? undefined : compareQuantities(amount, other);
    if (order === undefined) return undefined;
    if (order > 0) greatest = value;
  }
  return { max: greatest };
}

/** Each element of a list counts, and an empty list meets no list of values. */
function proposeList(values: readonly unknown[]): object | undefined {
  if (values.some((value) => Array.isArray(value) && value.length === 0)) return undefined;
  const elements = values.flatMap((value): readonly unknown[] => (Array.isArray(value) ? value : [value]));
  const isShort = elements.every(
    (element) =>
      typeof element === 'boolean' || (typeof element === 'string' && element.length <= MAX_PROPOSED_VALUE_LENGTH),
  );
  if (!isShort) return undefined;
  const distinct: unknown[] = [];
  for (const element of elements) {
    if (distinct.some((value) => isSameValue(value, element))) continue;
    if (distinct.length === MAX_PROPOSED_VALUES) return undefined;
    distinct.push(element);
  }
  return { one_of: distinct.sort((a, b) => (String(a) < String(b) ? -1 : 1)) };
}
