/**
 * Step 1: is the token genuine, meant for this caller, current, unrevoked and held by its owner? Or may the client vouch
 * for the subject itself?
 */
import { deny, pass, unknown, type Evidence } from '../../model/outcome.js';
import { reason } from '../../model/reasons.js';
import { tokenRemedies } from '../../policy/remedies.js';
import type { DelegationToken } from '../../model/delegation-token.js';
import { memoizeByObject } from '../../runtime/memoize.js';
import type { OpeningStep } from '../step.js';

export const tokenStep: OpeningStep = {
  step: 'token',
  judge: ({ question, credential }) => {
    if (credential !== undefined) {
      if ('fault' in credential) return unknown(credential.fault);
      if (!credential.ok) return deny(credential.reason, {}, tokenRemedies(credential.reason));
      return pass(toTokenEvidence(credential.token));
    }
    const { caller, tokenRequired, assertedAgent, statedMode } = question;
    if (tokenRequired || caller.kind !== 'client')
      return deny(reason('token', 'token_missing'), {}, tokenRemedies({ code: 'token_missing' }));
    const mode = statedMode ?? caller.client.defaultMode;
    if (assertedAgent === undefined && mode === undefined)
      return deny(reason('token', 'token_missing'), {}, tokenRemedies({ code: 'token_missing' }));
    if (!caller.client.may.has('asserts_subject')) return deny(reason('token', 'subject_assertion_forbidden'));
    return pass({ asserted_by: caller.client.id });
  },
};

/** The claims that an auditor needs. `rctx` isn't among them: it is the requester's own and may be personal. */
const toTokenEvidence = memoizeByObject((token: DelegationToken): Evidence => {
  const { format, issuer, jti, expiresAt, session, txn, access, purpose, proof } = token;
  const proofs = [...(proof?.jkt === undefined ? [] : ['dpop']), ...(proof?.x5t === undefined ? [] : ['mtls'])];
  return {
    issuer,
    ...(format === 'access_token' ? {} : { format }),
    ...(jti === undefined ? {} : { jti }),
    expires_at: new Date(expiresAt * 1000).toISOString(),
    ...(session === undefined ? {} : { session }),
    ...(txn === undefined ? {} : { transaction: txn }),
    ...(access === 'online' ? {} : { access }),
    ...(purpose === undefined ? {} : { purpose }),
    ...(proofs.length === 0 ? {} : { proof: proofs }),
  };
});
