/** The state of a consent at a moment. It is nowhere stored: a consent expires, and a schema changes, without a write. */
import type { Consent, ConsentState } from '../../model/consents.js';
import type { Rules } from '../../policy/load.js';
import { findBasisChange } from './consent-basis.js';

export function readConsentState(consent: Consent, now: Date, rules: Rules): ConsentState {
  const { withdrawn, ends } = consent;
  if (withdrawn !== undefined) return 'withdrawn';
  if (ends !== undefined && Date.parse(ends) <= now.getTime()) return 'expired';
  return findBasisChange(consent, rules) === undefined ? 'active' : 'suspended';
}

/** Whether it has ended, so that nothing can change it any more. */
export function hasConsentEnded(state: ConsentState): boolean {
  return state === 'withdrawn' || state === 'expired';
}
