/**
 * The token step's verifier: from a token's text to who acts for whom, or the reason why it isn't believed.
 * Two parts: what is true of a token whoever asks (signature, claims, actors) is kept by the token's hash; whether it
 * is meant for this caller and valid now is asked every time.
 */
import { createHash } from 'node:crypto';
import { compactVerify, errors } from 'jose';
import { LRUCache } from 'lru-cache';
import type { AuthorizationDetail, Mode } from '../model/acting.js';
import { Fault } from '../model/faults.js';
import { idProblem } from '../model/ids.js';
import { reason, type Reason, type ReasonCode } from '../model/reasons.js';
import { readClaims, readToken, refuse, TokenRefused, type Claims } from './claims.js';
import type { Issuer, Issuers } from './issuers.js';

export interface VerifiedToken {
  readonly issuer: string;
  readonly mode: Mode;
  /** Ids as the graph knows them, without their type. */
  readonly user: string | undefined;
  readonly agent: string;
  /** Earlier agents, newest first. */
  readonly chain: readonly string[];
  readonly scopes: readonly string[];
  readonly details: readonly AuthorizationDetail[] | undefined;
  readonly clientId: string | undefined;
  readonly jti: string | undefined;
  readonly audience: readonly string[];
  /** All times in seconds since the epoch. */
  readonly expiresAt: number;
  readonly notBefore: number | undefined;
  readonly issuedAt: number | undefined;
}

export type Verification =
  { readonly ok: true; readonly token: VerifiedToken } | { readonly ok: false; readonly reason: Reason };

export const MAX_CHAIN = 8;
/** How far another host's clock may be ahead, for `iat` and `nbf`. `exp` gets no leeway. */
export const CLOCK_SKEW_SECONDS = 5;
/** A kept token is verified anew after this, so that a withdrawn key ends its tokens. */
const KEEP_MS = 60_000;
const KEPT_TOKENS = 10_000;

export class TokenVerifier {
  private readonly kept = new LRUCache<string, VerifiedToken>({ max: KEPT_TOKENS, ttl: KEEP_MS });

  constructor(private readonly issuers: Issuers) {}

  /**
   * @param audience that the token must name; undefined for that of the token's issuer
   * @param now of the decision
   * @throws Fault `keys_unavailable`
   */
  async verify(token: string, audience: string | undefined, now: Date): Promise<Verification> {
    try {
      const hash = createHash('sha256').update(token).digest('base64');
      let verified = this.kept.get(hash);
      if (verified === undefined) {
        verified = await this.authenticate(token);
        this.kept.set(hash, verified);
      }
      this.admit(verified, audience, now.getTime() / 1000);
      return { ok: true, token: verified };
    } catch (error) {
      if (error instanceof TokenRefused) return { ok: false, reason: error.reason };
      throw error;
    }
  }

  /** What is true whoever asks. @throws TokenRefused, Fault */
  private async authenticate(token: string): Promise<VerifiedToken> {
    const { header, payload } = readToken(token);
    const issuer = typeof payload['iss'] === 'string' ? this.issuers.find(payload['iss']) : undefined;
    if (issuer === undefined) return refuse('token_issuer_unknown');
    if (!issuer.algorithms.some((algorithm) => algorithm === header.alg)) return refuse('token_algorithm_forbidden');
    await verifySignature(token, issuer);
    const claims = readClaims(payload);
    return {
      issuer: issuer.issuer,
      ...actorsOf(claims, issuer, this.issuers),
      scopes: [...new Set((claims.scope ?? '').split(' ').filter((s) => s !== ''))],
      details: claims.authorization_details,
      clientId: claims.client_id,
      jti: claims.jti,
      audience: [claims.aud].flat(),
      expiresAt: claims.exp,
      notBefore: claims.nbf,
      issuedAt: claims.iat,
    };
  }

  /** @throws TokenRefused */
  private admit(token: VerifiedToken, audience: string | undefined, now: number): void {
    const expected = audience ?? this.issuers.find(token.issuer)?.audience;
    if (expected === undefined || !token.audience.includes(expected)) {
      refuse(
        'token_audience_mismatch',
        `The token names ${JSON.stringify(token.audience)}, here it takes "${expected ?? ''}".`,
      );
    }
    if (token.expiresAt <= now) refuse('token_expired');
    const latest = now + CLOCK_SKEW_SECONDS;
    if ((token.notBefore ?? 0) > latest || (token.issuedAt ?? 0) > latest) refuse('token_not_yet_valid');
  }
}

