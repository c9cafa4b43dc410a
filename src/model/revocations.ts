/** Revocations of tokens and sessions, and the selectors by which they are found. */

/** The selectors of a revocation, at least one: it covers the tokens that match all of them. */
export interface RevocationSelectors {
  readonly issuer?: string | undefined;
  readonly jti?: string | undefined;
  /** The user's id in the graph, with the issuer's alias. */
  readonly user?: string | undefined;
  /** The id of the acting agent, or of an earlier one. */
  readonly agent?: string | undefined;
  /** `sid` or `txn`. */
  readonly session?: string | undefined;
}

export interface Revocation extends RevocationSelectors {
  readonly id: string;
  /** Seconds since the epoch: tokens issued later are not covered. undefined where all are, whenever issued. */
  readonly issuedBefore?: number | undefined;
  readonly reason?: string | undefined;
  readonly revokedAt: string;
  readonly revokedBy: string;
}

/** The claims of a token by which revocations are found. */
export interface RevocableToken {
  readonly issuer: string;
  readonly jti: string | undefined;
  readonly user: string | undefined;
  readonly actors: readonly { readonly id: string }[];
  readonly session: string | undefined;
  readonly txn: string | undefined;
  readonly issuedAt: number | undefined;
}

export interface RevocationMatch {
  readonly id: string;
  readonly what: 'token' | 'session';
  /** The names of its selectors: "user, issued_before". */
  readonly selector: string;
}

export interface Revocations {
  /**
   * Finds the revocation that covers the token; a session's only where none covers the token itself.
   * @throws Fault where the store can't answer
   */
  find(token: RevocableToken): Promise<RevocationMatch | undefined>;
}
