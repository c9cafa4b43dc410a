/**
 * Proof of possession: that whoever presents a bound token holds the key (DPoP, RFC 9449) or the certificate (mTLS,
 * RFC 8705) that it is bound to. jose verifies the proof's signature and makes the thumbprints.
 */
import { createHash, timingSafeEqual, X509Certificate } from 'node:crypto';
import { calculateJwkThumbprint, EmbeddedJWK } from 'jose';
import { z } from 'zod';
import type { DelegationToken } from '../model/delegation-token.js';
import { ALGORITHMS } from './issuers.js';
import { PRIVATE_MEMBERS } from './keys.js';
import { placed, readToken, refuse, TokenRefused } from './jws.js';
import { verifySignature } from './signature.js';
import { CLOCK_SKEW_SECONDS } from './verify.js';
import type { PresentedProof, SingleUse } from '../model/credential.js';

/** A proof is for one request, so it is made at that moment. */
export const PROOF_AGE_SECONDS = 60;

const proofClaims = z.looseObject({
  jti: z.string().min(1).max(256),
  htm: z.string().min(1).max(32),
  htu: z.string().min(1).max(2048),
  iat: z.number().min(0).max(253_402_300_799),
  ath: z.string().max(64).optional(),
});

/**
 * @param token a verified token, and its text
 * @returns what must not be used again; undefined where nothing is used up
 * @throws TokenRefused `proof_missing`, `proof_invalid`
 */
export async function checkProof(
  token: DelegationToken,
  text: string,
  presented: PresentedProof,
  now: number,
): Promise<SingleUse | undefined> {
  const { jkt, x5t } = token.proof ?? { jkt: undefined, x5t: undefined };
  if (x5t !== undefined) {
    if (presented.certificate === undefined)
      refuse('proof_missing', 'The token is bound to a certificate (cnf.x5t#S256), and none was stated.');
    if (!equal(presented.certificate, x5t)) refuse('proof_invalid', 'The certificate is not the one of the token.');
  }
  if (jkt === undefined) {
    // Asked to look at a proof of a token that needs none, somebody expects a safety that isn't there.
    if (presented.dpop !== undefined) refuse('proof_invalid', 'The token is not bound to a key (cnf.jkt).');
    return undefined;
  }
  if (presented.dpop === undefined)
    return refuse('proof_missing', 'The token is bound to a key (cnf.jkt), and no DPoP proof was presented.');
  return checkDpop(jkt, text, presented.dpop, now);
}

/** RFC 9449 section 4.3, in its order. */
async function checkDpop(
  jkt: string,
  token: string,
  { jwt, method, url }: NonNullable<PresentedProof['dpop']>,
  now: number,
): Promise<SingleUse> {
  const { header, payload } = readProof(jwt);
  if (header.typ?.toLowerCase() !== 'dpop+jwt') refuse('proof_invalid', 'The proof\'s "typ" is not "dpop+jwt".');
  if (!ALGORITHMS.some((a) => a === header.alg))
    refuse('proof_invalid', `The proof's "alg" is not one of ${ALGORITHMS.join(', ')}.`);
  const jwk = header['jwk'];
  if (typeof jwk !== 'object' || jwk === null) return refuse('proof_invalid', 'The proof has no "jwk".');
  if (PRIVATE_MEMBERS.some((member) => Object.hasOwn(jwk, member)))
    refuse('proof_invalid', 'The "jwk" of the proof is not a public key.');
  await verifySignature(jwt, { issuer: 'the proof', keys: EmbeddedJWK, algorithms: ALGORITHMS }).catch(() =>
    refuse('proof_invalid', 'The signature of the proof does not verify.'),
  );
  const read = proofClaims.safeParse(payload);
  if (!read.success) return refuse('proof_invalid', `The proof's claim ${placed(read.error)}.`);
  const { jti, htm, htu, iat, ath } = read.data;
  if (htm !== method) refuse('proof_invalid', `The proof is for ${quoted(htm)}, the request was ${quoted(method)}.`);
  const target = withoutQuery(url);
  if (target === undefined || withoutQuery(htu) !== target)
    refuse('proof_invalid', 'The proof\'s "htu" is not the URL of the request.');
  if (iat > now + CLOCK_SKEW_SECONDS)
    refuse('proof_invalid', 'The proof\'s "iat" lies in the future: its clock is ahead.');
  if (iat < now - PROOF_AGE_SECONDS)
    refuse('proof_invalid', `The proof's "iat" is not within the last ${PROOF_AGE_SECONDS} seconds.`);
  if (ath === undefined) return refuse('proof_invalid', 'The proof has no "ath", the hash of this token.');
  if (!equal(ath, createHash('sha256').update(token).digest('base64url')))
    refuse('proof_invalid', 'The proof\'s "ath" is not the hash of this token.');
  if (!equal(await calculateJwkThumbprint(jwk), jkt))
    refuse('proof_invalid', "The proof's key is not the one that the token is bound to.");
  return {
    id: createHash('sha256').update(`${jkt} ${jti}`).digest('base64url'),
    proof: jwt,
    expiresAt: Math.ceil(iat + PROOF_AGE_SECONDS) + 1,
  };
}

/** @throws TokenRefused `proof_invalid`: what is wrong with a proof is not the token's fault */
function readProof(jwt: string): ReturnType<typeof readToken> {
  try {
    return readToken(jwt);
  } catch (error) {
    if (error instanceof TokenRefused) return refuse('proof_invalid', error.message.replace(/\btoken\b/, 'proof'));
    throw error;
  }
}

/** Thumbprint of a certificate, given as PEM or as DER in base64; undefined where it is none. */
export function certificateThumbprint(certificate: string): string | undefined {
  try {
    const encoded = certificate.includes('-----BEGIN') ? certificate : Buffer.from(certificate, 'base64');
    return createHash('sha256').update(new X509Certificate(encoded).raw).digest('base64url');
  } catch {
    return undefined;
  }
}

/** The target without query and fragment, scheme, host, port and escapes in their normal form (RFC 3986 6.2.2, 6.2.3). */
function withoutQuery(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (!['https:', 'http:'].includes(url.protocol) || url.username + url.password !== '') return undefined;
  const path = url.pathname.replace(/%[0-9a-f]{2}/gi, (escape) => {
    const char = String.fromCharCode(Number.parseInt(escape.slice(1), 16));
    return /[A-Za-z0-9._~-]/.test(char) ? char : escape.toUpperCase();
  });
  return `${url.protocol}//${url.host}${path}`;
}

function equal(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}

function quoted(text: string): string {
  return JSON.stringify(text.toWellFormed().slice(0, 64));
}
