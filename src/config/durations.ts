/** Durations of the configuration, as ISO 8601 writes them. */
import { z } from 'zod';
import { DURATION_TEXT, parseDuration } from '../runtime/duration.js';

/** A duration of ISO 8601 in weeks, days, hours, minutes and seconds, as milliseconds. */
export const durationFormat = z
  .string()
  .regex(DURATION_TEXT, 'must be a duration such as P30D or PT12H')
  .transform((text) => parseDuration(text) ?? 0);

/** The same, within bounds. @param shortest a duration @param longest a duration */
export function boundedDurationFormat(shortest: string, longest: string): typeof durationFormat {
  const [least, most] = [durationFormat.parse(shortest), durationFormat.parse(longest)];
  return durationFormat.refine(
    (value) => value >= least && value <= most,
    `must be between ${shortest} and ${longest}`,
  );
}
