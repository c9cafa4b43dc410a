/**
 * The verifier: from a token's text to who acts for whom, or the reason why it isn't believed.
 * Two parts: what is true of a token whoever asks (signature, claims, actors) is kept by the token's hash; whether it
 * is meant for this caller and valid now is asked every time.
 */
import { createHash } from 'node:crypto';
import type { Reason } from '../model/reasons.js';
import { CountedCache, type CacheCounts } from '../telemetry/counted-cache.js';
import { partiesOf } from './actors.js';
import { readClaims, type Claims } from './claims.js';
import type { DelegationToken } from '../model/delegation-token.js';
import { formatOf, requireClaims, TOKEN_TYPES, type Format } from './formats.js';
import type { Issuer, Issuers } from './issuers.js';
import { readToken, refuse, TokenRefused } from './jws.js';
import { verifySignature } from './signature.js';
import type { Accepted } from '../model/credential.js';

export type Verification =
  | { readonly ok: true; readonly token: DelegationToken; readonly accepted: Accepted }
  | { readonly ok: false; readonly reason: Reason };

/** How far another host's clock may be ahead, for `iat` and `nbf`. `exp` gets no leeway. */
export const CLOCK_SKEW_SECONDS = 5;
/** A kept token is verified anew after this, so that a withdrawn key ends its tokens. */
const KEEP_MS = 60_000;
const KEPT_TOKENS = 10_000;

const noTokens = (): CountedCache<string, DelegationToken> => new CountedCache({ max: KEPT_TOKENS, ttl: KEEP_MS });

export class TokenVerifier {
  private kept = noTokens();
  private last = { token: '', hash: '' };

  constructor(private readonly issuers: Issuers) {}

  get cache(): CacheCounts {
    return this.kept;
  }

  /** Nothing that was verified until now counts: issuers or their keys have changed. */
  forget(): void {
    this.kept = noTokens();
  }

  /**
   * @param audience that the token must name; undefined for that of the token's issuer
   * @param now of the decision
   * @throws Fault `keys_unavailable`
   */
  async verify(token: string, audience: string | undefined, now: Date): Promise<Verification> {
    try {
      const hash = this.hashOf(token);
      // What is verified meanwhile by keys of before must not be found afterwards.
      const { kept } = this;
      let verified = kept.get(hash);
      if (verified === undefined) {
        verified = await this.authenticate(token);
        kept.set(hash, verified);
      }
      const issuer = this.issuers.find(verified.issuer);
      const accepted = {
        audience: audience ?? issuer?.audience ?? '',
        detailTypes: issuer?.authorization_details_types ?? [],
      };
      admitFor(verified, accepted.audience);
      admitAt(verified, now.getTime() / 1000);
      return { ok: true, token: verified, accepted };
    } catch (error) {
      if (error instanceof TokenRefused) return { ok: false, reason: error.reason };
      throw error;
    }
  }

  /** Of one token it is asked several times in a row: for its agent's rate, and for what is decided. */
  private hashOf(token: string): string {
    if (token !== this.last.token) this.last = { token, hash: createHash('sha256').update(token).digest('base64') };
    return this.last.hash;
  }

  /** What is true whoever asks. @throws TokenRefused, Fault */
  private async authenticate(token: string): Promise<DelegationToken> {
    const read = readToken(token);
    const { iss } = read.payload;
    const issuer = typeof iss === 'string' ? this.issuers.find(iss) : undefined;
    const format = formatOf(read, issuer?.types ?? TOKEN_TYPES);
    if (issuer === undefined) return refuse('token_issuer_unknown');
    if (!issuer.algorithms.some((algorithm) => algorithm === read.header.alg)) refuse('token_algorithm_forbidden');
    await verifySignature(token, issuer);
    return understand(read.payload, format, issuer, this.issuers);
  }
}

/** The normalized form of a payload. Nothing is believed here: the signature is the caller's. @throws TokenRefused */
export function understand(
  payload: Readonly<Record<string, unknown>>,
  format: Format,
  issuer: Issuer,
  issuers: Issuers,
): DelegationToken {
  const claims = readClaims(issuer.standard(payload));
  requireClaims(format, claims);
  return {
    format: format.name,
    issuer: issuer.issuer,
    ...partiesOf(claims, issuer, issuers),
    clientId: claims.client_id,
    scopes: scopesOf(claims, issuer),
    authorizationDetails: claims.authorization_details,
    resources: [claims.aud].flat(),
    access: claims.access ?? 'online',
    purpose: purposeOf(claims, format),
    session: claims.sid,
    txn: claims.txn,
    transaction: format.name === 'transaction_token' ? claims.tctx : undefined,
    requester: format.name === 'transaction_token' ? claims.rctx : undefined,
    proof: bindingOf(claims),
    expiresAt: claims.exp,
    notBefore: claims.nbf,
    issuedAt: claims.iat,
    jti: claims.jti,
  };
}

/** @throws TokenRefused */
export function admitFor(token: DelegationToken, audience: string): void {
  if (!token.resources.includes(audience)) {
    refuse(
      'token_audience_mismatch',
      `The token names ${JSON.stringify(token.resources)}, here it takes "${audience}".`,
    );
  }
}

/** @throws TokenRefused */
export function admitAt(token: DelegationToken, now: number): void {
  if (token.expiresAt <= now) refuse('token_expired');
  const latest = now + CLOCK_SKEW_SECONDS;
  if ((token.notBefore ?? 0) > latest || (token.issuedAt ?? 0) > latest) refuse('token_not_yet_valid');
}

/** The platform's own words for what was granted. */
function scopesOf({ scope = '' }: Claims, issuer: Issuer): string[] {
  const said = scope.split(' ').filter((s) => s !== '');
  const { scopes: map } = issuer;
  return [...new Set(map === undefined ? said : said.flatMap((s) => (Object.hasOwn(map, s) ? (map[s] ?? []) : [])))];
}

function purposeOf({ purpose, tctx }: Claims, format: Format): string | undefined {
  const within = format.name === 'transaction_token' ? tctx?.['purpose'] : undefined;
  if (within !== undefined && (typeof within !== 'string' || within === '' || within.length > 1024))
    return refuse('token_claims_invalid', 'The claim "tctx.purpose" is not a text.');
  return purpose ?? within;
}

/** @throws TokenRefused for a confirmation that can't be checked here: the holder would go unproven */
function bindingOf({ cnf }: Claims): DelegationToken['proof'] {
  if (cnf === undefined) return undefined;
  const { jkt, 'x5t#S256': x5t } = cnf;
  if (jkt === undefined && x5t === undefined)
    return refuse('proof_invalid', 'The claim "cnf" has no thumbprint of a key (jkt) or a certificate (x5t#S256).');
  return { jkt, x5t };
}
