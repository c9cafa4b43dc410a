/** A delegation token as Remit understands it, whatever its format and whoever issued it. */
import type { AccessType, AuthorizationDetail, ActingMode } from './acting.js';

/** A party that acts: the pair of issuer and subject, and the id by which the graph and the policies know it. */
export interface Actor {
  readonly iss: string;
  readonly sub: string;
  readonly id: string;
  /** What kind of party it is, as its issuer says: `ai_agent`, `service` … */
  readonly profile: string | undefined;
  /** Only the current actor may make a decision more permissive; those before it may only deny. */
  readonly trust: 'current' | 'history';
}

/** How the holder has to prove that the token is theirs: thumbprints of a key (DPoP) and of a certificate (mTLS). */
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
  /** `unknown`: it names no agent, though its issuer states one, so it is nobody's to act with. */
  readonly mode: Exclude<ActingMode, 'human'> | 'unknown';
  readonly clientId: string | undefined;
  readonly scopes: readonly string[];
  readonly authorizationDetails: readonly AuthorizationDetail[] | undefined;
  /** Whom it is for: `aud`. */
  readonly resources: readonly string[];
  readonly access: AccessType;
  readonly purpose: string | undefined;
  readonly session: string | undefined;
  readonly txn: string | undefined;
  /** Of a transaction token: what the transaction is about (`tctx`), and its requester (`rctx`). */
  readonly transaction: Readonly<Record<string, unknown>> | undefined;
  readonly requester: Readonly<Record<string, unknown>> | undefined;
  readonly proof: Confirmation | undefined;
  readonly expiresAt: number;
  readonly notBefore: number | undefined;
  readonly issuedAt: number | undefined;
  readonly jti: string | undefined;
  /** Whether the token states every earlier agent; formats that name only the client can't. */
  readonly chainComplete: boolean;
  /** The agent is the token's client, which it is only where the entity store knows an agent of that id. */
  readonly agentIsClient: boolean;
}
export type TokenFormatName = 'access_token' | 'jwt' | 'transaction_token';
