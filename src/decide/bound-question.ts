/** A question before and after the steps that establish its parties: first with its verified token, then bound to them. */
import type { ActingParties } from '../model/acting.js';
import type { Credential, CredentialOrFault } from '../model/credential.js';
import type { Question } from '../model/question.js';
import type { Rules } from '../policy/load.js';
import type { Action, ActionOnResource, EntityType } from '../policy/schema/action.js';

/** The question that the token and binding steps judge. */
export interface UnboundQuestion {
  readonly question: Question;
  readonly rules: Rules;
  readonly now: Date;
  /** undefined where the question carries no token. */
  readonly credential: CredentialOrFault | undefined;
}

/** The credential where the question carries a token and it holds; else undefined. */
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

/** The part of a bound question that authorization details are held against: a denied one is restored so far. */
export interface CoveredQuestion {
  readonly question: Pick<Question, 'caller' | 'resource' | 'context'> & {
    readonly action: Pick<Question['action'], 'properties'>;
  };
  readonly rules: Pick<Rules, 'graph'>;
  readonly acting: ActingParties;
  readonly target: { readonly action: Pick<Action, 'name' | 'permission'> };
}
