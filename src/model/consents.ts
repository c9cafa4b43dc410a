/** Consents: a user's yes to what an agent does of the actions that ask for one (`@consent`). */
import type { AccessType, AuthorizationDetail } from './acting.js';
import { formatRef, type EntityRef } from './ids.js';
import type { StatedLimit } from './limits.js';
import type { Properties } from './question.js';

/** The user who consents, and the agent that acts. One that the delegation was passed on to needs its own. */
export interface ConsentPair {
  readonly user: EntityRef;
  readonly agent: EntityRef;
}

/** The terms of a consent: what it is for. JSON, since decision records hold it. */
export interface ConsentTerms {
  /** Details of which one must cover the question. */
  readonly details: readonly AuthorizationDetail[];
  /** Whether it is for what the agent does while the user is there, or for what it does in the background. Never both. */
  readonly access: AccessType;
  /** `each`: the user is asked each time. */
  readonly confirm: 'never' | 'each';
  /** Members of the request's context that a client with `asserts_confirmation` has to state so. */
  readonly when?: Properties | undefined;
  /** Limits on the uses that rest on it, all of which hold. */
  readonly limits?: readonly StatedLimit[] | undefined;
  /** RFC 3339. */
  readonly starts: string;
  /** RFC 3339; undefined where it holds until it is withdrawn. */
  readonly ends?: string | undefined;
  /** The purpose that a question must not contradict. */
  readonly purpose?: string | undefined;
  /** Groups consents; decides nothing. */
  readonly task?: string | undefined;
}

/** Hashes of what the schemas say of the actions that a consent names, by `"read" on "calendar"`. */
export type ConsentBasis = Readonly<Record<string, string>>;

/** A consent as decisions read it. */
export interface Consent extends ConsentTerms {
  readonly id: string;
  /** `unchecked` for a question that was made up, whatever the schemas say. */
  readonly basis: ConsentBasis | 'unchecked';
  /** The instant at which the user gave it, RFC 3339. */
  readonly given: string;
  /** The instant at which the user withdrew it, RFC 3339; undefined where they haven't. */
  readonly withdrawn?: string | undefined;
}

export type ConsentState = 'active' | 'suspended' | 'withdrawn' | 'expired';

/** The consents of a pair that name an action. */
export interface ConsentNeed extends ConsentPair {
  readonly action: string;
}

/** Consents by their {@link ConsentNeed}'s key. */
export type ConsentMap = ReadonlyMap<string, readonly Consent[]>;

export interface Consents {
  /** Reads consents, ended ones as well. @throws Fault where the store can't answer */
  fetch(needs: readonly ConsentNeed[]): Promise<ConsentMap>;
}

export function consentKey({ user, agent, action }: ConsentNeed): string {
  return JSON.stringify([formatRef(user), formatRef(agent), action]);
}

/** Remit's own note of how a consent came about. */
export interface ConsentEvidence {
  /** The application in which the user decided: the client that their token was issued to. */
  readonly surface: string;
  /** SHA-256 of the text that Remit rendered of it, and of what the schemas said of its actions, in hex. */
  readonly text_sha256: string;
  readonly locale: string;
  /** RFC 3339. */
  readonly decided_at: string;
}

/** The consents that an agent asks its user for. JSON, as the store has it. */
export interface RequestedConsent {
  /** A detail for each action: the user may grant some of them. */
  readonly items: readonly AuthorizationDetail[];
  readonly access: AccessType;
  readonly purpose?: string | undefined;
  readonly task?: string | undefined;
}
