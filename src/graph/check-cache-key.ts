/**
 * The key that a check's answer is cached by, and the margin before an expiration in which none is: for the caches of
 * both engines.
 */
import type { CheckRequest } from '../model/checks.js';
import { MAX_CACHED_KEY_LENGTH } from './cache-size.js';
import { checkKey } from './relationship-text.js';
import type { GraphSchema } from './schema/schema.js';

/** Around an expiration nothing is cached: SpiceDB reads the clock itself, a little earlier or later than Remit. */
export const EXPIRY_MARGIN_MS = 100;

/** The key of a check's answer; undefined where it isn't cached: a caveat can make it differ, or its ids are very long. */
export function cacheKey(check: CheckRequest, schema: GraphSchema): string | undefined {
  if (schema.reachability.reachesCaveat(check.resource.type, check.permission)) return undefined;
  const key = check.explain === true ? `${checkKey(check)} explained` : checkKey(check);
  return key.length > MAX_CACHED_KEY_LENGTH ? undefined : key;
}
