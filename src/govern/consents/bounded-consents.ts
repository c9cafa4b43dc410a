/** Bounds what a decision reads of a pair's consents, whatever the database has: those beyond are as if they weren't there. */
import type { Consent } from '../../model/consents.js';
import { MAX_LIMITS_OF_PAIR, MAX_ZONES_OF_PAIR } from '../../model/limits.js';
import { readStatedLimits } from '../../policy/schema/limits-format.js';
import { normalizeZone } from '../../runtime/local-time.js';
import { findConsentEnd } from './consent-state.js';

/** @returns the same, but for consents in force whose limits would be too many together with those before them */
export function omitUnboundConsents(consents: readonly Consent[], now: Date): readonly Consent[] {
  const limited = consents.filter(({ limits = [] }) => limits.length > 0);
  // So few limits are within both bounds: they name no more zones than there are limits.
  if (limited.reduce((sum, { limits = [] }) => sum + limits.length, 0) <= MAX_ZONES_OF_PAIR) return consents;
  const unread = new Set<Consent>();
  const zones = new Set<string>();
  let count = 0;
  for (const consent of limited.filter((one) => findConsentEnd(one, now) === undefined)) {
    const limits = readStatedLimits(consent.limits ?? []);
    const further = limits.flatMap(({ window, zone }) => (window === 'calendar' ? [normalizeZone(zone)] : []));
    const together = new Set([...zones, ...further]);
    if (count + limits.length > MAX_LIMITS_OF_PAIR || together.size > MAX_ZONES_OF_PAIR) {
      unread.add(consent);
      continue;
    }
    count += limits.length;
    for (const zone of further) zones.add(zone);
  }
  return unread.size === 0 ? consents : consents.filter((consent) => !unread.has(consent));
}
