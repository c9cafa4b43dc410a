/**
 * The verifier: from a token's text to its parties and grants, or the reason why it is rejected. Signature, claims and
 * actors are the same for every caller, so they are cached by the token's hash; audience and validity are checked at
 * each call.
 */
import { createHash } from 'node:crypto';
import type { Reason } from '../model/reasons.js';
import { CountedCache, type CacheCounts } from '../telemetry/counted-cache.js';
import type { DelegationToken } from '../model/delegation-token.js';
import { detectFormat, TOKEN_TYPES } from './formats.js';
import { findAlgorithmProblem, type Issuers } from './issuers.js';
import { MAX_TOKEN_BYTES, parseToken, rejectToken, requireTokenLength, TokenRejectedError } from './jws.js';
import { limitKeys } from './keys.js';
import { normalizeToken } from './normalize-token.js';
import { tellPresetKind, type TokenReadingRules } from './reading-rules.js';
import { verifySignature } from './signature.js';
import type { TokenAcceptance, TokenReading } from '../model/credential.js';

export type TokenVerification =
  | { readonly ok: true; readonly token: DelegationToken; readonly accepted: TokenAcceptance }
  | { readonly ok: false; readonly reason: Reason };

/** A cached token is verified anew after this, so that a withdrawn key ends its tokens. */
const TOKEN_CACHE_MS = 60_000;
/** The time in which the parts of a request share a reading without asking the cache. */
const READING_MS = 1_000;
/** The most memory that verified tokens may take: some 10,000 of a usual size. */
const MAX_TOKEN_CACHE_BYTES = 32 * 1024 * 1024;
/** A verified token with its entry in the cache, beside its claims. */
const CACHED_TOKEN_BYTES = 1_000;
/** The memory that a character of a token's text takes once its claims are parsed. */
const BYTES_A_CHARACTER = 4;

const createTokenCache = (): CountedCache<string, DelegationToken> =>
  new CountedCache({ maxSize: MAX_TOKEN_CACHE_BYTES, ttl: TOKEN_CACHE_MS });

export class TokenVerifier {
  private verifiedTokens = createTokenCache();

  constructor(private readonly issuers: Issuers) {}

  get cache(): CacheCounts {
    return this.verifiedTokens;
  }

  /** The memory that the verified tokens take. */
  get cachedBytes(): number {
    return this.verifiedTokens.calculatedSize;
  }

  /** The longest token that is read. */
  get maxTokenBytes(): number {
    return this.issuers.maxTokenBytes;
  }

  /** Whether a token's signature is known to be good, so that verifying it takes no work. */
  isVerified(tokenText: string): boolean {
    return this.verifiedTokens.has(hashToken(tokenText));
  }

  /** Forgets all verified tokens: issuers or their keys have changed. */
  clearCache(): void {
    this.verifiedTokens = createTokenCache();
  }

  /** Reads a token for the parts of one request: what doesn't depend on its presenter is verified once, when first needed. */
  read(text: string): TokenReading {
    let cache = this.verifiedTokens;
    let token: Promise<DelegationToken> | undefined;
    let readAt = -Infinity;
    return {
      text,
      token: () => {
        const now = performance.now();
        // A long request asks the cache again, which knows of keys and issuers that have changed meanwhile.
        if (token === undefined || cache !== this.verifiedTokens || now - readAt > READING_MS) {
          cache = this.verifiedTokens;
          readAt = now;
          token = this.verifyCached(text, () => (token = undefined));
        }
        return token;
      },
    };
  }

