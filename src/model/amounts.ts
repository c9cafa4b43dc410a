/** Amounts of money or of anything else that is counted: whole numbers of a unit's smallest part, compared exactly. */
import { MAX_DECIMALS } from './quantities.js';

export interface Amount {
  /** A whole number of the smallest part: 1250 with two decimals is 12.50. */
  readonly value: number;
  /** A currency or another unit: amounts of different units don't compare. */
  readonly unit: string;
  readonly decimals: number;
}

/**
 * Whether it is an amount and nothing else. A value beyond 2^53 is none, since the double that carries it may have lost
 * digits, so each value fits in 64 bits.
 */
export function isAmount(value: unknown): value is Amount {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const { value: count, unit, decimals, ...others } = value as Record<string, unknown>;
  return (
    Number.isSafeInteger(count) &&
    typeof unit === 'string' &&
    unit !== '' &&
    Number.isInteger(decimals) &&
    Number(decimals) >= 0 &&
    Number(decimals) <= MAX_DECIMALS &&
    Object.keys(others).length === 0
  );
}

/** Compares amounts of one unit: negative where `a` is less, 0 where they are equal. @returns undefined for two units */
export function compareAmounts(a: Amount, b: Amount): number | undefined {
  if (a.unit !== b.unit) return undefined;
  const decimals = Math.max(a.decimals, b.decimals);
  const [left, right] = [scaleAmount(a, decimals), scaleAmount(b, decimals)];
  return left < right ? -1 : left > right ? 1 : 0;
}

/** The value with more decimals, exactly. */
function scaleAmount({ value, decimals }: Amount, target: number): bigint {
  return BigInt(value) * 10n ** BigInt(target - decimals);
}
