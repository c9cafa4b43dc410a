/** Durations of the configuration, as ISO 8601 writes them. */
import { z } from 'zod';

const DURATION_TEXT = /^P(?=.)(?:(\d{1,4})W)?(?:(\d{1,4})D)?(?:T(?=.)(?:(\d{1,4})H)?(?:(\d{1,5})M)?(?:(\d{1,6})S)?)?$/;
const UNIT_MILLISECONDS = [7 * 86_400_000, 86_400_000, 3_600_000, 60_000, 1000];

/** A duration of ISO 8601 in weeks, days, hours, minutes and seconds, as milliseconds. */
export const durationFormat = z
  .string()
  .regex(DURATION_TEXT, 'must be a duration such as P30D or PT12H')
  .transform((text) => {
    const counts: (string | undefined)[] = DURATION_TEXT.exec(text)?.slice(1) ?? [];
    return counts.reduce((sum, count, i) => sum + Number(count ?? 0) * (UNIT_MILLISECONDS[i] ?? 0), 0);
  });

/** The same, within bounds. @param shortest a duration @param longest a duration */
export function boundedDurationFormat(shortest: string, longest: string): typeof durationFormat {
  const [least, most] = [durationFormat.parse(shortest), durationFormat.parse(longest)];
  return durationFormat.refine(
    (value) => value >= least && value <= most,
    `must be between ${shortest} and ${longest}`,
  );
}
