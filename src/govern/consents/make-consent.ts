/** Makes the consent that a user gives, with Remit's own note of how it came about. */
import { v4 as uuid } from 'uuid';
import type { Consent, ConsentEvidence, ConsentTerms } from '../../model/consents.js';
import type { AuthenticatedUser } from '../../model/question.js';
import type { Rules } from '../../policy/load.js';
import { describeConsentBasis } from './consent-basis.js';
import type { RenderedText } from './consent-text.js';

/** The terms of a consent, which begins at once where nothing else is said. */
export type GivenTerms = Omit<ConsentTerms, 'starts'> & { readonly starts?: string | undefined };

/** @param read the text that the user has read */
export function makeConsent(
  { details, access, confirm, when, limits, starts, ends, purpose, task }: GivenTerms,
  { clientId }: AuthenticatedUser,
  read: RenderedText,
  rules: Rules,
  now: Date,
): { readonly consent: Consent; readonly evidence: ConsentEvidence } {
  const given = now.toISOString();
  const basis = describeConsentBasis(details, rules);
  return {
    consent: {
      id: uuid(),
      details,
      access,
      confirm,
      when,
      ...(limits === undefined || limits.length === 0 ? {} : { limits }),
      starts: starts ?? given,
      ends,
      purpose,
      task,
      basis,
      given,
    },
    evidence: { surface: clientId ?? '', text_sha256: read.text_sha256, locale: read.locale, decided_at: given },
  };
}
