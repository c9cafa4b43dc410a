/** Step 1: is the token genuine, meant for this caller and current? Or may the client vouch for the subject itself? */
import { deny, pass, unknown } from '../model/outcome.js';
import { reason } from '../model/reasons.js';
import type { OpeningStep } from './step.js';

export const token: OpeningStep = {
  step: 'token',
  judge: ({ question, verification }) => {
    if (verification !== undefined) {
      if ('fault' in verification) return unknown(verification.fault);
      if (!verification.ok) return deny(verification.reason);
      const { issuer, jti, expiresAt } = verification.token;
      return pass({
        issuer,
        ...(jti === undefined ? {} : { jti }),
        expires_at: new Date(expiresAt * 1000).toISOString(),
      });
    }
    const { caller, tokenExpected, assertedAgent, statedMode } = question;
    if (tokenExpected || caller.kind !== 'client') return deny(reason('token_missing'));
    const mode = statedMode ?? caller.client.defaultMode;
    if (assertedAgent === undefined && mode === undefined) return deny(reason('token_missing'));
    if (!caller.client.may.has('asserts_subject')) return deny(reason('subject_assertion_forbidden'));
    return pass({ asserted_by: caller.client.id });
  },
};
