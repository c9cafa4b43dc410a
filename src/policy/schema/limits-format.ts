/** The JSON of limits and of amounts, as requests and files state them. */
import { z } from 'zod';
import { LIMIT_PERIODS, LIMIT_WINDOWS, type Limit, type StatedLimit } from '../../model/limits.js';
import { MAX_DECIMALS, UNIT_FORMAT } from '../../model/quantities.js';
import { memoizeByObject } from '../../runtime/memoize.js';
import { findLimitConflict, readLimit } from './limits.js';

/** The most limits of one delegation or consent: each is read with every decision that rests on it. */
export const MAX_GRANT_LIMITS = 10;

/** An amount that isn't negative: 12.50 EUR is `{"value": 1250, "unit": "EUR", "decimals": 2}`. */
export const amountFormat = z
  .strictObject({
    value: z.int().min(0),
    unit: z.string().regex(UNIT_FORMAT),
    decimals: z.int().min(0).max(MAX_DECIMALS).default(0),
  })
  .meta({ id: 'Amount', example: { value: 1250, unit: 'EUR', decimals: 2 } });

export const statedLimitFormat = z.strictObject({
  count: z.int().min(1).optional().describe('The most uses'),
  amount: amountFormat
    .optional()
    .describe('The most of a unit: 500.00 EUR is {"value": 50000, "unit": "EUR", "decimals": 2}'),
  per: z.enum(LIMIT_PERIODS).describe('`total`: as long as it is there'),
  window: z
    .enum(LIMIT_WINDOWS)
    .optional()
    .describe('`sliding` ends now; `calendar` begins at the full hour, midnight, Monday, the first. P1M has no other'),
  zone: z.string().max(64).optional().describe('The time zone of a calendar window (IANA); UTC by default'),
});

/** The limits of a delegation or a consent: `[{"count": 100, "per": "P1D", "window": "sliding"}]`. */
export const grantLimitsFormat = z
  .array(statedLimitFormat)
  .max(MAX_GRANT_LIMITS)
  .superRefine((stated, context) => {
    const limits = stated.flatMap((limit, i) => {
      const read = readLimit(limit);
      if ('limit' in read) return [read.limit];
      context.addIssue({ code: 'custom', message: read.problem, path: [i] });
      return [];
    });
    const conflict = findLimitConflict(limits);
    if (conflict !== undefined) context.addIssue({ code: 'custom', message: conflict });
  })
  .describe('Exact bounds on the uses that rest on it: at each moment all of them hold');

/** The limits with what they left out. */
export function completeLimits(stated: readonly StatedLimit[]): StatedLimit[] {
  return stated.map((limit) =>
    limit.per === 'total' || limit.window !== undefined
      ? limit
      : { ...limit, window: limit.per === 'P1M' ? 'calendar' : 'sliding' },
  );
}

/** Reads limits that were checked when they were given. @throws TypeError where they weren't */
export const readStatedLimits = memoizeByObject((stated: readonly StatedLimit[]): readonly Limit[] =>
  stated.map((limit) => {
    const read = readLimit(limit);
    if ('limit' in read) return read.limit;
    throw new TypeError(`a limit ${read.problem}`);
  }),
);
