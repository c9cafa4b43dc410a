/**
 * Proof of possession: checks that the presenter of a bound token holds the key (DPoP, RFC 9449) or the certificate
 * (mTLS, RFC 8705) that it is bound to. jose verifies the proof's signature and makes the thumbprints.
 */
import { createHash, timingSafeEqual, X509Certificate } from 'node:crypto';
import { calculateJwkThumbprint, EmbeddedJWK } from 'jose';
import { z } from 'zod';
import type { DelegationToken } from '../model/delegation-token.js';
import { SIGNATURE_ALGORITHMS } from './algorithms.js';
import { PRIVATE_KEY_MEMBERS } from './keys.js';
import { describeSchemaError, parseToken, rejectToken, TokenRejectedError } from './jws.js';
import { verifySignature } from './signature.js';
import { CLOCK_SKEW_SECONDS } from './reading-rules.js';
import type { PresentedProof, SingleUseProof } from '../model/credential.js';

/** The longest age of a proof, which is made for one request. */
export const PROOF_MAX_AGE_SECONDS = 60;

const proofClaimsSchema = z.looseObject({
  jti: z.string().min(1).max(256),
  htm: z.string().min(1).max(32),
  htu: z.string().min(1).max(2048),
  iat: z.number().min(0).max(253_402_300_799),
  ath: z.string().max(64).optional(),
});

/**
 * @param token a verified token
 * @param now seconds since the epoch
 * @returns the proof, which must not be used again; undefined where the token needs none
 * @throws TokenRejectedError `proof_missing`, `proof_invalid`
 */
export async function verifyPossession(
  token: DelegationToken,
  tokenText: string,
  presented: PresentedProof,
  now: number,
): Promise<SingleUseProof | undefined> {
  const { jkt, x5t } = token.proof ?? { jkt: undefined, x5t: undefined };
  if (x5t !== undefined) {
    if (presented.certificate === undefined)
      rejectToken('proof_missing', 'The token is bound to a certificate (cnf.x5t#S256), and none was stated.');
    if (!equalInConstantTime(presented.certificate, x5t))
      rejectToken('proof_invalid', 'The certificate is not the one that the token is bound to.');
  }
  if (jkt === undefined) {
    // A caller that sends a proof for an unbound token expects a protection that isn't there.
    if (presented.dpop !== undefined) rejectToken('proof_invalid', 'The token is not bound to a key (cnf.jkt).');
    return undefined;
  }
  if (presented.dpop === undefined)
    return rejectToken('proof_missing', 'The token is bound to a key (cnf.jkt), and no DPoP proof was presented.');
  return verifyDpopProof(jkt, tokenText, presented.dpop, now);
}

/** Checks a proof in the order of RFC 9449 section 4.3. */
async function verifyDpopProof(
  jkt: string,
  tokenText: string,
  { jwt, method, url }: NonNullable<PresentedProof['dpop']>,
  now: number,
): Promise<SingleUseProof> {
  const { header, payload } = parseProof(jwt);
  if (header.typ?.toLowerCase() !== 'dpop+jwt') rejectToken('proof_invalid', 'The proof\'s "typ" is not "dpop+jwt".');
  if (!SIGNATURE_ALGORITHMS.some((a) => a === header.alg))
    rejectToken('proof_invalid', `The proof's "alg" is not one of ${SIGNATURE_ALGORITHMS.join(', ')}.`);
  const jwk = header['jwk'];
  if (typeof jwk !== 'object' || jwk === null) return rejectToken('proof_invalid', 'The proof has no "jwk".');
  if (PRIVATE_KEY_MEMBERS.some((member) => Object.hasOwn(jwk, member)))
    rejectToken('proof_invalid', 'The "jwk" of the proof is not a public key.');
  await verifySignature(jwt, { issuer: 'the proof', keys: EmbeddedJWK, algorithms: SIGNATURE_ALGORITHMS }).catch(() =>
    rejectToken('proof_invalid', 'The signature of the proof does not verify.'),
  );
  const parsed = proofClaimsSchema.safeParse(payload);
  if (!parsed.success) return rejectToken('proof_invalid', `The proof's claim ${describeSchemaError(parsed.error)}.`);
  const { jti, htm, htu, iat, ath } = parsed.data;
  if (htm !== method)
    rejectToken('proof_invalid', `The proof is for ${quoteClaim(htm)}, the request was ${quoteClaim(method)}.`);
  const target = normalizeTarget(url);
  if (target === undefined || normalizeTarget(htu) !== target)
    rejectToken('proof_invalid', 'The proof\'s "htu" is not the URL of the request.');
  if (iat > now + CLOCK_SKEW_SECONDS)
    rejectToken('proof_invalid', 'The proof\'s "iat" lies in the future: its clock is ahead.');
  if (iat < now - PROOF_MAX_AGE_SECONDS)
    rejectToken('proof_invalid', `The proof's "iat" is not within the last ${PROOF_MAX_AGE_SECONDS} seconds.`);
  if (ath === undefined) return rejectToken('proof_invalid', 'The proof has no "ath", the hash of this token.');
  if (!equalInConstantTime(ath, createHash('sha256').update(tokenText).digest('base64url')))
    rejectToken('proof_invalid', 'The proof\'s "ath" is not the hash of this token.');
  if (!equalInConstantTime(await calculateJwkThumbprint(jwk), jkt))
    rejectToken('proof_invalid', "The proof's key is not the one that the token is bound to.");
  return {
    id: createHash('sha256').update(`${jkt} ${jti}`).digest('base64url'),
    proof: jwt,
    expiresAt: Math.ceil(iat + PROOF_MAX_AGE_SECONDS) + 1,
  };
}

/** @throws TokenRejectedError `proof_invalid`: a malformed proof does not make the token malformed */
function parseProof(jwt: string): ReturnType<typeof parseToken> {
  try {
    return parseToken(jwt);
  } catch (error) {
    if (error instanceof TokenRejectedError)
      return rejectToken('proof_invalid', error.message.replace(/\btoken\b/, 'proof'));
    throw error;
  }
}

/**
 * Computes the thumbprint (SHA-256 in base64url) of a certificate.
 * @param certificate PEM, or DER in base64
 * @returns undefined where it is not a certificate
 */
export function certificateThumbprint(certificate: string): string | undefined {
  try {
    const encoded = certificate.includes('-----BEGIN') ? certificate : Buffer.from(certificate, 'base64');
    return createHash('sha256').update(new X509Certificate(encoded).raw).digest('base64url');
  } catch {
    return undefined;
  }
}

/** Normalizes a URL (RFC 3986 6.2.2, 6.2.3) without query and fragment; undefined where it is no http(s) URL. */
function normalizeTarget(uri: string): string | undefined {
  if (!URL.canParse(uri)) return undefined;
  const url = new URL(uri);
  if (!['https:', 'http:'].includes(url.protocol) || url.username + url.password !== '') return undefined;
  const path = url.pathname.replace(/%[0-9a-f]{2}/gi, (escape) => {
    const char = String.fromCharCode(Number.parseInt(escape.slice(1), 16));
    return /[A-Za-z0-9._~-]/.test(char) ? char : escape.toUpperCase();
  });
  return `${url.protocol}//${url.host}${path}`;
}

function equalInConstantTime(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}

function quoteClaim(text: string): string {
  return JSON.stringify(text.toWellFormed().slice(0, 64));
}
