/** A credential: a token as its caller presents it, and the result of verifying it. */
import type { DelegationToken } from './delegation-token.js';
import type { FaultCode } from './faults.js';
import type { Reason } from './reasons.js';

/** The proofs of possession that came with the token. */
export interface PresentedProof {
  /** A DPoP proof, with the method and the URL of the request that it was sent with. */
  readonly dpop?: { readonly jwt: string; readonly method: string; readonly url: string } | undefined;
  /** The SHA-256 of the client certificate of the connection, in base64url. */
  readonly certificate?: string | undefined;
}

/** A proof that holds. It can be used once, until `expiresAt` (seconds since the epoch), after which it is too old. */
export interface SingleUseProof {
  /** Identifies the proof: a hash of its key and its `jti`. */
  readonly id: string;
  /** The proof's text: the parts of one request may share it. */
  readonly proof: string;
  readonly expiresAt: number;
}

/** The terms on which a token was accepted. */
export interface TokenAcceptance {
  readonly audience: string;
  /** The types of authorization details that its issuer's configuration accepts, beside Remit's own. */
  readonly detailTypes: readonly string[];
}

/**
 * A token that one request carries. Its parts share the reading: signature, claims and actors are verified once, while
 * audience and validity are checked each time.
 */
export interface TokenReading {
  readonly text: string;
  /** Resolves with what holds for every presenter; rejects where the token isn't believed, or that can't be told. */
  readonly token: () => Promise<DelegationToken>;
}

export interface PresentedToken {
  readonly reading: TokenReading;
  /** The presenter: an agent or a user presents its own token, a client one that it was given. */
  readonly by: 'agent' | 'client' | 'user';
  /** The audience that the token must name; undefined for its issuer's. */
  readonly audience: string | undefined;
  readonly proof: PresentedProof;
  /** The proofs that this request has used, by their texts: its parts may share one. */
  readonly used: Map<string, Promise<boolean>>;
}

/** A token that is genuine, current and not revoked, with the proof that its presenter holds it. */
export interface HeldCredential {
  readonly ok: true;
  readonly token: DelegationToken;
  readonly accepted: TokenAcceptance;
  /** Whether its session has been ended, which the delegation step judges. */
  readonly sessionEnded: boolean;
  /** The proof that came with it and isn't marked as used yet; undefined where none is needed. */
  readonly singleUseProof: SingleUseProof | undefined;
}

export type Credential =
  | HeldCredential
  | {
      readonly ok: false;
      readonly reason: Reason;
      /** Set where the token is genuine and current, and only its parties are not those of its presenter. */
      readonly isMisplaced?: true;
    };

/** A credential, or the fault for which the token could not be verified. */
export type CredentialOrFault = Credential | { readonly fault: FaultCode };
