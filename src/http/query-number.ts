/** Whole numbers in a query string, which are written in decimal digits: `0x10`, `1e2` and ` 5` are none. */
import { z } from 'zod';

/** The greatest number that has as many digits as are read. */
export const MAX_QUERY_NUMBER = 999_999_999;
const DECIMAL = /^(0|[1-9]\d{0,8})$/;

/** The format of a whole number within the bounds; the default where it isn't given. */
export function queryNumber(min: number, max: number, byDefault: number) {
  return z
    .preprocess(
      (value) => (typeof value === 'string' && DECIMAL.test(value) ? Number(value) : value),
      z
        .number({ error: numberProblem(min, max) })
        .int()
        .min(min)
        .max(max),
    )
    .default(byDefault)
    .meta({ default: byDefault });
}

/** The format of a whole number that must be given. */
export function requiredQueryNumber() {
  return z.string().regex(DECIMAL, numberProblem(0, MAX_QUERY_NUMBER)).transform(Number);
}

function numberProblem(min: number, max: number): string {
  return `must be a whole number from ${min} to ${max}, in decimal digits`;
}