/** @throws TokenRefused, Fault `keys_unavailable` */
async function verifySignature(token: string, issuer: Issuer): Promise<void> {
  const options = { algorithms: [...issuer.algorithms] };
  try {
    await compactVerify(token, issuer.keys, options);
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw refusalOf(error, issuer);
    // No `kid` in the header: any key of the issuer's that fits may have signed, and one that is no good hides none.
    let unusable: Error | undefined;
    for await (const key of error) {
      try {
        await compactVerify(token, key, options);
        return;
      } catch (inner) {
        if (!(inner instanceof errors.JWSSignatureVerificationFailed)) unusable ??= refusalOf(inner, issuer);
      }
    }
    throw unusable ?? new TokenRefused(reason('token_signature_invalid'));
  }
}

/** What a failure of jose's says of the token; anything that it doesn't is the keys' fault. */
function refusalOf(error: unknown, issuer: Issuer): Error {
  const refused = (code: ReasonCode): Error => new TokenRefused(reason(code));
  if (error instanceof errors.JWSSignatureVerificationFailed) return refused('token_signature_invalid');
  if (error instanceof errors.JWKSNoMatchingKey) return refused('token_key_unknown');
  if (error instanceof errors.JOSEAlgNotAllowed) return refused('token_algorithm_forbidden');
  if (error instanceof errors.JWSInvalid || error instanceof errors.JOSENotSupported) return refused('token_malformed');
  return new Fault('keys_unavailable', `${issuer.issuer}: ${String(error)}`, { cause: error });
}

type Actors = Pick<VerifiedToken, 'mode' | 'user' | 'agent' | 'chain'>;

/** @throws TokenRefused `token_actor_invalid`, `token_claims_invalid` */
function actorsOf(claims: Claims, issuer: Issuer, issuers: Issuers): Actors {
  const { act, sub } = claims;
  if (act !== undefined && issuer.shapes.includes('act')) {
    const [agent, ...chain] = chainOf(act, issuer, issuers);
    if (agent === undefined) return refuse('token_actor_invalid');
    return { mode: 'delegated', user: named(issuer, sub), agent, chain };
  }
  if (act !== undefined) return refuse('token_actor_invalid', 'This issuer is not configured to state an `act`.');
  if (issuer.shapes.includes('user_claim') && issuer.user_claim !== undefined) {
    const user = claims[issuer.user_claim];
    if (user !== undefined) {
      if (typeof user !== 'string' || idProblem(user) !== undefined) {
        refuse('token_claims_invalid', `The claim "${issuer.user_claim}" is not the id of a user.`);
      }
      return { mode: 'delegated', user: named(issuer, user), agent: named(issuer, sub), chain: [] };
    }
  }
  if (issuer.shapes.includes('agent')) {
    // Where an issuer also issues for users, only RFC 9068's `sub` = `client_id` tells an agent's own token.
    if (issuer.shapes.length > 1 && claims.client_id !== sub) {
      refuse('token_actor_invalid', 'The token names no agent: no `act`, and `sub` is not its `client_id`.');
    }
    return { mode: 'direct', user: undefined, agent: named(issuer, sub), chain: [] };
  }
  return refuse('token_actor_invalid', 'The token names no agent, and this issuer always states one.');
}

/** The actors from the outermost `act` inwards: the agent that acts, then the earlier ones. */
function chainOf(outermost: Record<string, unknown>, issuer: Issuer, issuers: Issuers): string[] {
  const agents: string[] = [];
  let act: unknown = outermost;
  while (act !== undefined) {
    if (typeof act !== 'object' || act === null || Array.isArray(act))
      refuse('token_actor_invalid', 'An `act` is not an object.');
    const { sub, iss, act: inner } = act as Record<string, unknown>;
    if (typeof sub !== 'string' || idProblem(sub) !== undefined)
      refuse('token_actor_invalid', 'An `act.sub` is not the id of an agent.');
    const of = iss === undefined ? issuer : typeof iss === 'string' ? issuers.find(iss) : undefined;
    if (of === undefined) refuse('token_actor_invalid', 'An `act.iss` is no configured issuer.');
    // Whoever signs says who acts now only among its own; of the earlier ones, who can but deny, it may name others'.
    if (agents.length === 0 && of !== issuer) refuse('token_actor_invalid', "The acting agent is another issuer's.");
    agents.push(named(of, sub));
    if (agents.length > MAX_CHAIN) refuse('token_actor_invalid', `The chain has more than ${MAX_CHAIN} agents.`);
    act = inner;
  }
  if (new Set(agents).size !== agents.length) refuse('token_actor_invalid', 'The chain names an agent twice.');
  return agents;
}

function named(issuer: Issuer, sub: string): string {
  const name = issuer.name(sub);
  if (name === undefined) return refuse('token_claims_invalid', "An id reads as another issuer's.");
  const problem = idProblem(name);
  if (problem !== undefined) refuse('token_claims_invalid', `An id, named with its issuer's alias, ${problem}.`);
  return name;
}
