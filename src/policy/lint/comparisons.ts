/** Reads the conditions that compare a value with literals, whichever way round and however often negated. */
import { accessPath, literalValue, splitOperator, type Expression } from '../expressions.js';
import { toDurationMs } from '../duration.js';

/** A constraint that a condition puts on one value, where it holds. */
export type ValueComparison = {
  /** Equal for the same value: expressions have no effects. */
  readonly key: string;
  /** The value as messages name it: `context.local.hour`. */
  readonly label: string;
} & (
  | { readonly kind: 'among' | 'not-among'; readonly values: readonly unknown[] }
  /** Numbers, or milliseconds, or ten-thousandths of a decimal; both ends count. */
  | { readonly kind: 'range'; readonly min: number; readonly max: number }
);

/** The comparison that holds where the condition does; undefined where it is none, or of two values that aren't known. */
export function readComparison(condition: Expression, holds = true): ValueComparison | undefined {
  const [operator, { left, right, arg }] = splitOperator(condition);
  if (operator === '!' && arg !== undefined) return readComparison(arg, !holds);
  if (operator === '==' || operator === '!=') return readEquality(left, right, (operator === '==') === holds);
  if (operator === 'contains') {
    const values = left === undefined ? undefined : readLiteralSet(left);
    return values === undefined || right === undefined
      ? undefined
      : { ...identify(right), kind: holds ? 'among' : 'not-among', values };
  }
  const operands: readonly (Expression | undefined)[] = Array.isArray(condition[operator])
    ? (condition[operator] as Expression[])
    : [left, right];
  const order = ORDER_OPERATORS[operator];
  const [first, second] = operands;
  if (order === undefined || first === undefined || second === undefined) return undefined;
  return readOrder(first, holds ? order : NEGATED[order], second);
}

type Order = '<' | '<=' | '>' | '>=';

const ORDER_OPERATORS: Readonly<Record<string, Order | undefined>> = {
  '<': '<', '<=': '<=', '>': '>', '>=': '>=',
  lessThan: '<', lessThanOrEqual: '<=', greaterThan: '>', greaterThanOrEqual: '>=',
}; // prettier-ignore
const NEGATED = { '<': '>=', '<=': '>', '>': '<=', '>=': '<' } as const;
const MIRRORED = { '<': '>', '<=': '>=', '>': '<', '>=': '<=' } as const;

function readOrder(first: Expression, order: Order, second: Expression): ValueComparison | undefined {
  const limit = readMeasure(second);
  if (limit === undefined)
    return readMeasure(first) === undefined ? undefined : readOrder(second, MIRRORED[order], first);
  if (readMeasure(first) !== undefined) return undefined;
  const [min, max] = {
    '<': [-Infinity, limit - 1],
    '<=': [-Infinity, limit],
    '>': [limit + 1, Infinity],
    '>=': [limit, Infinity],
  }[order] as [number, number];
  return { ...identify(first), kind: 'range', min, max };
}

function readEquality(
  left: Expression | undefined,
  right: Expression | undefined,
  isEqual: boolean,
): ValueComparison | undefined {
  if (left === undefined || right === undefined) return undefined;
  const [value, other] = literalValue(right) === undefined ? [literalValue(left), right] : [literalValue(right), left];
  if (value === undefined || literalValue(other) !== undefined) return undefined;
  return { ...identify(other), kind: isEqual ? 'among' : 'not-among', values: [value] };
}

function readLiteralSet(expression: Expression): readonly unknown[] | undefined {
  const elements = expression['Set'];
  if (!Array.isArray(elements)) return undefined;
  const values = (elements as Expression[]).map(literalValue);
  return values.includes(undefined) ? undefined : values;
}

/** The whole number that a literal is, or stands for; undefined where it is none, or where a double doesn't hold it. */
function readMeasure(expression: Expression): number | undefined {
  const value = literalValue(expression);
  const [call, operands] = Object.entries(expression)[0] ?? [];
  const argument = Array.isArray(operands) ? literalValue((operands as Expression[])[0] ?? {}) : undefined;
  const measure = typeof value === 'number' ? value : typeof argument === 'string' ? measureCall(call, argument) : NaN;
  return Number.isSafeInteger(measure) ? measure : undefined;
}

function measureCall(call: string | undefined, argument: string): number {
  switch (call) {
    case 'datetime':
      return Date.parse(argument.length === 10 ? `${argument}T00:00:00Z` : argument);
    case 'duration':
      return toDurationMs(argument);
    case 'decimal':
      return Math.round(Number(argument) * 10_000);
    default:
      return NaN;
  }
}

function identify(expression: Expression): Pick<ValueComparison, 'key' | 'label'> {
  const path = accessPath(expression)?.join('.');
  const [method, operands] = Object.entries(expression)[0] ?? [];
  const owner = Array.isArray(operands) && operands.length === 1 ? accessPath(operands[0] as Expression) : undefined;
  const label = path ?? (owner === undefined ? 'one value' : `${owner.join('.')}.${method ?? ''}()`);
  return { key: path ?? JSON.stringify(expression), label };
}
