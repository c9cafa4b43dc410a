/** Whole numbers in a query string, which are written in decimal digits: `0x10`, `1e2` and ` 5` are none. */
import { z } from 'zod';

const DECIMAL = /^(0|[1-9]\d{0,8})$/;

/** The format of a whole number within the bounds; the default where it isn't given. */
export function queryNumber(min: number, max: number, byDefault: number) {
  return z
    .preprocess(
      (value) => (typeof value === 'string' && DECIMAL.test(value) ? Number(value) : value),
      z
        .number({ error: `must be a whole number from ${min} to ${max}, in decimal digits` })
        .int()
        .min(min)
        .max(max),
    )
    .default(byDefault)
    .meta({ default: byDefault });
}
