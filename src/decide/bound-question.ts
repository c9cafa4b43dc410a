/** A question before and after the steps that say who asks: first with its token as verified, then bound to who acts. */
import type { ActingParties } from '../model/acting.js';
import type { Credential, CredentialOrFault } from '../model/credential.js';
import type { Question } from '../model/question.js';
import type { Rules } from '../policy/load.js';
import type { ActionOnResource, EntityType } from '../policy/schema/action.js';

/** What the first two steps judge: the question, and what became of its token. */
export interface UnboundQuestion {
  readonly question: Question;
  readonly rules: Rules;
  readonly now: Date;
  /** Undefined where the question carries no token. */
  readonly credential: CredentialOrFault | undefined;
}

/** What the token says, where there is one and all holds that must. */
export function getVerifiedCredential({
  credential,
}: Partial<Pick<UnboundQuestion, 'credential'>>): Extract<Credential, { ok: true }> | undefined {
  return credential !== undefined && 'ok' in credential && credential.ok ? credential : undefined;
}

/** A question whose token and binding have passed: only the binding step makes one. */
export interface BoundQuestion {
  readonly question: Question;
  readonly rules: Rules;
  readonly now: Date;
  readonly acting: ActingParties;
  readonly target: ActionOnResource;
  /** The Cedar type of the acting principal. */
  readonly principalType: EntityType;
}
