/** Instants in JSON, YAML and queries: one reader, so that no text is an instant here and none, or another, there. */
import { z } from 'zod';
import { parseInstant } from '../model/instants.js';

export const INSTANT_PROBLEM = 'must be an instant such as "2030-03-04T10:00:00Z", to the millisecond at most';

/** An instant as it is written. */
export const instantFormat = z
  .string()
  .max(64, INSTANT_PROBLEM)
  .refine((text) => parseInstant(text) !== undefined, INSTANT_PROBLEM)
  .meta({ format: 'date-time' });

/** An instant in UTC, as every engine reads it: `2030-03-04T10:00:00.000Z`. */
export const utcInstantFormat = instantFormat.overwrite((text) => parseInstant(text)?.toISOString() ?? text);
