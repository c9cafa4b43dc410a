/** `delegations` of the configuration: bounds of what clients may delegate in the name of users. */
import { z } from 'zod';

const DURATION_TEXT = /^P(?=.)(?:(\d{1,4})W)?(?:(\d{1,4})D)?(?:T(?=.)(?:(\d{1,4})H)?(?:(\d{1,5})M)?(?:(\d{1,6})S)?)?$/;
const UNIT_MILLISECONDS = [7 * 86_400_000, 86_400_000, 3_600_000, 60_000, 1000];

/** A duration of ISO 8601 in weeks, days, hours, minutes and seconds, as milliseconds. */
const durationFormat = z
  .string()
  .regex(DURATION_TEXT, 'must be a duration such as P30D or PT12H')
  .transform((text) => {
    const counts: (string | undefined)[] = DURATION_TEXT.exec(text)?.slice(1) ?? [];
    return counts.reduce((sum, count, i) => sum + Number(count ?? 0) * (UNIT_MILLISECONDS[i] ?? 0), 0);
  });

export const delegationsFormat = z.strictObject({ client_max: durationFormat.prefault('P30D') }).prefault({});

export interface DelegationsConfig {
  /** The longest time that a client may delegate for, in milliseconds. */
  readonly clientMaxMs: number;
}
