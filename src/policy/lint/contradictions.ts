/** Finds conditions that contradict each other by their values, or by the values that Remit gives what they compare. */
import { literalValue, negate, splitOperator, type Expression } from '../expressions.js';
import { readComparison, type ValueComparison } from './comparisons.js';

/** The only values that Remit gives these members. */
const CLOSED_VALUES: Readonly<Record<string, readonly string[]>> = {
  'context.delegation.mode': ['delegated', 'direct', 'human'],
  'context.delegation.access': ['online', 'background'],
};
/** The least and the greatest value that Remit gives these members. */
const MEMBER_RANGES: Readonly<Record<string, readonly [number, number]>> = {
  'context.delegation.depth': [0, Infinity],
  'context.local.weekday': [1, 7],
  'context.local.day': [1, 31],
  'context.local.hour': [0, 23],
  'context.local.minute': [0, 59],
};

/** Finds the reason that conditions can't all hold; undefined where they may. */
export function findContradiction(conditions: readonly Expression[]): string | undefined {
  if (conditions.some((condition) => literalValue(condition) === false || isNegatedTrue(condition)))
    return 'it is false';
  const texts = new Set(conditions.map((condition) => JSON.stringify(condition)));
  if (conditions.some((condition) => texts.has(JSON.stringify(negate(condition)))))
    return 'it asks for a condition and its opposite';
  const byValue = new Map<string, ValueComparison[]>();
  for (const comparison of conditions.flatMap((condition) => readComparison(condition) ?? []))
    byValue.set(comparison.key, [...(byValue.get(comparison.key) ?? []), comparison]);
  for (const comparisons of byValue.values()) {
    const why = findConflict(comparisons);
    if (why !== undefined) return why;
  }
  return undefined;
}

function isNegatedTrue(condition: Expression): boolean {
  const [operator, { arg }] = splitOperator(condition);
  return operator === '!' && arg !== undefined && literalValue(arg) === true;
}

/** Finds the reason that no value satisfies all comparisons, which are of one value; undefined where one may. */
function findConflict(comparisons: readonly ValueComparison[]): string | undefined {
  const [{ key, label } = { key: '', label: '' }] = comparisons;
  const possible = CLOSED_VALUES[key];
  let among: readonly unknown[] | undefined;
  let [min, max] = [-Infinity, Infinity];
  for (const comparison of comparisons) {
    if (comparison.kind === 'range') [min, max] = [Math.max(min, comparison.min), Math.min(max, comparison.max)];
    if (comparison.kind !== 'among') continue;
    const { values } = comparison;
    if (possible !== undefined && !values.some((value) => possible.some((candidate) => candidate === value)))
      return `${label} is never ${formatValues(values)}, only ${formatValues(possible)}`;
    const both: readonly unknown[] = among === undefined ? values : among.filter((value) => values.includes(value));
    if (both.length === 0 && among !== undefined)
      return `${label} can't be both ${formatValues(among)} and ${formatValues(values)}`;
    among = both;
  }
  if (min > max) return `${label} can't be within two ranges that don't meet`;
  const [least, greatest] = MEMBER_RANGES[key] ?? [-Infinity, Infinity];
  if (min > greatest || max < least)
    return `${label} is never ${min > greatest ? `more than ${greatest}` : `less than ${least}`}`;
  const isBeyond = (value: unknown): boolean => typeof value === 'number' && (value < least || value > greatest);
  if (among?.every(isBeyond) === true)
    return `${label} is never ${formatValues(among)}, only ${greatest === Infinity ? `${least} or more` : `${least} to ${greatest}`}`;
  const excluded = comparisons.flatMap((comparison) => (comparison.kind === 'not-among' ? comparison.values : []));
  const isPossible = (value: unknown): boolean =>
    !excluded.includes(value) && (typeof value !== 'number' || (value >= min && value <= max && !isBeyond(value)));
  if (among !== undefined && !among.some(isPossible))
    return `${label} can't be ${formatValues(among)} by the other conditions on it`;
  return possible !== undefined && possible.every((value) => excluded.includes(value))
    ? `${label} is always ${formatValues(possible)}`
    : undefined;
}

function formatValues(values: readonly unknown[]): string {
  return values.map((value) => JSON.stringify(value)).join(' or ');
}
