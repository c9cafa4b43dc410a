/** The state of a consent at a moment. It is nowhere stored: a consent expires without a write. */
import type { Consent, ConsentState } from '../../model/consents.js';

export function readConsentState({ withdrawn, ends }: Consent, now: Date): ConsentState {
  if (withdrawn !== undefined) return 'withdrawn';
  if (ends !== undefined && Date.parse(ends) <= now.getTime()) return 'expired';
  return 'active';
}

/** Whether it has ended, so that nothing can change it any more. */
export function hasConsentEnded(state: ConsentState): boolean {
  return state === 'withdrawn' || state === 'expired';
}
