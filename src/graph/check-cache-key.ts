/** By what a check's answer is cached, and how near an expiration it isn't: for the caches of both engines. */
import type { CheckRequest } from '../model/checks.js';
import { checkKey } from './relationship-text.js';
import type { GraphSchema } from './schema/schema.js';

/** Around an expiration nothing is cached: SpiceDB reads the clock itself, a little earlier or later than Remit. */
export const EXPIRY_MARGIN_MS = 100;

/** The key of a check's answer; undefined where a caveat can make it differ from one request to the next. */
export function cacheKey(check: CheckRequest, schema: GraphSchema): string | undefined {
  if (schema.reachability.reachesCaveat(check.resource.type, check.permission)) return undefined;
  return check.explain === true ? `${checkKey(check)} explained` : checkKey(check);
}
