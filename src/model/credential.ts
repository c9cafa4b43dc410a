/** A credential: a token as its caller presents it, and what verifying it has shown. */
import type { DelegationToken } from './delegation-token.js';
import type { FaultCode } from './faults.js';
import type { Reason } from './reasons.js';

/** How the token was presented: what of it the caller could see. */
export interface PresentedProof {
  /** A DPoP proof, with the method and the URL of the request that it was sent with. */
  readonly dpop?: { readonly jwt: string; readonly method: string; readonly url: string } | undefined;
  /** The SHA-256 of the client certificate of the connection, in base64url. */
  readonly certificate?: string | undefined;
}

/** A proof that holds; it may be used once, until `expiresAt` (seconds), after which it is too old anyway. */
export interface SingleUseProof {
  /** Of the key and the proof's `jti`. */
  readonly id: string;
  /** The proof itself: parts of one request may share it. */
  readonly proof: string;
  readonly expiresAt: number;
}

/** On what terms a token was accepted. */
export interface TokenAcceptance {
  readonly audience: string;
  /** Types of authorization details that are read of its issuer, beside Remit's own. */
  readonly detailTypes: readonly string[];
}

/**
 * A token that one request carries. Its parts share the reading: signature, claims and actors are verified once, while
 * audience and validity are checked each time.
 */
export interface TokenReading {
  readonly text: string;
  /** Resolves with what is true of the token whoever presents it; rejects where it is not believed, or can't be told. */
  readonly token: () => Promise<DelegationToken>;
}

export interface PresentedToken {
  readonly token: TokenReading;
  /** An agent presents its own; a client passes on one that it was given. */
  readonly by: 'agent' | 'client' | 'user';
  /** That the token must name; undefined for that of its issuer. */
  readonly audience: string | undefined;
  readonly proof: PresentedProof;
  /** Proofs that this request has used, by their texts: its parts may share one. */
  readonly used: Map<string, Promise<boolean>>;
}

export type Credential =
  | {
      readonly ok: true;
      readonly token: DelegationToken;
      readonly accepted: TokenAcceptance;
      /** The session it belongs to has been ended: for the delegation step to say. */
      readonly sessionEnded: boolean;
      /** A proof that holds and is good for one request; not used up yet. */
      readonly singleUseProof: SingleUseProof | undefined;
    }
  | { readonly ok: false; readonly reason: Reason };

/** A credential, or why it could not be told whether the token holds. */
export type CredentialOrFault = Credential | { readonly fault: FaultCode };
