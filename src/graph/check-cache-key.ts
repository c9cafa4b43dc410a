/**
 * The rules that the caches of both engines share: the key that a check's answer is cached by, the margin before an
 * expiration in which none is, and which cached answer serves which check.
 */
import type { CheckAnswer, CheckRequest } from '../model/checks.js';
import { MAX_CACHED_KEY_LENGTH } from './cache-size.js';
import { checkKey } from './relationship-text.js';
import type { GraphSchema } from './schema/schema.js';

/** Around an expiration nothing is cached: SpiceDB reads the clock itself, a little earlier or later than Remit. */
export const EXPIRY_MARGIN_MS = 100;

/**
 * The key of a check's answer, with or without its path; undefined where it isn't cached: a caveat can make it differ, or
 * its ids are very long.
 */
export function cacheKey(check: CheckRequest, schema: GraphSchema): string | undefined {
  if (schema.reachability.reachesCaveat(check.resource.type, check.permission)) return undefined;
  const key = checkKey(check);
  return key.length > MAX_CACHED_KEY_LENGTH ? undefined : key;
}

/** Whether the answer can be given to the check: a yes that is to be explained needs its path. */
export function servesCheck(answer: CheckAnswer, check: CheckRequest): boolean {
  return check.explain !== true || answer.result !== 'yes' || answer.path !== undefined;
}

/** Whether the answer says more than this one, of the same check: a plain yes must not take the place of an explained one. */
export function saysMore(answer: CheckAnswer | undefined, than: CheckAnswer): boolean {
  return answer?.result === 'yes' && answer.path !== undefined && than.result === 'yes' && than.path === undefined;
}

/** A cached answer as it is given to a check that it serves: one that needn't be explained isn't. */
export function toServedAnswer<A extends CheckAnswer>(answer: A, check: CheckRequest): A {
  if (check.explain === true || answer.result !== 'yes' || answer.path === undefined) return answer;
  const { path: _path, ...plain } = answer;
  return plain as A;
}
