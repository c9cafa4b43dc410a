/** A delegation token in one form, whatever its format and its issuer. */
import type { AccessType, AuthorizationDetail, ActingMode } from './acting.js';

/** A party that acts: the pair of issuer and subject, and the id by which the graph and the policies know it. */
export interface Actor {
  readonly iss: string;
  readonly sub: string;
  readonly id: string;
  /** The kind of party that its issuer states: `ai_agent`, `service` … */
  readonly profile: string | undefined;
  /** Only the current actor may make a decision more permissive; those before it may only deny. */
  readonly trust: 'current' | 'history';
}

/** The claim `cnf` (RFC 7800): thumbprints of the key (DPoP) and the certificate (mTLS) that the holder must prove to have. */
export interface Confirmation {
  readonly jkt: string | undefined;
  readonly x5t: string | undefined;
}

/** All times in seconds since the epoch. */
export interface DelegationToken {
  readonly format: TokenFormatName;
  readonly issuer: string;
  /** The person's id as the graph knows it. */
  readonly user: string | undefined;
  /** Outermost first: the one that acts, then those before it, newest first. */
  readonly actors: readonly Actor[];
  /** `unknown` where the token names no agent although its issuer states one: no party can act on it. */
  readonly mode: Exclude<ActingMode, 'human'> | 'unknown';
  readonly clientId: string | undefined;
  /** The `sub`, where the token states no actor, person or sign-in beside its client: it may be the client's own. */
  readonly soleSubject?: string | undefined;
  readonly scopes: readonly string[];
  readonly authorizationDetails: readonly AuthorizationDetail[] | undefined;
  /** The audiences, `aud`. */
  readonly resources: readonly string[];
  readonly access: AccessType;
  readonly purpose: string | undefined;
  readonly session: string | undefined;
  readonly txn: string | undefined;
  /** The details of a transaction token's transaction (`tctx`), and its requester (`rctx`). */
  readonly transaction: Readonly<Record<string, unknown>> | undefined;
  readonly requester: Readonly<Record<string, unknown>> | undefined;
  /** The claims that policies may read, by the names that the issuer's configuration gives them; undefined for none. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined;
  readonly proof: Confirmation | undefined;
  readonly expiresAt: number;
  readonly notBefore: number | undefined;
  readonly issuedAt: number | undefined;
  /** When the user signed in. */
  readonly authenticatedAt: number | undefined;
  readonly jti: string | undefined;
  /** Whether the token states every earlier agent, which formats that name only the client can't. */
  readonly chainComplete: boolean;
  /** Whether the agent is the token's client: then the entity store must have an agent of that id. */
  readonly agentIsClient: boolean;
}
export type TokenFormatName = 'access_token' | 'jwt' | 'transaction_token';
