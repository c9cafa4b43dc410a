/**
 * The verifier: from a token's text to who acts for whom, or the reason why it isn't believed.
 * Two parts: what is true of a token whoever asks (signature, claims, actors) is kept by the token's hash; whether it
 * is meant for this caller and valid now is asked every time.
 */
import { createHash } from 'node:crypto';
import type { Reason } from '../model/reasons.js';
import { CountedCache, type CacheCounts } from '../telemetry/counted-cache.js';
import { readParties } from './actors.js';
import { parseClaims, type TokenClaims } from './claims.js';
import type { DelegationToken } from '../model/delegation-token.js';
import { detectFormat, requireFormatClaims, TOKEN_TYPES, type TokenFormat } from './formats.js';
import type { Issuer, Issuers } from './issuers.js';
import { parseToken, rejectToken, TokenRejectedError } from './jws.js';
import { verifySignature } from './signature.js';
import type { TokenAcceptance } from '../model/credential.js';

export type TokenVerification =
  | { readonly ok: true; readonly token: DelegationToken; readonly accepted: TokenAcceptance }
  | { readonly ok: false; readonly reason: Reason };

/** How far another host's clock may be ahead, for `iat` and `nbf`. `exp` gets no leeway. */
export const CLOCK_SKEW_SECONDS = 5;
/** A kept token is verified anew after this, so that a withdrawn key ends its tokens. */
const TOKEN_CACHE_MS = 60_000;
const MAX_CACHED_TOKENS = 10_000;

const createTokenCache = (): CountedCache<string, DelegationToken> =>
  new CountedCache({ max: MAX_CACHED_TOKENS, ttl: TOKEN_CACHE_MS });

export class TokenVerifier {
  private verifiedTokens = createTokenCache();
  private lastHashed = { token: '', hash: '' };

  constructor(private readonly issuers: Issuers) {}

  get cache(): CacheCounts {
    return this.verifiedTokens;
  }

  /** Nothing that was verified until now counts: issuers or their keys have changed. */
  clearCache(): void {
    this.verifiedTokens = createTokenCache();
  }

  /**
   * @param audience that the token must name; undefined for that of the token's issuer
   * @param now of the decision
   * @throws Fault `keys_unavailable`
   */
  async verify(tokenText: string, audience: string | undefined, now: Date): Promise<TokenVerification> {
    try {
      const hash = this.hashToken(tokenText);
      // What is verified meanwhile by keys of before must not be found afterwards.
      const { verifiedTokens: kept } = this;
      let token = kept.get(hash);
      if (token === undefined) {
        token = await this.verifyUncached(tokenText);
        kept.set(hash, token);
      }
      const issuer = this.issuers.find(token.issuer);
      const accepted = {
        audience: audience ?? issuer?.audience ?? '',
        detailTypes: issuer?.authorization_details_types ?? [],
      };
      checkAudience(token, accepted.audience);
      checkValidityPeriod(token, now.getTime() / 1000);
      return { ok: true, token, accepted };
    } catch (error) {
      if (error instanceof TokenRejectedError) return { ok: false, reason: error.reason };
      throw error;
    }
  }

  /** Of one token it is asked several times in a row: for its agent's rate, and for what is decided. */
  private hashToken(tokenText: string): string {
    if (tokenText !== this.lastHashed.token)
      this.lastHashed = { token: tokenText, hash: createHash('sha256').update(tokenText).digest('base64') };
    return this.lastHashed.hash;
  }

  /** What is true whoever asks. @throws TokenRefused, Fault */
  private async verifyUncached(tokenText: string): Promise<DelegationToken> {
    const unverified = parseToken(tokenText);
    const { iss } = unverified.payload;
    const issuer = typeof iss === 'string' ? this.issuers.find(iss) : undefined;
    const format = detectFormat(unverified, issuer?.types ?? TOKEN_TYPES);
    if (issuer === undefined) return rejectToken('token_issuer_unknown');
    if (!issuer.algorithms.some((algorithm) => algorithm === unverified.header.alg))
      rejectToken('token_algorithm_forbidden');
    await verifySignature(tokenText, issuer);
    return normalizeToken(unverified.payload, format, issuer, this.issuers);
  }
}

/** The normalized form of a payload. Nothing is believed here: the signature is the caller's. @throws TokenRefused */
export function normalizeToken(
  payload: Readonly<Record<string, unknown>>,
  format: TokenFormat,
  issuer: Issuer,
  issuers: Issuers,
): DelegationToken {
  const claims = parseClaims(issuer.normalizeClaims(payload));
  requireFormatClaims(format, claims);
  return {
    format: format.name,
    issuer: issuer.issuer,
    ...readParties(claims, issuer, issuers),
    clientId: claims.client_id,
    scopes: readScopes(claims, issuer),
    authorizationDetails: claims.authorization_details,
    resources: [claims.aud].flat(),
    access: claims.access ?? 'online',
    purpose: readPurpose(claims, format),
    session: claims.sid,
    txn: claims.txn,
    transaction: format.name === 'transaction_token' ? claims.tctx : undefined,
    requester: format.name === 'transaction_token' ? claims.rctx : undefined,
    proof: readConfirmation(claims),
    expiresAt: claims.exp,
    notBefore: claims.nbf,
    issuedAt: claims.iat,
    jti: claims.jti,
  };
}

/** @throws TokenRefused */
export function checkAudience(token: DelegationToken, audience: string): void {
  if (!token.resources.includes(audience)) {
    rejectToken(
      'token_audience_mismatch',
      `The token names ${JSON.stringify(token.resources)}, here it takes "${audience}".`,
    );
  }
}

/** @throws TokenRefused */
export function checkValidityPeriod(token: DelegationToken, now: number): void {
  if (token.expiresAt <= now) rejectToken('token_expired');
  const latest = now + CLOCK_SKEW_SECONDS;
  if ((token.notBefore ?? 0) > latest || (token.issuedAt ?? 0) > latest) rejectToken('token_not_yet_valid');
}

/** The platform's own words for what was granted. */
function readScopes({ scope = '' }: TokenClaims, issuer: Issuer): string[] {
  const issuedScopes = scope.split(' ').filter((s) => s !== '');
  const { scopes: scopeMap } = issuer;
  return [
    ...new Set(
      scopeMap === undefined
        ? issuedScopes
        : issuedScopes.flatMap((s) => (Object.hasOwn(scopeMap, s) ? (scopeMap[s] ?? []) : [])),
    ),
  ];
}

function readPurpose({ purpose, tctx }: TokenClaims, format: TokenFormat): string | undefined {
  const transactionPurpose = format.name === 'transaction_token' ? tctx?.['purpose'] : undefined;
  if (
    transactionPurpose !== undefined &&
    (typeof transactionPurpose !== 'string' || transactionPurpose === '' || transactionPurpose.length > 1024)
  )
    return rejectToken('token_claims_invalid', 'The claim "tctx.purpose" is not a text.');
  return purpose ?? transactionPurpose;
}

/** @throws TokenRefused for a confirmation that can't be checked here: the holder would go unproven */
function readConfirmation({ cnf }: TokenClaims): DelegationToken['proof'] {
  if (cnf === undefined) return undefined;
  const { jkt, 'x5t#S256': x5t } = cnf;
  if (jkt === undefined && x5t === undefined)
    return rejectToken(
      'proof_invalid',
      'The claim "cnf" has no thumbprint of a key (jkt) or a certificate (x5t#S256).',
    );
  return { jkt, x5t };
}