  /**
   * @param reading the token's reading, or its text where nothing else of the request reads it
   * @param audience the one that the token must name; undefined for the audience of its issuer
   * @param now the time of the decision
   * @throws Fault `keys_unavailable`
   */
  async verify(reading: TokenReading | string, audience: string | undefined, now: Date): Promise<TokenVerification> {
    try {
      const token = await (typeof reading === 'string' ? this.read(reading) : reading).token();
      const issuer = this.issuers.find(token.issuer);
      // It was removed from the configuration while its token was verified.
      if (issuer === undefined) return rejectToken('token_issuer_unknown');
      const accepted = {
        audience: checkAudience(token, audience === undefined ? issuer.audiences : [audience]),
        detailTypes: issuer.authorization_details_types ?? [],
      };
      checkValidityPeriod(token, now.getTime() / 1000, issuer.rules.leeway);
      return { ok: true, token, accepted };
    } catch (error) {
      if (error instanceof TokenRejectedError) return { ok: false, reason: error.reason };
      throw error;
    }
  }

  /** @param onFault called where keys can't be had: they may be had for the request's next part */
  private async verifyCached(tokenText: string, onFault: () => void): Promise<DelegationToken> {
    const hash = hashToken(tokenText);
    // Held on to: a token that is verified with earlier keys must not enter the cache that replaces this one.
    const cache = this.verifiedTokens;
    const cached = cache.get(hash);
    if (cached !== undefined) return cached;
    try {
      const token = await this.verifyUncached(tokenText);
      cache.set(hash, token, { size: CACHED_TOKEN_BYTES + BYTES_A_CHARACTER * tokenText.length });
      return token;
    } catch (error) {
      if (!(error instanceof TokenRejectedError)) onFault();
      throw error;
    }
  }

  /** Verifies what is the same for every caller. @throws TokenRejectedError, Fault `keys_unavailable` */
  private async verifyUncached(tokenText: string): Promise<DelegationToken> {
    const unverified = parseToken(tokenText, this.maxTokenBytes);
    const { iss } = unverified.payload;
    const issuer = typeof iss === 'string' ? this.issuers.find(iss) : undefined;
    requireTokenLength(tokenText, issuer?.rules.maxTokenBytes ?? MAX_TOKEN_BYTES);
    const kind = issuer === undefined ? undefined : tellPresetKind(unverified.payload, issuer.rules);
    const format = detectFormat(unverified, issuer?.rules.types ?? TOKEN_TYPES, kind);
    if (issuer === undefined) return rejectToken('token_issuer_unknown');
    const algorithmProblem = findAlgorithmProblem(unverified.header.alg, issuer);
    if (algorithmProblem !== undefined) rejectToken('token_algorithm_forbidden', algorithmProblem);
    const { keys, rules } = issuer;
    const hasKeyIssuers = rules.preset.hasKeyIssuers === true;
    await verifySignature(tokenText, hasKeyIssuers ? { ...issuer, keys: limitKeys(keys, issuer.issuer) } : issuer);
    return normalizeToken(unverified.payload, format, issuer, this.issuers);
  }
}

function hashToken(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}

/**
 * @param audiences those of which the token must name one
 * @returns the one that it names
 * @throws TokenRejectedError `token_audience_mismatch`
 */
export function checkAudience(token: DelegationToken, audiences: readonly string[]): string {
  const audience = audiences.find((name) => token.resources.includes(name));
  if (audience !== undefined) return audience;
  const accepted = audiences.map((name) => JSON.stringify(name)).join(' or ');
  return rejectToken(
    'token_audience_mismatch',
    `The token is for ${JSON.stringify(token.resources)}; it must be for ${accepted}.`,
  );
}

/**
 * @param now seconds since the epoch
 * @param leeway that of its issuer
 * @throws TokenRejectedError `token_expired`, `token_not_yet_valid`
 */
export function checkValidityPeriod(token: DelegationToken, now: number, leeway: TokenReadingRules['leeway']): void {
  if (token.expiresAt + leeway.expired <= now) rejectToken('token_expired');
  const begins = Math.max(token.notBefore ?? 0, token.issuedAt ?? 0);
  if (begins > now + leeway.ahead) rejectToken('token_not_yet_valid', undefined, new Date(begins * 1000).toISOString());
}
