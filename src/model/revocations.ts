/** Revocations: which tokens and sessions have been taken back, and by which selectors they are found. */

/** What a token must be, to be meant. At least one of these. */
export interface RevocationSelectors {
  readonly issuer?: string | undefined;
  readonly jti?: string | undefined;
  /** As the graph knows them, with their issuer's alias. */
  readonly user?: string | undefined;
  /** The acting agent, or any before it. */
  readonly agent?: string | undefined;
  /** `sid` or `txn`. */
  readonly session?: string | undefined;
}

export interface Revocation extends RevocationSelectors {
  readonly id: string;
  /** Seconds since the epoch: tokens issued later are not meant. Undefined: whenever they were issued. */
  readonly issuedBefore?: number | undefined;
  readonly reason?: string | undefined;
  readonly revokedAt: string;
  readonly revokedBy: string;
}

/** The facts of a token by which revocations are found. */
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
  /** Which selectors it has: "user, issued_before". */
  readonly selector: string;
}

export interface Revocations {
  /** The revocation that covers the token; a session's only if none covers the token itself. @throws Fault */
  find(token: RevocableToken): Promise<RevocationMatch | undefined>;
}
