/** The state of a consent at a moment. It is nowhere stored: a consent expires, and a schema changes, without a write. */
import type { Consent, ConsentState } from '../../model/consents.js';
import type { Rules } from '../../policy/load.js';
import { findBasisChange } from './consent-basis.js';

export function readConsentState(consent: Consent, now: Date, rules: Rules): ConsentState {
  return findConsentEnd(consent, now) ?? (findBasisChange(consent, rules) === undefined ? 'active' : 'suspended');
}

/** Says how it has ended; undefined where it has not, whatever the schemas say. */
export function findConsentEnd(
  { withdrawn, ends }: Pick<Consent, 'withdrawn' | 'ends'>,
  now: Date,
): 'withdrawn' | 'expired' | undefined {
  if (withdrawn !== undefined) return 'withdrawn';
  return ends !== undefined && Date.parse(ends) <= now.getTime() ? 'expired' : undefined;
}

/** Whether it has ended, so that nothing can change it any more. */
export function hasConsentEnded(state: ConsentState): boolean {
  return state === 'withdrawn' || state === 'expired';
}
